"""Facts about how engines hand requests over, and what is refused in them."""

import pytest

from drivetrain.catalogue import loader
from drivetrain.catalogue.disaggregation import _handovers, handover, handovers
from drivetrain.errors import FileError


@pytest.fixture
def overlay(tmp_path, monkeypatch):
    """Lay ``disaggregation.toml`` with the given text over the shipped one."""

    def write(text):
        (tmp_path / "disaggregation.toml").write_text(text)
        monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path))

    yield write
    _handovers.cache_clear()


def sourced(value):
    return f'{{ value = {value}, source = "assumption", seen = "2026-11", kind = "assumed" }}'


def table(**changes):
    fields = {"first_token": '"decode"', "sends": '"layer"', "reserves": '"transfer"', "may_differ": '["tp"]',
              "same_tp_with_state": "true", "uniform_cache": "false"} | changes  # fmt: skip
    return "[mine]\n" + "\n".join(f"{k} = {sourced(v)}" for k, v in fields.items() if v is not None)


def test_every_choice_has_a_known_source():
    known = loader.sources()
    for family, found in handovers().items():
        assert len(found.stated) == 6, family
        for name, stated in found.stated.items():
            assert stated.source in known, f"{family}: {name}"
            assert stated.seen
            assert stated.unverified or stated.kind != "assumed" or stated.note, f"{family}: {name}"


def test_engines_that_serve_disaggregated():
    first = {name: handover(loader.load("engines", name)) for name in ("vllm", "sglang", "trtllm", "llamacpp")}
    assert first["llamacpp"] is None
    assert first["vllm"].first_token == "decode"
    assert first["sglang"].sends == "chunk"
    assert first["sglang"].reserves == "prefill"
    assert "pp" in first["trtllm"].may_differ
    assert "pp" not in first["vllm"].may_differ


def test_a_family_can_be_added_from_outside(overlay):
    overlay(table())
    assert handovers()["mine"].sends == "layer"
    assert "vllm" in handovers()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (table(sends='"token"'), "sends"),
        (table(first_token='"both"'), "first_token"),
        (table(may_differ='["cp"]'), "Axes are"),
        (table(same_tp_with_state='"yes"'), "true or false"),
        (table(reserves=None), "reserves is missing"),
        (table() + '\nextra = { value = 1, source = "a", seen = "b", kind = "vendor" }', "unknown field extra"),
        ('[mine]\nfirst_token = "decode"', "a table is needed"),
    ],
)
def test_wrong_entries_are_refused(overlay, text, says):
    overlay(text)
    with pytest.raises(FileError, match=says):
        handovers()
