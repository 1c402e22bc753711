"""How a command line that was read is shown to people."""

import pytest

from drivetrain.report.from_args import print_from_args

GIVEN = {"feasible": True, "usd_per_million_output_tokens": 4.0, "joules_per_output_token": 2.0}
BEST = {
    "feasible": True,
    "usd_per_million_output_tokens": 3.0,
    "joules_per_output_token": 1.0,
    "launch": "vllm serve m",
}
CHANGE = {"flag": "--tensor-parallel-size", "from": 8, "to": 4}


def shown(capsys, **changes):
    found = {"notes": [], "ignored": [], "would_change": [], "compared": None, **changes}
    print_from_args(found)
    return capsys.readouterr()


def test_flags_are_grouped_by_why_they_do_not_count(capsys):
    ignored = [
        {"flag": "--port", "value": 80, "why": "arrival"}, {"flag": "--enforce-eager", "value": True, "why": "speed"},
        {"flag": "--host", "value": "h", "why": "arrival"}, {"flag": "A", "value": "b", "why": "speed"},
        {"flag": "--served-model-name", "value": ["x", "y"], "why": "arrival"},
    ]  # fmt: skip
    out, err = shown(capsys, ignored=ignored, notes=["a note"])
    assert "ignored: --port 80, --host h, --served-model-name x y (arrival)" in out
    assert "ignored: --enforce-eager, A=b (speed)" in out
    assert "a note" in err


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({}, "would change: not looked for (give --rate"),
        ({"not_compared": "it does not fit."}, "would change: not looked for (it does not fit)"),
        ({"compared": {"as_given": GIVEN, "best": BEST, "gain_frac": 0.0}}, "would change: nothing"),
        ({"compared": {"as_given": GIVEN, "best": BEST | {"feasible": False}, "gain_frac": None}}, "no flags of this"),
        ({"compared": {"as_given": GIVEN, "best": BEST, "gain_frac": 0.25}, "would_change": [CHANGE]},
         "$4/Mtok -> $3/Mtok (25 % cheaper)"),
        ({"compared": {"as_given": GIVEN, "best": BEST, "gain_frac": None}, "would_change": [CHANGE]},
         "so changed they are met"),
    ],
)  # fmt: skip
def test_what_would_change_is_said_with_what_it_gains(capsys, found, says):
    out, _ = shown(capsys, **found)
    assert says in out
    assert ("--tensor-parallel-size 8 -> 4" in out) == bool(found.get("would_change"))


def test_nothing_ignored_is_said(capsys):
    assert "ignored: nothing" in shown(capsys).out
