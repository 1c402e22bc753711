"""Quality measurements as shipped; what their reader and their check refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from drivetrain.catalogue import loader
from drivetrain.catalogue.check import check
from drivetrain.catalogue.check_quality import check_quality
from drivetrain.catalogue.quality_keys import LOSSLESS, canonical
from drivetrain.catalogue.read_quality import read_quality
from drivetrain.cli.main import app
from drivetrain.errors import BadInputError, FileError
from drivetrain.verbs.catalogue import list_entries, show_entry

SEEN = {"source": "assumption", "seen": "2026-11", "kind": "assumed"}
MODELS = list(loader.load_all("models").values())
SHIPPED = list(loader.load_all("quality").values())
ENTRY = {"technique": "weights=fp8", "model": "llama-3.1-8b", "scores": {"MMLU": [80.0, 79.0]}}


def read(**entry):
    changed = {key: value for key, value in (ENTRY | entry).items() if value is not None}
    return read_quality({**SEEN, "quality": [changed]}, "my.toml")


def refused(**entry):
    return [message for _, _, message in check_quality([("my.toml", row) for row in read(**entry)], MODELS)]


# --- as shipped


@pytest.mark.parametrize("row", SHIPPED, ids=lambda row: row.name)
def test_every_row_names_source_date_and_kind(row):
    assert row.facts
    for fact in row.facts.values():
        assert fact.source in loader.sources()
        assert fact.seen[:2] == "20"
        assert fact.kind in ("vendor", "measured", "derived", "assumed")
        assert fact.dimension == "%"
        assert 0.0 < fact.value <= 100.0 or (fact is row.facts.get("recovery") and fact.value < 125.0)


def test_shipped_rows_are_sound():
    assert list(check_quality([("quality", row) for row in SHIPPED], MODELS)) == []


def test_lossless_rows_and_only_those_hold_for_every_model():
    anywhere = {row.technique for row in SHIPPED if not (row.model or row.family or row.params)}
    assert anywhere == set(LOSSLESS)
    assert all(row.recovery == 1.0 and row.delta == 0.0 for row in SHIPPED if row.technique in LOSSLESS)


@pytest.mark.parametrize(
    ("technique", "low", "high"),
    [
        ("weights=fp8", 0.95, 1.15),  # 30 questions of AIME make steps of 3 points
        ("weights=fp8_block", 0.98, 1.05),
        ("weights=int8", 0.95, 1.06),
        ("weights=int4", 0.9, 1.05),
        ("weights=nvfp4", 0.85, 1.05),
        ("kv=fp8", 0.9, 1.1),
    ],
)
def test_shipped_precisions_stay_in_their_band(technique, low, high):
    found = [row.recovery for row in SHIPPED if row.technique == technique]
    assert len(found) >= 10
    assert low <= min(found)
    assert max(found) <= high


def test_precisions_rank_as_their_bits_do():
    middle = {}
    for technique in ("weights=fp8", "weights=int8", "weights=nvfp4"):
        found = sorted(row.recovery for row in SHIPPED if row.technique == technique)
        middle[technique] = found[len(found) // 2]
    assert middle["weights=fp8"] >= middle["weights=int8"] - 0.003
    assert middle["weights=int8"] > middle["weights=nvfp4"]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("weights-fp8-llama-3.1-8b-openllm-v1-average", 73.79, 73.44),
        ("distilled-deepseek-r1-deepseek-r1-distill-qwen-32b-aime-2024", 79.8, 72.6),
        ("distilled-deepseek-r1-deepseek-r1-distill-llama-70b-gpqa-diamond", 71.5, 65.2),
    ],
)
def test_rows_carry_the_published_figures(name, before, after):
    row = loader.load("quality", name)
    assert (row.before, row.after) == (before, after)
    assert row.recovery == pytest.approx(after / before)
    assert row.delta == pytest.approx(after - before)


# --- reader


@given(st.floats(1.0, 100.0), st.floats(1.0, 100.0))
def test_recovery_and_delta_are_of_the_scores(before, after):
    (row,) = read(scores={"MMLU": [before, after]})
    assert row.recovery == pytest.approx(after / before)
    assert row.delta == pytest.approx(after - before)
    assert (row.facts["before"].text, row.facts["after"].dimension) == (f"{before} %", "%")


def test_head_holds_unless_the_entry_says_otherwise():
    raw = SEEN | {"technique": "kv=fp8", "unverified": True}
    entries = [{k: v for k, v in ENTRY.items() if k != "technique"}, ENTRY | {"unverified": False, "kind": "measured"}]
    first, second = read_quality(raw | {"quality": entries}, "my.toml")
    assert (first.technique, first.evidence.unverified, first.evidence.kind) == ("kv=fp8", True, "assumed")
    assert (second.technique, second.evidence.unverified, second.evidence.kind) == ("weights=fp8", False, "measured")


@given(st.integers(2, 6), st.integers(1, 3))
def test_siblings_give_every_ordered_pair(n, n_benchmarks):
    models = [f"m{i}" for i in range(n)]
    scores = {f"b{j}": [90.0 - i - j for i in range(n)] for j in range(n_benchmarks)}
    rows = read_quality(SEEN | {"siblings": [{"models": models, "scores": scores}]}, "my.toml")
    assert len(rows) == n_benchmarks * n * (n - 1) / 2
    for row in rows:
        large, small = models.index(row.model), models.index(row.stand_in)
        assert large < small
        assert row.technique == f"sibling=m{small}"
        scored = scores[row.benchmark]
        assert (row.before, row.after) == (scored[large], scored[small])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"scores": {"MMLU": [80.0]}}, "needs 2 scores"),
        ({"scores": {"MMLU": 80.0}}, "needs 2 scores"),
        ({"scores": {"MMLU": [80.0, 0.0]}}, "above 0"),
        ({"scores": {"MMLU": [80.0, -1.0]}}, "above 0"),
        ({"scores": {"MMLU": [80.0, 201.0]}}, "at most 200"),
        ({"scores": {"MMLU": [80.0, float("nan")]}}, "above 0"),
        ({"scores": {"MMLU": [80.0, True]}}, "above 0"),
        ({"scores": {"MMLU": [80.0, "79"]}}, "above 0"),
        ({"scores": None}, "no scores"),
        ({"scores": None, "recoveries": {"MMLU": 0}}, "above 0"),
        ({"technique": None}, "technique is missing"),
        ({"source": 3}, "source"),
        ({"source": ["a"]}, "source"),
        ({"unverified": "no"}, "unverified"),
        ({"kind": "guess"}, "kind"),
        ({"scoers": {}}, "scoers"),
        ({"params": "eight"}, "params"),
    ],
)
def test_reader_refuses(entry, said):
    with pytest.raises(BadInputError, match=said):
        read(**entry)


def test_reader_refuses_a_source_left_out():
    with pytest.raises(FileError, match="source"):
        read_quality({"quality": [ENTRY]}, "my.toml")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (dict(SEEN), "neither"),
        (SEEN | {"quality": [ENTRY, ENTRY]}, "two rows are called"),
        (SEEN | {"siblings": [{"models": ["a"], "scores": {"MMLU": [3]}}]}, "nothing to compare"),
        (SEEN | {"siblings": [{"models": ["a", "b"], "scores": {}}]}, "nothing to compare"),
        (SEEN | {"siblings": [{"models": ["a", "b"], "scores": {"MMLU": [3, 4, 5]}}]}, "needs 2 scores"),
        (SEEN | {"qualities": []}, "qualities"),
    ],
)
def test_reader_refuses_files(raw, said):
    with pytest.raises(BadInputError, match=said):
        read_quality(raw, "my.toml")


def test_variants_tell_rows_apart():
    rows = read_quality(SEEN | {"quality": [ENTRY, ENTRY | {"variant": "dynamic"}]}, "my.toml")
    assert [row.name for row in rows] == ["weights-fp8-llama-3.1-8b-mmlu", "weights-fp8-llama-3.1-8b-dynamic-mmlu"]


# --- check


def test_the_plain_entry_is_sound():
    assert refused() == []
    assert refused(model=None, family=MODELS[0].family, params=8e9, checkpoint="x") == []
    assert refused(technique="distilled", stand_in="llama-3.2-1b") == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"technique": "weights=fp9"}, "no technique 'weights=fp9'"),
        ({"technique": "kv_dtype=fp8"}, "no technique"),
        ({"technique": "Weights=fp8"}, "no technique"),
        ({"technique": "kv-compression=2"}, "no technique"),
        ({"model": "llama-9"}, "no model 'llama-9'"),
        ({"model": "Llama-3.1-8B-Instruct"}, "no model"),
        ({"stand_in": "llama-9"}, "no model 'llama-9' to stand in"),
        ({"stand_in": "llama-3.1-8b"}, "cannot stand in for itself"),
        ({"model": None, "stand_in": "llama-3.1-8b", "params": 8e9, "checkpoint": "x"}, "needs the model"),
        ({"model": None, "family": "no-such", "params": 8e9, "checkpoint": "x"}, "family 'no-such'"),
        ({"model": None}, "nothing of what was measured"),
        ({"model": None, "params": 8e9}, "no checkpoint"),
        ({"scores": {"": [80.0, 79.0]}}, "benchmark is blank"),
        ({"scores": {" ": [80.0, 79.0]}}, "benchmark is blank"),
        ({"scores": {"MMLU": [80.0, 8.0]}}, "outside 0.4 to 1.25"),
        ({"scores": {"MMLU": [8.0, 80.0]}}, "outside 0.4 to 1.25"),
        ({"technique": "pruned", "scores": {"MMLU": [8.0, 80.0]}}, "outside 0 to 1.5"),
        ({"scores": {"MMLU": [101.0, 99.0]}}, "before is 101.0 %"),
        ({"scores": {"MMLU": [99.0, 101.0]}}, "after is 101.0 %"),
        ({"technique": "speculative", "scores": {"MMLU": [80.0, 79.0]}}, "equal by construction"),
        ({"technique": "prefix-cache", "model": None, "scores": {"MMLU": [80.0, 80.1]}}, "equal by construction"),
    ],
)
def test_check_refuses(entry, said):
    found = refused(**entry)
    assert found
    assert any(said in message for message in found)


@given(st.floats(0.01, 1.0).map(lambda share: share * 100))
def test_a_precision_may_lose_up_to_its_band(after):
    assert (refused(scores={"MMLU": [100.0, after]}) == []) == (after / 100.0 > 0.4)


def test_the_same_row_twice_is_refused_across_files():
    (row,) = read()
    found = list(check_quality([("a.toml", row), ("b.toml", row)], MODELS))
    assert [(file, name) for file, name, _ in found] == [("a.toml, b.toml", row.name)]


def test_the_catalogues_check_covers_quality(overlay):
    overlay("quality", "mine", 'source = "nobody"\nseen = "2026-11"\nkind = "measured"\n[[quality]]\n'
            'technique = "weights=fp9"\nmodel = "llama-3.1-8b"\nscores = { "MMLU" = [80, 79] }\n')  # fmt: skip
    messages = [problem.message for problem in check() if problem.file == "quality/mine.toml"]
    assert any("weights=fp9" in message for message in messages)
    assert any("nobody" in message for message in messages)


def test_keys_of_shipped_rows_are_canonical():
    assert all(canonical(row.technique) == row.technique for row in SHIPPED)


# --- verbs


def test_every_row_is_listed_and_its_name_is_whole():
    found = list_entries("quality")
    shown = CliRunner().invoke(app, ["list", "quality"], catch_exceptions=False).output
    words = set(shown.split())
    assert len(found) == len(SHIPPED)
    assert {row["name"] for row in found} <= words
    assert max(map(len, shown.splitlines())) <= 100
    assert f"{sum(row['unverified'] for row in found)} of {len(found)} rest on values" in shown


def test_a_row_is_shown_with_recovery_and_source():
    row = show_entry("weights-fp8-llama-3.1-8b-openllm-v1-average", sources=True)
    assert row["recovery"] == pytest.approx(73.44 / 73.79)
    assert (row["entry"], row["before"], row["after"]) == ("quality", 73.79, 73.44)
    assert [value["field"] for value in row["values"]] == ["before", "after"]
    assert all(value["url"] for value in row["values"])
