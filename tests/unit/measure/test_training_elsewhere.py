"""Speeds and ladders published outside the measured file: all predicted, and mostly where the intervals say."""

import itertools
import math

import pytest

from drivetrain.measure.training_elsewhere import LADDERS, predicted, speeds


@pytest.fixture(scope="module")
def found():
    return speeds()


def test_every_published_speed_is_predicted_and_has_a_source(found):
    table, outcomes = found
    assert len(outcomes) >= 12
    for raw, one in zip(table.rows, outcomes, strict=True):
        assert not one.reason, one.row_id
        assert raw.text("source_id").startswith("arXiv:")
        assert raw.text("notes")


def test_most_of_them_lie_in_their_intervals(found):
    pairs = [one.pairs["tokens_per_s_per_accel"] for one in found[1]]
    inside = [pair.p10 <= pair.measured <= pair.p90 for pair in pairs]
    assert sum(inside) / len(inside) >= 0.75
    assert sorted(abs(pair.error) for pair in pairs)[len(pairs) // 2] <= 0.12
    assert all(abs(math.log(pair.predicted / pair.measured)) < 0.3 for pair in pairs)


@pytest.mark.parametrize("ladder", LADDERS, ids=[ladder.name for ladder in LADDERS])
def test_published_ladders(ladder):
    got = predicted(ladder)
    sizes = list(got)
    assert sizes == sorted(ladder.measured)
    assert got[sizes[0]] == 1.0
    assert all(got[a] > got[b] for a, b in itertools.pairwise(sizes))
    if "405B" in ladder.name:
        assert all(abs(got[n] - ladder.measured[n]) < 0.03 for n in sizes)


def test_sequences_of_a_rung():
    kept = next(ladder for ladder in LADDERS if ladder.batch)
    grown = next(ladder for ladder in LADDERS if ladder.per_accelerator == 0.25)
    assert (kept.sequences(96), kept.sequences(4608)) == (1152, 1152)
    assert (grown.sequences(512), grown.sequences(8192)) == (128, 2048)
