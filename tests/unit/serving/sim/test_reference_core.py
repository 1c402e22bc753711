"""One replica whose every step takes a second: what happens when is counted on fingers."""

from dataclasses import replace

import numpy as np
import pytest

import simulated as s
from drivetrain.serving.sim import records as r
from drivetrain.serving.sim.reference import simulate


def run(sent, *, cache=None, options=None, step=None, **changes):
    rules = {k: changes.pop(k) for k in tuple(changes) if k in r.Rules.__dataclass_fields__}
    rules = replace(r.Rules("test", token_budget=100, max_num_seqs=8), **rules)
    pool = s.pool("metronome", cache=cache or r.Cache(1000, 10), rules=rules, step=step, **changes)
    return simulate(s.fleet(pool), sent, options or r.Options())


def named(outcome, row):
    return {name: float(part) for name, part in zip(r.PARTS, outcome.parts[row], strict=True) if part}


def test_a_prompt_in_chunks_then_a_token_a_step():
    o = run(s.requests(0.5, 250, 4))
    assert o.first_s[0] == 3.5  # chunks of 100, 100, 50
    assert o.finish_s[0] == 6.5
    assert named(o, 0) == {"prefill": 3.0, "decode": 3.0}
    assert o.steps == 6
    assert o.tokens_out == [4]


def test_decodes_share_the_budget_with_prompts():
    # the second prompt comes while the first decodes: 99 tokens a step are left for it
    o = run(s.requests([0, 0.5], [10, 199], [5, 1]))
    assert o.first_s.tolist() == [1.0, 4.0]  # 99, 99, 1
    assert named(o, 1) == {"queue": 0.5, "prefill": 3.0}
    assert named(o, 0) == {"prefill": 1.0, "decode": 4.0}  # with a metronome the prompt costs the decode nothing


def test_without_chunks_a_prompt_runs_whole_when_it_fits_or_is_alone():
    o = run(s.requests(0.0, [60, 60, 150], 1), chunked=False)
    assert o.first_s.tolist() == [1.0, 2.0, 3.0]


def test_without_mixing_decodes_wait_for_prompts():
    o = run(s.requests([0, 0.5], [10, 150], [3, 2]), mixed=False)
    assert o.first_s.tolist() == [1.0, 3.0]
    assert o.finish_s.tolist() == [5.0, 4.0]
    assert named(o, 0) == {"prefill": 1.0, "decode": 2.0, "stall": 2.0}


def test_stall_is_what_prompts_add_to_a_step():
    model = s.step_model("metronome")
    model = replace(model, scalars=np.array([1.0, 0.0, 0.0, 0.25]))  # steps with prompts take a quarter more
    o = run(s.requests([0, 0.5], [10, 10], [3, 1]), step=model)
    assert o.finish_s.tolist() == [3.5, 2.5]
    assert named(o, 0) == {"prefill": 1.25, "decode": 2.0, "stall": 0.25}


def test_so_many_sequences_and_no_more():
    o = run(s.requests(0.0, [10, 10, 10], 3), max_num_seqs=2)
    assert o.finish_s.tolist() == [3.0, 3.0, 6.0]
    assert named(o, 2) == {"queue": 3.0, "prefill": 1.0, "decode": 2.0}


def test_the_last_admitted_is_preempted_and_computed_again():
    # two blocks of 10 each at first, of 5; both fill them at 20 tokens and need a third
    o = run(s.requests(0.0, [15, 15], 10), cache=r.Cache(5, 10))
    assert o.preemptions.tolist() == [0, 1]
    assert o.finish_s[0] == 10.0
    # preempted at 6 with 6 tokens out, back when the other has ended: 21 tokens computed again, the 7th at 11
    assert named(o, 1) == {"prefill": 1.0, "decode": 5.0 + 3.0, "preemption": 5.0}
    assert o.finish_s[1] == 14.0
    assert o.output_tokens.tolist() == [10, 10]


def test_the_victim_by_priority():
    sent = s.requests(0.0, [15, 15], 10, priority=[1, 0])
    pool = s.pool("metronome", cache=r.Cache(5, 10), rules=r.Rules("p", 100, 8, priority_preempts=True))
    fleet = s.fleet(pool, policies=r.Policies(schedule=r.Policy("priority")))
    assert sorted(simulate(fleet, sent).preemptions.tolist()) == [0, 1]
    last = simulate(fleet, sent).preemptions
    first = simulate(fleet, replace(sent, priority=sent.priority[::-1].copy())).preemptions
    assert last.tolist() == first.tolist()[::-1]


