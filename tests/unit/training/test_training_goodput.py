"""Goodput against a simulation that plays every failure."""

import math

import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.training.goodput import Checkpoint, Reliability, best_interval_s, checkpoint_of, goodput, waiting_s


def played(n, checkpoint, reliability, interval_s, segments=60_000, seed=1):
    """Play failures one by one: share of time that trains, and that recovers."""
    rng = np.random.default_rng(seed)
    mtbf = 3600.0 / (n * reliability.failures_per_hour)
    recovery = reliability.detection_s + reliability.restart_s
    now, failing, done, recovering = 0.0, rng.exponential(mtbf), 0, 0.0
    need = interval_s + checkpoint.pause_s + checkpoint.write_s
    while done < segments:
        if now + need <= failing:  # this segment's checkpoint is finished; the next one has begun beside its write
            now, done, need = now + need, done + 1, interval_s + checkpoint.pause_s
            continue
        now = failing
        while True:
            failing = now + rng.exponential(mtbf)
            if now + recovery <= failing:
                now, recovering = now + recovery, recovering + recovery
                break
            now, recovering = failing, recovering + failing - now
        need = interval_s + checkpoint.pause_s + checkpoint.write_s
    return done * interval_s / now, recovering / now


@pytest.mark.parametrize(
    ("n", "checkpoint", "reliability"),
    [
        (16_384, Checkpoint(30.0), Reliability()),
        (16_384, Checkpoint(3.0, 60.0), Reliability()),
        (100_000, Checkpoint(5.0, 300.0), Reliability(restart_s=900.0)),
        (1024, Checkpoint(120.0), Reliability(failures_per_hour=1 / 2000)),
    ],
)
def test_agrees_with_every_failure_played(n, checkpoint, reliability):
    found = goodput(n, checkpoint, reliability)
    share, recovering = played(n, checkpoint, reliability, found.interval_s)
    assert found.effective_time_frac == pytest.approx(share, rel=0.01)
    assert found.recovery_frac == pytest.approx(recovering, rel=0.03)
    total = found.effective_time_frac + found.checkpoint_frac + found.lost_frac + found.recovery_frac
    assert total == pytest.approx(1.0)


@pytest.mark.parametrize("pause", [0.5, 20.0, 900.0])
def test_the_interval_is_the_optimum(pause):
    best = goodput(4096, Checkpoint(pause))
    for factor in (0.7, 0.9, 0.99, 1.01, 1.1, 1.5):
        other = goodput(4096, Checkpoint(pause), interval_s=best.interval_s * factor)
        assert other.effective_time_frac < best.effective_time_frac
    assert best.optimal
    assert not other.optimal


def test_young_for_short_pauses_and_the_equation_for_all():
    for mtbf, pause in ((1e6, 1.0), (1e4, 60.0), (1e3, 2e3)):
        tau = best_interval_s(mtbf, Checkpoint(pause))
        assert math.exp(-(tau + pause) / mtbf) == pytest.approx(1 - tau / mtbf, abs=1e-12)
    assert best_interval_s(1e8, Checkpoint(1.0)) == pytest.approx(math.sqrt(2e8), rel=1e-3)


def test_llama_3_405b_trained_over_nine_tenths_of_the_time():
    saved = checkpoint_of(405e9, 16_384, store_bytes_per_s=200e9)
    found = goodput(16_384, saved)
    assert found.mtbf_s == pytest.approx(54 * 86_400 / 419, rel=0.01)
    assert 0.9 < found.effective_time_frac < 0.96


def test_restart_dominates_at_100k():
    found = goodput(100_000, checkpoint_of(1e12, 100_000, store_bytes_per_s=1e12), Reliability(restart_s=900.0))
    assert found.recovery_frac > 0.35


def test_spares():
    rate = 1e-4
    waits = [waiting_s(rate, Reliability(repair_s=86_400.0, spares=s)) for s in (0, 5, 10, 20, 40)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] == 86_400.0
    assert waits[-1] < 1.0
    plenty, few = (goodput(16_384, Checkpoint(5.0), Reliability(spares=s)).effective_time_frac for s in (40, 4))
    assert few < plenty <= goodput(16_384, Checkpoint(5.0)).effective_time_frac


def test_no_failures():
    assert goodput(8, Checkpoint(5.0), Reliability(failures_per_hour=0.0)).effective_time_frac == 1.0
    half = goodput(8, Checkpoint(5.0), Reliability(failures_per_hour=0.0), interval_s=5.0)
    assert half.effective_time_frac == 0.5


def test_hopeless_clusters_come_to_nothing():
    assert goodput(10**9, Checkpoint(600.0)).effective_time_frac == 0.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Reliability(failures_per_hour=-1.0),
        lambda: Reliability(restart_s=math.nan),
        lambda: Checkpoint(-1.0),
        lambda: Checkpoint(math.nan),
        lambda: goodput(0, Checkpoint(1.0)),
        lambda: goodput(8, Checkpoint(1.0, 100.0), interval_s=10.0),
        lambda: goodput(8, Checkpoint(1.0), interval_s=math.nan),
        lambda: checkpoint_of(0.0, 8, store_bytes_per_s=1e9),
        lambda: best_interval_s(0.0, Checkpoint(1.0)),
    ],
)
def test_bad_input(make):
    with pytest.raises(BadInputError):
        make()
