"""Scaling laws and ceilings as catalogue: sourced, read back, laid over by the user's, errors named."""

import pytest

from drivetrain.catalogue import ceilings, loader, scaling, spreads
from drivetrain.catalogue.check import _is_month
from drivetrain.errors import FileError, UnknownNameError

LAW = """
[laws.mine]
title = "Mine"
form = "parametric"
data = "mine"
[laws.mine.coefficients]
"""
FACT = '{{ value = {}, source = "own-fit", seen = "2026-11", kind = "derived" }}'
STATED = 'source = "own-fit"\nseen = "2026-11"\nkind = "derived"'
SPREAD = """
[chips.stock]
title = "Fewer"
low = 1e6
mid = 2e6
high = 4e6
share = 0.8
source = "assumption"
seen = "2026-11"
kind = "assumed"
"""


def test_every_value_has_a_source_and_a_month():
    known = loader.sources()
    found = [*scaling.facts(), *ceilings.facts()]
    assert len(found) > 50
    for name, fact in found:
        assert fact.source in known, name
        assert _is_month(fact.seen), name
        assert (fact.source == "assumption") == (fact.kind == "assumed"), name
        assert fact.source != "untraced" or fact.unverified, name
        for other in getattr(fact, "also", ()):
            assert other.source in known, name


def test_the_laws_that_are_shipped():
    assert set(scaling.laws()) == {"chinchilla", "hoffmann-2022", "muennighoff-2023", "ludziejewski-2025"}
    assert scaling.law().name == "chinchilla"
    assert scaling.law("Epoch Chinchilla").name == "chinchilla"
    assert scaling.law("moe").unverified
    assert not scaling.law("chinchilla").unverified
    assert scaling.law("chinchilla").coefficients["a"].also[0].value == 482.00572


def test_what_two_spellings_lead_to():
    names = [name for one in scaling.laws().values() for name in (one.name, *one.aliases)]
    assert len(names) == len(set(names))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path))
    yield tmp_path
    for cached in (scaling._laws, scaling._index, spreads._rows):
        cached.cache_clear()


def written(folder, **values):
    numbers = {"e": 1.7, "a": 300.0, "b": 900.0, "alpha": 0.3, "beta": 0.3} | values
    rows = [f"{key} = {FACT.format(value)}" for key, value in numbers.items() if value is not None]
    (folder / "scaling-mine.toml").write_text(LAW + "\n".join(rows))


def test_a_law_of_ones_own_stands_beside_the_shipped(folder):
    written(folder)
    assert scaling.law("mine").value("a") == 300.0
    assert scaling.law("mine").fitted is None
    assert "chinchilla" in scaling.laws()


@pytest.mark.parametrize(
    ("values", "told"), [({"e": None}, "e is missing"), ({"a": -1.0}, "above zero"), ({"gamma": 1.0}, "gamma")]
)
def test_errors_of_a_law_name_the_field(folder, values, told):
    written(folder, **values)
    with pytest.raises(FileError, match=told):
        scaling.laws()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("[laws.mine.fitted]\nn_runs = 3\nparams = [5, 2]\n" + STATED, "lowest"),
        ("[laws.mine.fitted]\nn_runs = 3\nflops = [5]\n" + STATED, "list of 2"),
        ("[laws.mine.draws]\nmean = [1, 2]\ncovariance = []\n" + STATED, "5 rows"),
        ("[laws.mine.other]\nx = 1", "other"),
    ],
)  # fmt: skip
def test_errors_of_the_rest_of_a_law(folder, more, told):
    written(folder)
    path = folder / "scaling-mine.toml"
    path.write_text(path.read_text() + "\n" + more)
    with pytest.raises(FileError, match=told):
        scaling.laws()


def test_a_spread_of_ones_own_wins(folder):
    (folder / "ceilings-mine.toml").write_text(SPREAD)
    assert ceilings.spread("chips.stock").mid == 2e6
    assert ceilings.spread("chips.growth").mid == 2.3


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("low = 1e6", "low = 3e6", "rising order"),
        ("share = 0.8", "share = 1.0", "share"),
        ("mid = 2e6", 'mid = "2 GW"', "is in W"),
        ('kind = "assumed"', 'kind = "guessed"', "kind"),
        ("high = 4e6", "highest = 4e6", "high is missing"),
    ],
)
def test_errors_of_a_spread_name_the_field(folder, was, now, told):
    (folder / "ceilings-mine.toml").write_text(SPREAD.replace(was, now))
    with pytest.raises(FileError, match=told):
        ceilings.spreads()


def test_units_are_read():
    assert ceilings.spread("power.now").mid == 300e6
    assert ceilings.spread("run.duration").mid == 140 * 86400.0
    assert ceilings.spread("hardware.h100_flops").mid == 989e12
    with pytest.raises(UnknownNameError, match=r"chips\.stock"):
        ceilings.spread("chips.stok")