def test_who_has_written_the_fewest_tokens_is_preempted():
    # at 6 both have 6 tokens out and need a block of the five that are taken: of equals the longest prompt goes
    sent = s.requests(0.0, [25, 15], 10)
    assert run(sent, cache=r.Cache(5, 10)).preemptions.tolist() == [0, 1]
    o = run(sent, cache=r.Cache(5, 10), fewest_preempts=True)
    assert o.preemptions.tolist() == [1, 0]
    assert o.finish_s.tolist() == [14.0, 10.0]  # 31 tokens computed again once the other has ended
    # with fewer tokens out it is the later one, whatever the prompts
    late = s.requests([0.0, 1.5], [5, 15], [20, 10])
    assert run(late, cache=r.Cache(4, 10), fewest_preempts=True).preemptions.tolist() == [0, 1]


def test_the_watermark_stays_free_once_somebody_runs():
    sent = s.requests(0.0, [50, 50], 1)
    assert run(sent, cache=r.Cache(10, 10), token_budget=200).first_s.tolist() == [1.0, 1.0]
    o = run(sent, cache=r.Cache(10, 10), token_budget=200, watermark_frac=0.1)
    assert o.first_s.tolist() == [1.0, 2.0]


def test_a_reserve_for_answers():
    sent = s.requests(0.0, [10, 10], 40)
    cache = r.Cache(8, 10)  # each ends with 5 blocks
    assert run(sent, cache=cache).preemptions.sum() == 1
    o = run(sent, cache=cache, reserve_output_frac=1.0)
    assert o.preemptions.sum() == 0
    assert o.first_s.tolist() == [1.0, 41.0]


def test_states_and_windows_take_blocks_for_life():
    # ceil(0.5 + 0.1 * min(20 + 20, 30)) = 4 of 7 blocks each
    cache = r.Cache(7, 0, state_blocks=0.5, window_spans=(30.0,), window_blocks=(0.1,))
    assert run(s.requests(0.0, [20, 20], 20), cache=cache).first_s.tolist() == [1.0, 21.0]


def test_accepted_drafts():
    model = replace(s.step_model("metronome"), verified=4, acceptance=1.0)
    o = run(s.requests(0.0, 10, 10), step=model)
    assert o.finish_s[0] == 4.0  # 1 with the prompt, then 4, 4, 1
    assert o.gaps.sum() == 9
    assert o.gaps[0] == 6
    none = run(s.requests(0.0, 10, 10), step=replace(model, acceptance=0.0))
    assert none.finish_s[0] == 10.0


def test_requests_go_to_the_core_with_the_fewest():
    # two cores that step together, two lanes that step apart: prompts of 100 fill a core's budget
    sent = s.requests([0, 0, 0, 0, 0.5], 100, 1)
    assert run(sent, dp=4).first_s.tolist() == [1.0, 1.0, 1.0, 1.0, 2.0]
    assert run(sent, pp=4).first_s.tolist() == [1.0, 1.0, 1.0, 1.0, 2.0]
    assert run(s.requests([0, 0, 0, 0.5, 0.75], 100, 1), pp=4).first_s.tolist() == [1.0, 1.0, 1.0, 1.5, 2.0]


PREFIX = r.Cache(20, 10, prefix=True)
FIVE = tuple(range(5))


def test_a_prompt_computed_before_is_found_but_for_its_last_token():
    sent = s.requests([0, 10], 50, 2, prefixes=[FIVE, FIVE], hash_tokens=10)
    o = run(sent, cache=PREFIX, token_budget=10)
    assert o.cached_tokens.tolist() == [0, 40]
    assert o.first_s.tolist() == [5.0, 11.0]


def test_an_answer_is_found_by_the_next_turn():
    # 30 of prompt and 19 stored of the answer fill four named blocks; the next turn finds them
    sent = s.requests([0, 50], [30, 60], [20, 1], prefixes=[FIVE, (*FIVE, 5)], hash_tokens=10)
    assert run(sent, cache=PREFIX).cached_tokens.tolist() == [0, 40]


