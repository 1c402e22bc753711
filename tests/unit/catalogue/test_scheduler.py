"""Schedulers of engines: what the shipped ones say, and what is refused in a file."""

import re
from pathlib import Path

import pytest

from drivetrain.catalogue import loader
from drivetrain.catalogue.check import check, facts_of
from drivetrain.catalogue.scheduler import Scheduler, read_scheduler
from drivetrain.catalogue.table import Table
from drivetrain.errors import FileError

CHOICES = {"mixes", "admits", "victim", "priority_victim", "prefix_cache", "drafts_in_budget"}


def sourced(value):
    return {"value": value, "source": "assumption", "seen": "2026-11", "kind": "assumed"}


def table(**changes):
    fields = {"mixes": "always", "admits": "prompt", "watermark_frac": 0.0, "reserve_output_frac": 0.0}
    fields |= {"victim": "last", "priority_victim": True, "prefix_cache": True, "drafts_in_budget": True} | changes
    return Table({key: sourced(value) for key, value in fields.items()}, "mine.toml: scheduler")


def test_every_engine_says_how_it_schedules_and_where_that_is_written():
    known = loader.sources()
    for engine in loader.load_all("engines").values():
        s = engine.scheduler
        assert set(s.stated) == CHOICES, engine.name
        assert set(s.facts) == {"watermark_frac", "reserve_output_frac"}
        for name, stated in s.stated.items():
            assert stated.source in known, f"{engine.name}: {name}"
            assert (stated.source == "assumption") == (stated.kind == "assumed"), f"{engine.name}: {name}"
        assert {"scheduler.watermark_frac", "scheduler.reserve_output_frac"} <= set(facts_of(engine))
    assert check() == []


def test_engines_differ_by_name_and_version():
    of = {name: loader.load("engines", name).scheduler for name in ("vllm-0.6", "vllm-0.8", "vllm", "sglang", "trtllm")}
    assert [of[name].mixed(True) for name in of] == [True, True, True, False, True]
    assert [of[name].mixed(False) for name in of] == [False, True, True, False, True]
    assert of["vllm-0.6"].watermark_frac == 0.01
    assert not of["vllm-0.6"].prefix_cache
    assert of["vllm-0.8"].admits == "chunk"
    assert of["vllm"].admits == "prompt"
    assert of["trtllm"].reserve_output_frac == 1.0
    assert of["trtllm"].victim == "none"
    assert of["sglang"].reserve_output_frac == pytest.approx(0.7 * 0.14)


def test_a_table_is_read_back():
    s = read_scheduler(table(mixes="never", reserve_output_frac=0.25))
    assert (s.mixes, s.reserve_output_frac, s.unverified) == ("never", 0.25, ())
    assert s.facts["reserve_output_frac"].source == "assumption"


def test_what_nobody_confirmed_is_named():
    raw = {key: dict(value) for key, value in table()._raw.items()}
    raw["victim"]["unverified"] = raw["watermark_frac"]["unverified"] = True
    assert set(read_scheduler(Table(raw, "mine")).unverified) == {"victim", "watermark_frac"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mixes": "sometimes"}, "mixes is 'sometimes'. Write one of always, chunks, never"),
        ({"watermark_frac": 1.5}, "Write a share from 0 to 1"),
        ({"reserve_output_frac": -0.1}, "Write a share from 0 to 1"),
        ({"prefix_cache": "yes"}, "needs true or false"),
        ({"victim": "none"}, "so that cache can run out"),
        ({"mood": "good"}, "unknown field mood"),
    ],
)
def test_a_wrong_table_is_refused(changes, says):
    with pytest.raises(FileError, match=says):
        read_scheduler(table(**changes))


def test_the_default_is_what_a_plain_engine_does():
    assert Scheduler().mixed(True)
    assert Scheduler().reserve_output_frac == 0.0


def test_the_table_of_the_docs_is_the_catalogue():
    page = Path(__file__).parents[3] / "docs" / "method" / "engines.md"
    rows = [
        line.strip("| ").split(" | ")
        for line in page.read_text().splitlines()
        if re.match(r"\| [a-z]+(-\d|cpp|stream)", line)
    ]
    engines, seen = loader.load_all("engines"), set()
    for names, *cells in rows:
        for engine in spanned(names, engines):
            s = engine.scheduler
            assert cells == [s.mixes, s.admits, f"{s.watermark_frac:g}", f"{s.reserve_output_frac:g}", s.victim,
                             "on" if s.prefix_cache else "off"], engine.name  # fmt: skip
            seen.add(engine.name)
    assert seen == set(engines)


def spanned(names, engines):
    """The engines of a cell: one, several after commas, or a span of one family's versions."""
    if " to " not in names:
        return [engines[name] for name in names.split(", ")]
    first, last = (engines[name] for name in names.split(" to "))
    return [e for e in engines.values() if e.family == first.family and first.released <= e.released <= last.released]
