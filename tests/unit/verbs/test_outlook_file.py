"""Outlook files: what they may hold, and one clear line with file, line and key for what they may not."""

import re

import pytest

from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.verbs.outlook_file import OutlookQuestion, read_outlook


def written(tmp_path, text, name="asked.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_in_any_spelling_of_its_tables(tmp_path):
    path = written(
        tmp_path,
        """
title = "mine"
end_year = 2030
draws = 50
seed = 4
switches = ["adoption-fails"]
contracted_frac = 0.1
[set]
"training.growth" = { low = 1.5, mid = 2.0, high = 3.0 }
power.added = "14 GW"
[set.market]
rental_start = "2.5 USD/h"
""",
    )
    asked = read_outlook(path)
    assert (asked.end_year, asked.draws, asked.seed, asked.title) == (2030, 50, 4, "mine")
    assert (asked.switches, asked.contracted_frac) == (("adoption-fails",), 0.1)
    assert asked.quantities["power.added"].mid == 14e9
    assert asked.quantities["market.rental_start"].high == 2.5
    growth = asked.quantities["training.growth"]
    assert (growth.low, growth.mid, growth.high) == (1.5, 2.0, 3.0)


def test_json_says_the_same(tmp_path):
    path = written(tmp_path, '{"end_year": 2030, "set": {"training.growth": 2.0}}', "asked.json")
    assert read_outlook(path).quantities["training.growth"].mid == 2.0


BAD = [
    ("end_yaer = 2030", 1, "end_yaer", "Did you mean 'end_year'"),
    ('verb = "plan"', 1, "verb", "outlook"),
    ("start_year = 2026\nend_year = 2026", 2, "end_year", "out of order"),
    ("start_year = 2030\nend_year = 2031", 1, "start_year", "start of 2026"),
    ("draws = 1.5", 1, "draws", "whole number"),
    ("draws = 0", 1, "draws", "whole number"),
    ("seed = -2", 1, "seed", "0 or more"),
    ("contracted_frac = 2", 1, "contracted_frac", "share from 0 to 1"),
    ('\nswitches = ["adoption"]', 2, "switches", "Known: efficiency-flattens"),
    ("switches = 3", 1, "switches", "list of names"),
    ("set = 3", 1, "set", "table"),
    ('[set]\n"training.grwoth" = 2.0', 2, "training.grwoth", "Did you mean 'training.growth'"),
    ('[set]\n\n"power.added" = "20 USD"', 3, "power.added", "in USD, but W is needed"),
    ('[set]\n"power.added" = 20', 2, "power.added", 'no unit.*"18 GW"'),
    ('[set]\n"market.rental_start" = "-2 USD/h"', 2, "market.rental_start", "positive"),
    ('[set]\n"agents.tokens_eta" = 0.99', 2, "agents.tokens_eta", "from 0 to 0.95"),
    ('[set]\n"training.elasticity" = 20', 2, "training.elasticity", "from 0 to 5"),
    ('[set]\n"packaging.yield_frac" = 1.2', 2, "packaging.yield_frac", "from 0 to 1"),
    ('[set]\n"cost.pue" = 0.9', 2, "cost.pue", "1 or more"),
    ('[set]\n"training.growth" = { low = 3.0, mid = 2.0, high = 1.0 }', 2, "training.growth", "rising order"),
    ('[set]\n"training.growth" = { low = 1.0, high = 2.0 }', 2, "training.growth", "lacks mid"),
    ('[set]\n"training.growth" = "fast"', 2, "training.growth", "cannot read"),
    ('[set.power]\ngrowth = 1.2\n[set.training]\ngrowth = -1', 4, "training.growth", "positive"),
    ('[set]\n"training.growth" = true', 2, "training.growth", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "says"), BAD)
def test_bad_input_names_file_line_and_key(tmp_path, text, line, key, says):
    path = written(tmp_path, text)
    with pytest.raises(BadInputError) as told:
        read_outlook(path)
    message = str(told.value)
    assert told.value.exit_code == 2
    assert f"{path}, line {line}: " in message
    assert key in message
    assert re.search(says, message), message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["[set\nx = 1", "draws = \nseed = 1"])
def test_what_is_no_toml_is_told_with_its_line(tmp_path, text):
    with pytest.raises(BadInputError, match="line 1"):
        read_outlook(written(tmp_path, text))


def test_a_missing_file():
    with pytest.raises(BadInputError, match="no such file"):
        read_outlook("nowhere.toml")


@pytest.mark.parametrize("choice", [{"end_year": 2026}, {"end_year": 2090}, {"start_year": 2025}, {"draws": 10**9},
                                    {"switches": ("x",)}, {"contracted_frac": -0.1}])  # fmt: skip
def test_a_question_in_python_is_checked_too(choice):
    with pytest.raises(DrivetrainError):
        OutlookQuestion(**choice)
