import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.serving.traffic.context import within
from drivetrain.serving.traffic.records import Names, concatenated, requests_of, roots_of, taken
from drivetrain.serving.traffic.timing import Gaps, order_of, quantum_of, rate_of


def chained(isl, after, osl=1):
    isl = np.array(isl)
    return requests_of(isl, np.full(len(isl), osl), arrival_s=np.arange(len(isl)) * 1.0, after=np.array(after))


def test_quantum_of_a_clock_that_sometimes_slips():
    ticks = np.cumsum([3.0, 2.999, 3.001, 3.0, 6.0] * 10)
    assert quantum_of(np.repeat(ticks, 4)) == 3.0


@pytest.mark.parametrize(
    "times",
    [
        np.zeros(1000),  # all at once
        np.repeat(np.arange(5.0), 9),  # too few different times to tell
        np.repeat(np.cumsum(np.random.default_rng(2).exponential(1.0, 300)), 2),  # pairs, but no grid
        np.repeat(np.arange(0.0, 3.0, 0.01), 3),  # a grid too fine to matter
        np.full(50, np.nan),
    ],
)
def test_no_quantum(times):
    assert quantum_of(times) == 0.0


def test_rates():
    assert rate_of(np.array([1.0, 2.0, 3.0])) == 1.0
    assert np.isnan(rate_of(np.array([1.0])))
    assert np.isnan(rate_of(np.array([1.0, 1.0])))


def test_order_moves_whole_chains():
    assert order_of(np.array([1.0, 2.0, 2.0]), np.full(3, -1)) is None
    assert order_of(np.array([2.0, 9.0, 1.0, 0.0]), np.array([-1, 0, -1, 2])).tolist() == [2, 3, 0, 1]
    assert roots_of(np.array([-1, 0, 1, 2, -1, 4])).tolist() == [0, 0, 0, 0, 4, 4]


def test_gaps_over_parts_are_those_of_the_whole():
    times = np.array([4000.0, 4000.0, 9000.0, 9000.0, 20000.0, 20000.0, 20000.0])
    whole, parts = Gaps(), Gaps()
    whole.add(times)
    for part in (times[:1], times[1:3], times[3:3], times[3:]):
        parts.add(part)
    assert whole.notes() == parts.notes()
    assert [note.what for note in whole.notes()] == ["long gaps", "late start", "simultaneous arrivals"]
    assert "2 of an hour or more" in whole.notes()[0].value
    assert "3.1 h before request 5" in whole.notes()[0].value
    assert Gaps().notes() == []


def test_too_long_is_an_error_that_says_what_to_do():
    with pytest.raises(
        BadInputError, match=r"request 12 has 100 \+ 1 tokens.*context of 50 \(2 of 3 are too long, the longest has 201"
    ):
        within(chained([10, 100, 200], [-1, -1, -1]), 50, "error", before=10)


def test_too_long_is_dropped_with_what_waits_for_it():
    kept, did = within(chained([10, 60, 20, 30, 40], [-1, -1, 1, 2, 0]), 50, "drop")
    assert kept.isl.tolist() == [10, 40]
    assert kept.after.tolist() == [-1, 0]
    assert did.notes()[0].value == (
        "1 of 5 requests (20.0%) of over 50 tokens are left out (longest 61), and 2 that wait for their answers"
    )


def test_too_long_is_cut_with_names_of_blocks_no_longer_full():
    names = Names(np.array([0, 4]), np.array([4, 4]), np.arange(8))
    made = requests_of(np.array([64, 30]), np.array([10, 5]), names=names, hash_tokens=16)
    cut, did = within(made, 50, "truncate")
    assert cut.isl.tolist() == [40, 30]
    assert cut.osl.tolist() == [10, 5]
    assert cut.hash_count.tolist() == [2, 4]
    assert "24 tokens in all" in did.notes()[0].value
    tight, _ = within(made, 5, "truncate")
    assert (tight.isl.tolist(), tight.osl.tolist()) == ([1, 1], [4, 4])


def test_notes_on_parts_add_up():
    one = within(chained([60, 1], [-1, -1]), 50, "drop")[1]
    two = within(chained([70, 1], [-1, -1]), 50, "drop")[1]
    assert (one + two).notes() == within(chained([60, 1, 70, 1], [-1] * 4), 50, "drop")[1].notes()
    assert within(chained([1], [-1]), None, "error")[1].notes() == ()


def test_requests_taken_and_put_together():
    names = Names(np.array([0, 1, 3]), np.array([1, 2, 1]), np.arange(4))
    made = requests_of(np.array([1, 2, 3]), np.array([1, 1, 1]), names=names, hash_tokens=16)
    both = concatenated([taken(made, np.array([2])), taken(made, np.array([0, 1]))])
    assert both.isl.tolist() == [3, 1, 2]
    lists = [both.hashes[s : s + c].tolist() for s, c in zip(both.hash_start, both.hash_count, strict=True)]
    assert lists == [[3], [0], [1, 2]]
    with pytest.raises(TypeError, match="no column"):
        requests_of(np.array([1]), np.array([1]), colour=np.array([1]))