def test_requests_side_by_side_share_entries():
    sent = s.requests([0, 1.5], 50, 10, prefixes=[FIVE, FIVE], hash_tokens=10)
    o = run(sent, cache=r.Cache(9, 10, prefix=True))
    assert o.cached_tokens.tolist() == [0, 40]
    assert o.first_s.tolist() == [1.0, 3.0]  # 6 blocks of the first, 2 of its own: no room for both otherwise
    assert o.preemptions.sum() == 0


def test_the_longest_idle_goes_first_and_from_its_end():
    other = tuple(range(100, 105))
    sent = s.requests([0, 10, 20, 30], 50, 1, prefixes=[FIVE, other, (200,), FIVE], hash_tokens=10)
    sent = replace(sent, isl=np.array([50, 50, 20, 50]))
    o = run(sent, cache=r.Cache(10, 10, prefix=True))
    # the third takes two blocks: entries 4 and 3 of the first go; three remain of it
    assert o.cached_tokens.tolist() == [0, 0, 0, 30]


def test_host_memory_keeps_what_the_device_throws_out():
    other = tuple(range(100, 105))
    cache = r.Cache(5, 10, prefix=True, host_blocks=5, host_s_per_token=0.1)
    sent = s.requests([0, 10, 20], 50, 1, prefixes=[FIVE, other, FIVE], hash_tokens=10)
    sent = replace(sent, isl=np.array([41, 41, 41]), osl=np.array([1, 1, 2]))
    o = run(sent, cache=cache)
    assert o.cached_tokens.tolist() == [0, 0, 40]
    assert named(o, 2) == pytest.approx({"transfer": 4.0, "prefill": 1.0, "decode": 1.0})
    small = run(sent, cache=replace(cache, host_blocks=2))
    assert small.cached_tokens.tolist() == [0, 0, 20]  # the last two thrown out, which are the first two names


def test_loads_go_one_after_another():
    other = tuple(range(100, 104))
    cache = r.Cache(12, 10, prefix=True, host_blocks=50, host_s_per_token=0.1)
    sent = s.requests(
        [0, 5, 10, 20, 20], [41, 41, 120, 41, 41], [1, 1, 1, 1, 1],
        prefixes=[FIVE[:4], other, (), FIVE[:4], other], hash_tokens=10,
    )  # fmt: skip
    o = run(sent, cache=cache, token_budget=200)
    assert o.cached_tokens.tolist() == [0, 0, 0, 40, 40]
    assert o.parts[3:, r.TRANSFER_PART].tolist() == pytest.approx([4.0, 8.0])


def test_what_is_counted_over_time():
    o = run(s.requests([0, 0, 0], [10, 10, 10], 4), max_num_seqs=2, options=r.Options(sample_s=2.0, log_steps=3))
    rows = [dict(zip(r.SERIES, row, strict=True)) for row in o.series]
    assert [row["time_s"] for row in rows] == [2.0, 4.0, 6.0, 8.0]
    assert [row["queue"] for row in rows] == [1, 1, 0, 0]  # before what else happens at that time
    assert [row["running"] for row in rows] == [2, 2, 1, 1]
    assert [row["completed"] for row in rows] == [0, 0, 2, 0]
    assert [row["input_tokens"] for row in rows] == [20, 0, 10, 0]
    assert [row["busy_frac"] for row in rows] == [1.0] * 4
    assert o.log.tolist() == [[0, 0, 1, 0, 20, 1], [0, 1, 2, 2, 0, 1], [0, 2, 3, 2, 0, 1]]


def test_energy_of_working_and_idling():
    pool = s.pool("metronome", static_w=100.0, tdp_w=700.0, idle_w=40.0, n_accelerators=2, pp=2)
    o = simulate(s.fleet(pool), s.requests([0, 7.0], 10, 3))
    # 6 s of steps of one lane, half of the accelerators, at static power: the rest of 10 s idles
    assert o.busy_s == [3.0]
    assert o.joules[0] == pytest.approx(6 * 100 + (2 * 10 - 6) * 40)
    assert o.on_s == [10.0]


def test_the_horizon_cuts():
    o = run(s.requests([0, 5.0], 10, 10), options=r.Options(horizon_s=3.5))
    assert o.status.tolist() == [r.UNFINISHED] * 2
    assert o.end_s == 3.5
    assert o.first_s[0] == 1.0
    assert np.isnan(o.finish_s).all()
    assert np.isnan(o.sent_s[1])
    assert o.steps == 3
    assert o.busy_s == [3.5]
    assert not o.parts.any()
