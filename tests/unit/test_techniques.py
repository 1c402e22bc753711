"""The record of techniques and its one spelling."""

from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import BadInputError
from drivetrain.scenario import ServeScenario
from drivetrain.techniques import CHANGES_OUTPUT, METHODS, SPARSITIES, Techniques, parse_techniques, spelled

shares = st.floats(0.0, 1.0, exclude_min=True)


@st.composite
def techniques(draw):
    """Any valid record."""
    method = draw(st.sampled_from([*METHODS, "draft:llama-3.2-1b", "draft:some/Path_x.toml"]))
    drafts = {} if method == "off" else {
        "draft_tokens": draw(st.integers(0, 32)), "acceptance": draw(st.none() | st.floats(0.0, 1.0)),
    }  # fmt: skip
    popularity = draw(st.sampled_from(["", "imbalance", "skew"]))
    offload = draw(st.none() | st.floats(0.0, 1e15) | st.integers(0, 4096).map(lambda n: n * 1e9))
    lora = draw(st.booleans())
    return Techniques(
        speculative=method,
        **drafts,
        chunked_prefill=draw(st.sampled_from([None, True, False])),
        sparsity=draw(st.sampled_from(SPARSITIES)),
        kv_compression=draw(shares),
        power_cap=draw(shares),
        expert_imbalance=draw(st.floats(1.0, 1000.0)) if popularity == "imbalance" else 1.0,
        expert_skew=draw(st.floats(0.0, 10.0)) if popularity == "skew" else 0.0,
        redundant_experts=draw(st.integers(0, 1024)),
        two_batch_overlap=draw(st.booleans()),
        kv_offload_bytes=offload,
        host_hit=None if offload is None else draw(st.none() | st.floats(0.0, 1.0)),
        lora_adapters=draw(st.integers(1, 1024)) if lora else 0,
        lora_rank=draw(st.integers(1, 1024)) if lora else 0,
    )


@given(techniques())
def test_what_is_spelled_reads_back_the_same(chosen):
    assert parse_techniques(spelled(chosen)) == chosen


@given(techniques())
def test_the_spelling_is_canonical(chosen):
    text = spelled(chosen)
    shuffled = ", ".join(reversed([part.upper() if "draft:" not in part else part for part in text.split(",")]))
    assert spelled(parse_techniques(shuffled)) == text
    assert (text == "") == (chosen == Techniques())


@given(techniques())
def test_a_scenario_keeps_the_canonical_spelling(chosen):
    scenario = ServeScenario(model="m", workload="chat", techniques=" " + spelled(chosen) + " ,")
    assert scenario.techniques == spelled(chosen)


@given(techniques())
def test_only_what_departs_from_its_default_is_chosen(chosen):
    assert Techniques(**chosen.chosen) == chosen
    assert chosen.changes_output <= CHANGES_OUTPUT
    assert chosen.changes_output == {name for name in CHANGES_OUTPUT if name in chosen.chosen}


def test_every_field_can_be_said():
    said = parse_techniques(
        "speculative=mtp,draft-tokens=2,acceptance=80%,chunked-prefill=off,sparsity=2:4,kv-compression=0.5,"
        "power-cap=0.7,expert-skew=0.5,redundant-experts=32,two-batch-overlap=on,kv-offload=64 GiB,host_hit=0.1,"
        "lora=8:16"
    )
    assert set(said.chosen) == {field.name for field in fields(Techniques)} - {"expert_imbalance"}
    assert said.acceptance == 0.8
    assert said.kv_offload_bytes == 64 * 1024**3
    assert parse_techniques("expert-imbalance=1.3").expert_imbalance == 1.3
    assert parse_techniques("speculative=draft:llama-3.2-1b").draft_model == "llama-3.2-1b"
    assert parse_techniques("kv-offload=0GB") != parse_techniques("kv-offload=off") == Techniques()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("specultive=mtp", "Did you mean 'speculative'"),
        ("frobnicate=1", "Known: speculative"),
        ("speculative=mpt", "Did you mean 'mtp'"),
        ("speculative", "needs a value, for example speculative=mtp"),
        ("speculative=", "needs a value"),
        ("speculative=draft:", "needs a name"),
        ("speculative=draft", "needs a name"),
        ("draft-tokens=2", "need a method"),
        ("acceptance=0.5", "need a method"),
        ("speculative=mtp,draft-tokens=2.5", "whole number"),
        ("speculative=mtp,draft-tokens=-1", "whole number"),
        ("speculative=mtp,draft-tokens=33", "from 0 to 32"),
        ("speculative=mtp,acceptance=1.5", "from 0 to 1"),
        ("speculative=mtp,acceptance=nan", "number"),
        ("speculative=mtp,speculative=eagle", "twice"),
        ("chunked-prefill=maybe", "on or off"),
        ("sparsity=1:4", "2:4"),
        ("kv-compression=0", "above 0 to 1"),
        ("kv-compression=2", "above 0 to 1"),
        ("power-cap=700W", "needs a number"),
        ("power-cap=0", "above 0"),
        ("expert-imbalance=0.9", "from 1"),
        ("expert-skew=-1", "from 0"),
        ("expert-skew=0.5,expert-imbalance=1.2", "give one of them"),
        ("redundant-experts=many", "whole number"),
        ("kv-offload=64", "no unit"),
        ("kv-offload=64W", "bytes"),
        ("kv-offload=inf", "kv-offload"),
        ("host-hit=0.3", "kv-offload=64GB"),
        ("lora=8", "lora=8:16"),
        ("lora=8:0", "number and a rank"),
        ("lora=8:4096", "from 0 to 1024"),
    ],
)
def test_bad_spellings_are_refused_with_a_way_out(text, says):
    with pytest.raises(BadInputError, match=says) as caught:
        parse_techniques(text)
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("wrong", [
    {"speculative": None}, {"draft_tokens": 1.0, "speculative": "mtp"}, {"draft_tokens": True, "speculative": "mtp"},
    {"power_cap": "0.7"}, {"power_cap": True}, {"two_batch_overlap": 1}, {"chunked_prefill": "off"},
    {"kv_compression": None}, {"speculative": "draft:a,b"}, {"kv_offload_bytes": -1.0}, {"sparsity": 2},
])  # fmt: skip
def test_wrong_types_are_refused(wrong):
    with pytest.raises(BadInputError):
        Techniques(**wrong)


@pytest.mark.parametrize("wrong", [None, 5, {"speculative": "mtp"}])
def test_a_text_is_needed(wrong):
    with pytest.raises(BadInputError, match="must be text"):
        parse_techniques(wrong)


def test_a_record_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Techniques().power_cap = 0.5
