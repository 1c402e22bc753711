"""The simulator as a queueing system whose waiting times are known: M/M/1, M/M/c, M/G/1 and Little's law.

A replica that runs one sequence at a time is a single server. Its steps take one second, whatever is in them, so that a
request of ``osl`` tokens is served in ``osl`` seconds (the first comes with the prompt's only step). Geometric lengths
of mean 1 / p are the exponential service of M/M/1 in steps; the difference is exact: Pollaczek and Khinchine with the
geometric second moment. Arrivals are Poisson, times are continuous. c servers with one queue are a replica of c slots:
while steps are short against service and arrivals, the step boundary that an arrival waits for is all that differs, at
most one step. Waiting is from arrival to admission. Intervals are of means over replications, Student's t at 99.9 %.
"""

import math

import numpy as np
import pytest

from drivetrain.serving.sim import records as r
from drivetrain.serving.sim.kernel import simulate
from simulated import fleet, pool, requests

REPLICATIONS = 20
STUDENT = 3.883  # 99.9 %, 19 degrees of freedom
N, WARM_UP = 12_000, 2_000
QUEUE = r.PARTS.index("queue")


def played(rate, lengths, slots, seed, sample_s=0.0):
    """The outcome of a Poisson stream into a replica with ``slots`` places whose steps take a second."""
    rng = np.random.default_rng(seed)
    arrival_s = np.cumsum(rng.exponential(1.0 / rate, N))
    served = lengths(rng, N)
    replica = pool("metronome", rules=r.Rules("one queue", token_budget=10**6, max_num_seqs=slots),
                   cache=r.Cache(blocks=10**7, block_tokens=16))  # fmt: skip
    return simulate(fleet(replica), requests(arrival_s, 1, served), r.Options(sample_s=sample_s)), arrival_s


def interval(values):
    """Mean over replications and the half-width of its interval."""
    return np.mean(values), STUDENT * np.std(values, ddof=1) / math.sqrt(len(values))


def mean_waits(rate, lengths, slots):
    waits = []
    for seed in range(REPLICATIONS):
        outcome, _ = played(rate, lengths, slots, seed)
        waits.append(outcome.parts[WARM_UP:, QUEUE].mean())
    return interval(waits)


def geometric(mean):
    return lambda rng, n: rng.geometric(1.0 / mean, n)


def pollaczek_khinchine(rate, first, second):
    """Mean wait in M/G/1 with service moments E[S] and E[S^2]."""
    return rate * second / (2.0 * (1.0 - rate * first))


def erlang_c(servers, offered):
    """Share that waits in M/M/c."""
    below = sum(offered**k / math.factorial(k) for k in range(servers))
    all_busy = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return all_busy / (below + all_busy)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_m_m_1_waits(load):
    """Geometric service of mean 50 steps, whose second moment is (2 - p) / p^2: 1 % from exponential."""
    mean = 50.0
    found, width = mean_waits(load / mean, geometric(mean), 1)
    assert width < 0.2 * found
    assert abs(found - pollaczek_khinchine(load / mean, mean, (2.0 - 1.0 / mean) * mean**2)) < width
    exponential = load / (1.0 - load) * mean
    assert abs(found - exponential) < width + 0.01 * exponential


@pytest.mark.parametrize("name", ["fixed", "two kinds", "even"])
def test_m_g_1_waits(name):
    """Service that is fixed, of two very different lengths, and spread evenly."""
    draw, first, second = {
        "fixed": (lambda rng, n: np.full_like(rng.integers(1, 2, n), 40), 40.0, 1600.0),
        "two kinds": (lambda rng, n: np.where(rng.random(n) < 0.9, 10, 200), 29.0, 0.9 * 100 + 0.1 * 40000),
        "even": (lambda rng, n: rng.integers(1, 100, n), 50.0, 50.0**2 + (99**2 - 1) / 12),
    }[name]
    found, width = mean_waits(0.6 / first, draw, 1)
    assert width < 0.2 * found
    assert abs(found - pollaczek_khinchine(0.6 / first, first, second)) < width


@pytest.mark.parametrize("servers", [2, 8])
def test_m_m_c_waits(servers):
    """Slots of a batch are servers with one queue; arrivals between steps wait up to one step longer."""
    mean, load = 200.0, 0.75
    found, width = mean_waits(load * servers / mean, geometric(mean), servers)
    wait = erlang_c(servers, load * servers) * mean / (servers * (1.0 - load))
    assert width < 0.25 * found
    assert -width < found - wait < width + 1.0 + 0.01 * wait


def test_littles_law_between_what_is_sampled_and_what_requests_saw():
    """Requests in the replica, sampled by a clock, are those that came per second times their stay."""
    inside, products = [], []
    for seed in range(REPLICATIONS):
        outcome, arrival_s = played(0.7 * 4 / 60.0, geometric(60.0), 4, seed, sample_s=7.3)
        times, queue, running = (outcome.series[:, r.SERIES.index(name)] for name in ("time_s", "queue", "running"))
        last = arrival_s[-1]
        inside.append((queue + running)[times <= last].mean())
        products.append((outcome.finish_s - outcome.sent_s).sum() / last)
    difference, width = interval(np.array(inside) / np.array(products) - 1.0)
    assert width < 0.01
    assert abs(difference) < width + 0.002  # those still there at the last arrival count in the product alone


def test_parts_of_every_request_sum_to_its_stay():
    outcome, _ = played(0.7 * 4 / 60.0, geometric(60.0), 4, 1)
    assert outcome.parts.sum(axis=1) == pytest.approx(outcome.finish_s - outcome.sent_s, rel=1e-9)
