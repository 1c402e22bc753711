"""Spreads and choices: read back, laid over by the user's, mistakes told with file and key."""

import pytest

from drivetrain.catalogue import spreads
from drivetrain.errors import FileError, UnknownNameError

ROW = 'title = "t", source = "assumption", seen = "2026-11", kind = "assumed"'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path))
    yield tmp_path
    spreads._rows.cache_clear()


def test_spreads_and_choices_stand_side_by_side_in_groups():
    assert spreads.spreads("demand")["agents.calls_per_task"].mid == 30.0
    assert spreads.choices("demand")["agents.tier"].value == "frontier"
    assert "agents.tier" not in spreads.spreads("demand")
    assert spreads.groups("demand")["agents"][:2] == ("latency", "tier")


def test_a_users_row_wins_and_units_are_read(folder):
    tokens = f'{ROW}, unit = "tok", low = "1 Mtok", mid = "2 Mtok", high = "3 Mtok", share = 0.8'
    (folder / "demand-mine.toml").write_text(
        f'[agents]\ninput_tokens = {{ {tokens} }}\ntier = {{ {ROW}, value = "mid" }}\n'
    )
    assert spreads.spread("demand", "agents.input_tokens").high == 3e6
    assert spreads.choices("demand")["agents.tier"].value == "mid"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("low = 2, mid = 1, high = 3, share = 0.8", "rising order"),
        ("low = 0, mid = 1, high = 3, share = 0.8", "rising order"),
        ("low = 1, mid = 1, high = 3, share = 1.8", "probability"),
        ("low = 1, mid = 1, high = 3, share = 0.8, unit = \"cow\"", "unit is 'cow'"),
        ("low = 1, mid = 1, high = 3, share = 0.8, hihg = 2", "unknown field hihg"),
        ("low = \"1 s\", mid = 1, high = 3, share = 0.8", "is in s"),
        ("value = 1, low = 2", "unknown field low"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_file_and_key(folder, row, told):
    (folder / "demand-mine.toml").write_text(f"[mine]\nthing = {{ {ROW}, {row} }}\n")
    with pytest.raises(FileError, match=told) as error:
        spreads.spreads("demand")
    assert "demand-mine.toml" in str(error.value.args[0])
    assert "mine: thing" in str(error.value.args[0])


def test_an_unknown_quantity_is_told_with_what_is_close():
    with pytest.raises(UnknownNameError, match=r"agents\.tokens_growth"):
        spreads.spread("demand", "agents.token_growth")
