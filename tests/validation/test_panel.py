"""Predictions of the fixed panel move only with a line in the changelog."""

import re
from pathlib import Path

from drivetrain.measure import panel

ROOT = Path(__file__).resolve().parents[2]
PANEL = ROOT / "tests/validation/panel.csv"
TOLERANCE = 0.005
ADVICE = 'run: python tools/write_panel.py, and add the line it prints under "Predictions moved" in CHANGELOG.md'


def test_predictions_stand_where_the_panel_has_them():
    before = panel.read(PANEL)
    moved = panel.moved(before, [panel.evaluate(row) for row in before], TOLERANCE)
    shown = "\n  ".join(moved[:10])
    assert not moved, f"{len(moved)} predictions of the panel moved by more than {TOLERANCE:.1%}; {ADVICE}\n  {shown}"


def test_the_changelog_names_this_panel():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### Predictions moved\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert panel.fingerprint(PANEL) in (sections[0] if sections else ""), f"the panel changed; {ADVICE}"


def test_the_panel_is_wide_and_states_nothing_twice():
    rows = panel.read(PANEL)
    assert len(rows) >= 200
    assert len({tuple(row[name] for name in panel.INPUTS) for row in rows}) == len(rows)
    assert len({row["accelerator"] for row in rows}) >= 10
    assert len({row["model"] for row in rows}) >= 10


def test_a_moved_prediction_is_told_with_both_values():
    row = panel.read(PANEL)[0]
    worse = row | {"tpot_s": f"{float(row['tpot_s']) * 1.1:.4g}"}
    (line,) = panel.moved([row], [worse], TOLERANCE)
    assert row["tpot_s"] in line
    assert "+10" in line
    assert panel.moved([row], [row], 0.0) == []
