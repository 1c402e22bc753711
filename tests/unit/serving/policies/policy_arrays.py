"""Random arrays of the kind that policies see, and short ways to call a policy on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from drivetrain.serving import policies
from drivetrain.serving.policies import dispatch
from drivetrain.serving.policies import signals as s


@dataclass
class Decision:
    """What one decision of a route or admit policy is about."""

    request: np.ndarray
    endpoints: np.ndarray
    state: np.ndarray
    draws: np.ndarray

    def copy(self) -> Decision:
        return Decision(self.request.copy(), self.endpoints.copy(), self.state.copy(), self.draws.copy())

    @property
    def alive(self) -> np.ndarray:
        return self.endpoints[:, s.ALIVE] != 0.0


units = st.floats(0, 1, exclude_max=True, allow_subnormal=False)


@st.composite
def requests(draw):
    row = np.zeros(s.N_REQUEST)
    row[s.ID] = draw(st.integers(0, 10**6))
    row[s.TIME_S] = draw(st.floats(0, 1e5))
    row[s.ISL] = draw(st.integers(1, 100_000))
    row[s.OSL] = draw(st.integers(1, 10_000))
    row[s.PRIORITY] = draw(st.integers(-2, 3))
    row[s.SESSION] = draw(st.integers(-1, 50))
    row[s.DIFFICULTY] = draw(units)
    row[s.ENQUEUED_S] = row[s.TIME_S]
    return row


@st.composite
def endpoint_rows(draw, isl):
    row = np.zeros(s.N_ENDPOINT)
    row[s.ALIVE] = draw(st.sampled_from([1.0, 1.0, 0.0]))
    row[s.INFLIGHT] = draw(st.integers(0, 200))
    row[s.INFLIGHT_TOKENS] = draw(st.integers(0, 200_000))
    row[s.QUEUE] = draw(st.integers(0, 100))
    row[s.RUNNING] = draw(st.integers(0, 100))
    row[s.KV_FRAC] = draw(units)
    row[s.AGE_S] = draw(st.floats(0, 15))
    row[s.HIT_APPROX], row[s.HIT_EXACT] = draw(st.integers(0, isl)), draw(st.integers(0, isl))
    row[s.NETWORK_S] = draw(st.sampled_from([0.0, 0.02, 0.15]))
    row[s.USD_PER_S] = draw(st.sampled_from([0.0, 5e-4, 1e-3, 8e-3, np.nan]))
    row[s.PREFILL_TOKENS_PER_S] = draw(st.sampled_from([0.0, 1e4, 4e4]))
    return row


@st.composite
def decisions(draw, most=7):
    request = draw(requests())
    rows = draw(st.lists(endpoint_rows(int(request[s.ISL])), min_size=1, max_size=most))
    draws = np.array(draw(st.lists(units, min_size=4, max_size=4)))
    return Decision(request, np.array(rows), np.zeros(s.N_STATE), draws)


@st.composite
def pools(draw):
    row = np.zeros(s.N_POOL)
    row[s.NOW_S] = draw(st.integers(1, 1000)) * 15.0
    row[s.MOST] = draw(st.integers(1, 64))
    row[s.READY] = draw(st.integers(0, int(row[s.MOST])))
    row[s.STARTING] = draw(st.integers(0, int(row[s.MOST] - row[s.READY])))
    row[s.POOL_INFLIGHT] = draw(st.integers(0, 5000))
    row[s.POOL_QUEUE] = draw(st.integers(0, 500))
    row[s.POOL_RUNNING] = draw(st.integers(0, 500))
    row[s.POOL_KV_FRAC] = draw(units)
    row[s.ARRIVALS_PER_S] = draw(st.floats(0, 500))
    row[s.COLD_START_S] = draw(st.floats(0, 600))
    row[s.INTERVAL_S] = 15.0
    return row


def endpoints(n, **columns):
    """``n`` alive endpoints with the named columns set to a value or to one for each."""
    rows = np.zeros((n, s.N_ENDPOINT))
    rows[:, s.ALIVE] = 1.0
    for name, values in columns.items():
        rows[:, getattr(s, name.upper())] = values
    return rows


def request(**columns):
    row = np.zeros(s.N_REQUEST)
    row[s.ISL], row[s.OSL], row[s.SESSION] = 1000.0, 100.0, -1.0
    for name, value in columns.items():
        row[getattr(s, name.upper())] = value
    return row


def decision(rows, draws=(0.0, 0.0, 0.0, 0.0), **columns):
    return Decision(request(**columns), rows, np.zeros(s.N_STATE), np.array(draws))


def options(kind, text):
    return policies.option_values(kind, policies.parse(kind, text))


def scores(text, d):
    """Scores of a route policy in plain Python; the state of ``d`` moves on."""
    policy = policies.parse("route", text)
    filled = np.full(len(d.endpoints), np.nan)
    function = policies.python_function("route", policy.name)
    function(d.request, d.endpoints, d.state, d.draws, options("route", text), filled)
    return filled


def picked(text, d):
    """The endpoint a route policy picks; -1 for none."""
    return dispatch.best.py_func(scores(text, d))


def admitted(text, d):
    policy = policies.parse("admit", text)
    function = policies.python_function("admit", policy.name)
    return function(d.request, d.endpoints, d.state, d.draws, options("admit", text))
