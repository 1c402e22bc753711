"""What holds of every simulation, whatever the fleet: conservation, time, determinism, queueing theory on its path."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulated as s
from drivetrain.arch.step import N_FEATURES
from drivetrain.serving import closed_loop
from drivetrain.serving.sim import records as r
from drivetrain.serving.sim.reference import Simulation, simulate
from drivetrain.serving.sim.reference.life import DECODING, WAITING
from drivetrain.serving.sim.reference.replica import OFF

SERVED = s.Features(faults=False, scaling=False, cascade=False, policies=False, horizon=False)
TOGETHER = replace(SERVED, disaggregated=False)


def run(case, observe=None):
    return simulate(case.fleet, case.requests, case.options, observe=observe)


class Auditor:
    """Looks at the whole state after every event."""

    def __init__(self):
        self.now = 0.0
        self.ended = {}
        self.simulation = None

    def __call__(self, simulation: Simulation):
        self.simulation = simulation
        now = simulation.timeline.now
        assert now >= self.now
        self.now = now
        for core in simulation.cores:
            self.audit_core(core)
        self.audit_router(simulation)
        for life in simulation.lives:
            if life.row in self.ended:
                assert (life.status, life.finish_s) == self.ended[life.row] or np.isnan(life.finish_s)
                assert life.status == self.ended[life.row][0]
            elif life.status != r.UNFINISHED:
                self.ended[life.row] = life.status, life.finish_s
        assert simulation.ledger.n_ended == len(self.ended)

    @staticmethod
    def audit_core(core):
        here = [*core.running, *core.held]
        blocks = core.blocks
        own = sum(sequence.private + sequence.fixed for sequence in here)
        assert all(sequence.private >= 0 for sequence in here)
        assert blocks.free >= 0
        assert own + blocks.n_entries * blocks.per_entry + blocks.free == blocks.total
        held = {name for sequence in here for name in sequence.entries}
        assert blocks.used == own + len(held) * blocks.per_entry
        assert blocks.n_host * blocks.per_entry <= core.pool.cache.host_blocks
        assert len(core.running) <= core.pool.rules.max_num_seqs
        block = core.pool.cache.block_tokens
        for sequence in core.running:
            assert sequence.state != WAITING
            if block and sequence.state == DECODING:
                assert (sequence.private + len(sequence.entries) * blocks.per_entry) * block >= sequence.stored
                assert sequence.stored == sequence.life.isl + sequence.life.emitted - 1

    @staticmethod
    def audit_router(simulation):
        at = [life.at for life in simulation.lives]
        assert simulation.router.in_flight == [at.count(k) for k in range(len(simulation.replicas))]
        waiting = [life.at for life in simulation.lives if life.tokens_counted]
        assert all(k >= 0 for k in waiting)
        assert min(simulation.router.tokens_in_flight, default=0) >= 0
        for replica in simulation.replicas:
            assert replica.n_present >= len(replica.lives)
            assert sum(core.n_requests for core in replica.cores) <= replica.n_present
            assert replica.state != OFF or sum(core.n_requests for core in replica.cores) == 0


@given(s.cases())
@settings(max_examples=90)
def test_nothing_is_lost_or_made_up_on_the_way(case):
    auditor = Auditor()
    o = run(case, auditor)
    n = len(case.requests)
    assert len(o.status) == n
    if np.isinf(case.options.horizon_s):
        assert len(auditor.ended) == n
        assert not (o.status == r.UNFINISHED).any()
        for core in auditor.simulation.cores:  # all blocks are free again, but for prompts sent for nothing
            assert core.n_requests == len(core.held) == sum(sequence.orphaned for sequence in core.held)
            assert core.held or core.blocks.available == core.blocks.total
        assert auditor.simulation.router.in_flight == [0] * len(auditor.simulation.replicas)
        assert auditor.simulation.router.tokens_in_flight == [0] * len(auditor.simulation.replicas)
    done = o.status == r.COMPLETED
    assert (o.output_tokens[done] >= case.requests.osl[done]).all()
    assert o.tokens_out.sum() == o.output_tokens.sum()
    assert (o.cached_tokens < case.requests.isl).all()
    assert (o.retries <= case.fleet.max_retries).all()
    assert (o.replica[done] >= 0).all()


@given(s.cases())
@settings(max_examples=80)
def test_every_second_of_a_request_is_in_one_part(case):
    o = run(case)
    done = o.status == r.COMPLETED
    np.testing.assert_allclose(o.parts[done].sum(axis=1), (o.finish_s - o.sent_s)[done], rtol=0, atol=1e-9)
    assert (o.parts >= -1e-12).all()
    assert not o.parts[~done].any()
    assert (o.sent_s[done] <= o.first_s[done]).all()
    assert (o.first_s[done] <= o.finish_s[done]).all()
    assert np.isnan(o.finish_s[~done]).all()
    assert not (o.finish_s > o.end_s).any()
    delay = case.fleet.network_s.max()
    frontend = max(pool.frontend_s for pool in case.fleet.pools)
    assert (o.parts[:, r.FRONTEND_PART] <= frontend + 1e-12).all()
    assert case.fleet.controls or (o.parts[done, r.NETWORK_PART] <= 2 * delay + frontend + 1e-12).all()
    assert (o.parts[(o.retries == 0) & (o.stages == 1), r.RETRY_PART] == 0).all()
    assert (o.parts[o.preemptions == 0, r.PREEMPTION_PART] == 0).all()


@given(s.cases())
@settings(max_examples=25)
def test_the_same_seed_gives_the_same_bytes(case):
    one, other = run(case), run(case)
    for name in r.Outcome.__dataclass_fields__:
        assert np.asarray(getattr(one, name)).tobytes() == np.asarray(getattr(other, name)).tobytes()


@given(s.cases(SERVED))
@settings(max_examples=40)
def test_littles_law_on_the_sample_path(case):
    """The area under the number in system is the sum of the times in it."""
    seen = {"area": 0.0, "now": 0.0, "n": 0}

    def watch(simulation):
        now = simulation.timeline.now
        seen["area"] += seen["n"] * (now - seen["now"])
        seen["now"] = now
        sent = sum(not np.isnan(life.sent_s) for life in simulation.lives)
        seen["n"] = sent - simulation.ledger.n_ended

    o = run(case, watch)
    assert (o.status == r.COMPLETED).all()
    assert seen["n"] == 0
    assert seen["area"] == pytest.approx((o.finish_s - o.sent_s).sum(), rel=1e-9, abs=1e-12)


@given(s.cases(TOGETHER))
@settings(max_examples=40)
def test_tokens_and_gaps_add_up(case):
    o = run(case)
    assert (o.output_tokens == case.requests.osl).all()
    assert o.gaps.sum() == (case.requests.osl - 1).sum()
    assert o.gap_sum_s == pytest.approx((o.finish_s - o.first_s).sum(), rel=1e-9, abs=1e-12)
    if case.options.log_steps:
        assert len(o.log) == o.steps
        assert (o.log[:, 1] < o.log[:, 2]).all()
        pp = case.fleet.pools[0].pp
        if len(case.fleet.pools) == 1:
            assert (o.log[:, 2] - o.log[:, 1]).sum() / pp == pytest.approx(o.busy_s[0])
        computed = (case.requests.isl - o.cached_tokens).sum()
        if o.preemptions.sum() == 0:
            assert o.log[:, 4].sum() == computed
        else:
            assert o.log[:, 4].sum() > 0
        if all(pool.step.verified == 1 for pool in case.fleet.pools):
            # a token decoded is a token of a step; those that a recomputed prompt emits are not
            assert 0 <= (case.requests.osl - 1).sum() - o.log[:, 3].sum() <= o.preemptions.sum()


@given(s.cases(replace(s.EVERYTHING, horizon=False)))
@settings(max_examples=40)
def test_energy_and_time_lie_between_idling_and_all_out(case):
    o = run(case)
    for p, pool in enumerate(case.fleet.pools):
        assert 0.0 <= o.busy_s[p] <= o.on_s[p] + 1e-9
        assert 0.0 <= o.on_s[p] <= pool.max_replicas * o.end_s + 1e-9
        least = pool.idle_w * pool.n_accelerators * o.on_s[p]
        most = pool.tdp_w * pool.n_accelerators * o.on_s[p]
        assert least * (1 - 1e-12) <= o.joules[p] <= most * (1 + 1e-12)


@given(s.cases(ONE := replace(s.ONE_POOL, closed=False)), st.integers(1, 3))
@settings(max_examples=20)
def test_a_pool_that_serves_nobody_idles(case, replicas):
    idle = s.pool(name="idle", service=1, replicas=replicas, n_accelerators=4, idle_w=75.0)
    fleet = replace(case.fleet, pools=(*case.fleet.pools, idle), services=("a", "b"))
    o, alone = simulate(fleet, case.requests, case.options), run(case)
    assert o.joules[1] == pytest.approx(75.0 * 4 * replicas * o.end_s, rel=1e-12)
    assert o.on_s[1] == replicas * o.end_s
    assert o.busy_s[1] == 0.0
    np.testing.assert_array_equal(o.finish_s, alone.finish_s)


@given(s.cases(ONE))
@settings(max_examples=30)
def test_with_blocks_for_all_nobody_is_preempted(case):
    pool = case.fleet.pools[0]
    plenty = replace(pool.cache, blocks=len(case.requests) * s.blocks_of_one(pool.cache, case.requests))
    o = simulate(replace(case.fleet, pools=(replace(pool, cache=plenty),)), case.requests, case.options)
    assert o.preemptions.sum() == 0


@given(s.cases(replace(TOGETHER, pools=False, successors=False, closed=False)))
@settings(max_examples=30)
def test_one_after_another_nobody_waits_or_is_preempted(case):
    spread = replace(case.requests, arrival_s=1e4 * np.arange(len(case.requests)))
    o = simulate(replace(case.fleet, scrape_s=0.0), spread, replace(case.options, sample_s=0.0))
    assert o.preemptions.sum() == 0
    for part in (r.QUEUE_PART, r.STALL_PART, r.PREEMPTION_PART, r.RETRY_PART):
        np.testing.assert_allclose(o.parts[:, part], 0.0, atol=1e-9)


@given(
    s.request_sets(features=replace(s.EVERYTHING, successors=False, closed=False)), s.engine_rules(), st.integers(2, 3)
)
@settings(max_examples=30)
def test_replicas_in_turn_are_replicas_alone(sent, rules, k):
    cache = r.Cache(s.blocks_of_one(r.Cache(0, 4), sent) + 5, 4, prefix=sent.hash_tokens > 0)
    pool = s.pool(rules=rules, cache=cache)
    turns = r.Policies(route=r.Policy("round-robin"))
    sent = replace(sent, origin=np.zeros_like(sent.origin), service=np.zeros_like(sent.service))
    together = simulate(s.fleet(replace(pool, replicas=k, max_replicas=k), policies=turns), sent)
    for turn in range(k):
        rows = np.arange(turn, len(sent), k)
        if not len(rows):
            continue
        mine = {name: getattr(sent, name)[rows] for name in r.Requests.__dataclass_fields__ if name in COLUMNS}
        alone = simulate(s.fleet(pool), replace(sent, **mine))
        np.testing.assert_array_equal(together.first_s[rows], alone.first_s)
        np.testing.assert_array_equal(together.finish_s[rows], alone.finish_s)
        np.testing.assert_array_equal(together.cached_tokens[rows], alone.cached_tokens)


COLUMNS = (
    "arrival_s", "isl", "osl", "priority", "session", "origin", "service", "difficulty", "after", "gap_s", "hash_start",
    "hash_count",
)  # fmt: skip


def doubled(case):
    """Everything that is a time takes twice as long; doubling changes no digit of a float."""
    pools = []
    for pool in case.fleet.pools:
        ops, collectives, scalars = pool.step.ops.copy(), pool.step.collectives.copy(), pool.step.scalars.copy()
        ops[:, : 2 * N_FEATURES] *= 2
        collectives[:, 4:] *= 2
        scalars[[0, 1, 3]] *= 2
        pools.append(
            replace(
                pool,
                step=replace(pool.step, ops=ops, collectives=collectives, scalars=scalars),
                cache=replace(pool.cache, host_s_per_token=2 * pool.cache.host_s_per_token),
                frontend_s=2 * pool.frontend_s,
                cold_start_s=2 * pool.cold_start_s,
            )
        )
    fleet = case.fleet
    fleet = replace(
        fleet,
        pools=tuple(pools),
        network_s=2 * fleet.network_s,
        transfers=tuple(replace(t, fixed_s=2 * t.fixed_s, s_per_token=2 * t.s_per_token) for t in fleet.transfers),
        controls=tuple(
            replace(c, time_s=2 * c.time_s, value=(2 if c.kind == r.PARTITION else 1) * c.value) for c in fleet.controls
        ),
        policies=replace(fleet.policies, scale_s=2 * fleet.policies.scale_s),
        **{name: 2 * getattr(fleet, name) for name in ("scrape_s", "event_lag_s", "index_ttl_s", "retry_s")},
    )
    sent = replace(case.requests, arrival_s=2 * case.requests.arrival_s, gap_s=2 * case.requests.gap_s)
    options = replace(case.options, sample_s=2 * case.options.sample_s, horizon_s=2 * case.options.horizon_s)
    return s.Case(fleet, sent, options)


TIMELESS = ("round-robin", "random", "least-loaded", "least-tokens", "power-of-two", "prefix-aware", "prefix-events",
            "session", "weighted")  # fmt: skip


@given(s.cases(replace(s.EVERYTHING, policies=False)), st.sampled_from(TIMELESS))
@settings(max_examples=50)
def test_seconds_are_the_only_unit_of_time(case, route):
    policies = replace(case.fleet.policies, route=r.Policy(route), scale=r.Policy("fixed"))
    case = replace(case, fleet=replace(case.fleet, policies=policies))
    one, two = run(case), run(doubled(case))
    for name in ("sent_s", "first_s", "finish_s", "parts", "on_s", "busy_s"):
        np.testing.assert_array_equal(2 * getattr(one, name), getattr(two, name))
    for name in ("status", "replica", "preemptions", "retries", "cached_tokens", "output_tokens"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_allclose(2 * one.joules, two.joules, rtol=1e-9)


@given(
    st.sampled_from(["tiny", "llama-3.1-8b", "gpt-oss-20b"]),
    st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 60)), min_size=1, max_size=25),
    st.integers(1, 12),
    st.sampled_from([256, 2048]),
    st.integers(1, 8),
    st.booleans(),
)
@settings(max_examples=40)
def test_it_is_the_load_test_of_the_closed_loop(model, lengths, concurrency, budget, max_seqs, mixed):
    isl, osl = (np.array(column) for column in zip(*lengths, strict=True))
    budget = max(budget, max_seqs + 1)
    pool = s.pool(model, rules=r.Rules("test", budget, max_seqs, mixed=mixed))
    o = simulate(s.fleet(pool), s.requests(0.0, isl, osl, concurrency=concurrency))
    step, n = s.step_model(model), len(isl)
    ttft, tpot = np.zeros(n), np.zeros(n)
    if (osl > 1).any():  # its mean TPOT is of something
        _, _, duration, steps = closed_loop.run(
            step.ops, step.collectives, step.scalars, step.spans, isl.astype(float), osl.astype(float), concurrency,
            float(budget), float(max_seqs), 1.0, not mixed, False, 0.0, 0.0, 1, 0, ttft, tpot,
        )  # fmt: skip
        np.testing.assert_allclose(o.first_s - o.sent_s, ttft, rtol=0, atol=1e-9)
        many = osl > 1
        np.testing.assert_allclose(((o.finish_s - o.first_s) / np.maximum(osl - 1, 1))[many], tpot[many], atol=1e-9)
        assert o.end_s == pytest.approx(duration, abs=1e-9)
        assert o.steps == steps


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 64)), min_size=1, max_size=30))
@settings(max_examples=30)
def test_one_at_a_time_is_lindleys_queue(drawn):
    """Waits of a single server follow W' = max(W + S - A, 0) exactly."""
    arrival = np.sort([0.001 * at for at, _ in drawn])
    isl = np.array([size for _, size in drawn])
    fleet = s.fleet(s.pool(rules=r.Rules("single", token_budget=64, max_num_seqs=1)))
    o = simulate(fleet, s.requests(arrival, isl, 1))
    free = 0.0
    for i in range(len(isl)):
        start = max(arrival[i], free)
        assert o.parts[i, r.QUEUE_PART] == pytest.approx(start - arrival[i], abs=1e-9)
        free = float(o.finish_s[i])
        assert free - start == pytest.approx(simulate(fleet, s.requests(0.0, isl[i], 1)).finish_s[0], abs=1e-9)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_mean_wait_of_poisson_arrivals_and_equal_jobs(load):
    """Pollaczek and Khinchine: load / (2 (1 - load)) service times, within four standard errors of batch means."""
    rng, n = np.random.default_rng(7), 12_000
    sent = s.requests(np.cumsum(rng.exponential(1.0 / load, n)), 10, 1)
    o = simulate(s.fleet(s.pool("metronome", rules=r.Rules("single", 64, 1))), sent)
    waits = o.parts[:, r.QUEUE_PART][2000:].reshape(20, -1).mean(axis=1)
    expected = load / (2 * (1 - load))
    assert abs(waits.mean() - expected) < 4 * waits.std(ddof=1) / np.sqrt(20)
    assert waits.std() < 0.3 * expected


@given(s.request_sets(features=replace(s.EVERYTHING, successors=False, closed=False)))
@settings(max_examples=40)
def test_with_room_for_all_a_prompt_finds_all_that_came_before(sent):
    """One after another through one large cache: the longest leading part that any earlier one stored."""
    sent = replace(sent, arrival_s=1e4 * np.arange(len(sent)), origin=np.zeros_like(sent.origin),
                   service=np.zeros_like(sent.service))  # fmt: skip
    o = simulate(s.fleet(s.pool(cache=r.Cache(10_000, 4, prefix=True))), sent)
    size, stored, known = sent.hash_tokens, sent.isl + sent.osl - 1, set()
    for i in range(len(sent)):
        names = sent.hashes[sent.hash_start[i] : sent.hash_start[i] + sent.hash_count[i]].tolist()
        most = (sent.isl[i] - 1) // size if size else 0
        found = 0
        while found < min(most, len(names)) and names[found] in known:
            found += 1
        assert o.cached_tokens[i] == found * size
        known.update(names[: stored[i] // size] if size else [])


@given(s.cases(replace(s.EVERYTHING, faults=False)))
@settings(max_examples=20)
def test_what_happens_elsewhere_changes_nothing(case):
    """Failures of a pool whose service nobody asks for."""
    policies = replace(case.fleet.policies, select=r.Policy("one-model"), scale=r.Policy("fixed"))
    other = s.pool(name="other", service=len(case.fleet.services))
    first = sum(pool.max_replicas for pool in case.fleet.pools)
    services = (*case.fleet.services, "other")
    transfers = (*case.fleet.transfers, r.Transfer())
    fleet = replace(
        case.fleet, pools=(*case.fleet.pools, other), services=services, transfers=transfers, policies=policies
    )
    controls = (
        r.Control(0.0, r.SLOW, first, value=9.0),
        r.Control(0.01, r.FAIL, first),
        r.Control(0.02, r.DETECT, first),
    )
    calm, broken = (simulate(f, case.requests, case.options) for f in (fleet, replace(fleet, controls=controls)))
    np.testing.assert_array_equal(calm.finish_s, broken.finish_s)
    np.testing.assert_array_equal(calm.parts, broken.parts)


def test_the_strategies_meet_what_they_are_for():
    """Preemption, hits in cache, retries, losses, refusals, cascades and scaling all occur in what is drawn."""
    met = dict.fromkeys(("preempted", "cached", "retried", "lost", "refused", "escalated", "apart", "started"), 0)

    @given(s.cases(replace(s.EVERYTHING, horizon=False)))
    @settings(max_examples=200)
    def meet(case):
        o = run(case)
        met["preempted"] += o.preemptions.any()
        met["cached"] += o.cached_tokens.any()
        met["retried"] += o.retries.any()
        met["lost"] += (o.status == r.LOST).any()
        met["refused"] += (o.status == r.REJECTED).any()
        met["escalated"] += (o.stages > 1).any()
        met["apart"] += o.parts[:, r.TRANSFER_PART].any()
        on_s = np.array([pool.replicas * o.end_s for pool in case.fleet.pools])
        met["started"] += (o.on_s > on_s + 1e-9).any()

    meet()
    assert min(met.values()) > 0, met


def test_a_replica_that_was_never_there_is_never_paid_for():
    o = simulate(s.fleet(s.pool(replicas=1, max_replicas=5)), s.requests([0, 0.1], 10, 5))
    assert o.on_s[0] == o.end_s
