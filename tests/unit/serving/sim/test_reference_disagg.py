"""Prefill and decode apart, on replicas whose every step takes a second: transfers, their links, their failures."""

import pytest

import simulated as s
from drivetrain.serving.sim import records as r
from drivetrain.serving.sim.reference import simulate

RULES = r.Rules("test", token_budget=100, max_num_seqs=8)


def fleet(transfer, *, prefill=None, decode=None, **fields):
    def pool(role, changes):
        return s.pool("metronome", **{"rules": RULES, "cache": r.Cache(1000, 10), "role": role, **(changes or {})})

    return s.fleet(pool(r.PREFILL, prefill), pool(r.DECODE, decode), transfers=(transfer,), **fields)


def named(outcome, row):
    return {name: float(part) for name, part in zip(r.PARTS, outcome.parts[row], strict=True) if part}


def test_a_prompt_is_computed_sent_and_decoded_elsewhere():
    o = simulate(fleet(r.Transfer(fixed_s=1.0, s_per_token=0.01)), s.requests(0, 150, 4))
    assert o.first_s[0] == 2.0
    assert o.finish_s[0] == 2 + 2.5 + 3
    assert named(o, 0) == {"prefill": 2.0, "transfer": 2.5, "decode": 3.0}
    assert o.replica[0] == 1
    assert o.tokens_out.tolist() == [1, 3]
    assert o.gap_sum_s == o.finish_s[0] - o.first_s[0]


def test_who_makes_and_shows_the_first_token():
    sent = s.requests(0, 150, 4)
    shown = simulate(fleet(r.Transfer(1.0, 0.01, shown_by_decode=True)), sent)
    assert (shown.first_s[0], shown.finish_s[0]) == (4.5, 7.5)
    assert shown.tokens_out.tolist() == [0, 4]
    made = simulate(fleet(r.Transfer(1.0, 0.01, first_token_by_decode=True)), sent)
    assert (made.first_s[0], made.finish_s[0]) == (5.5, 8.5)
    assert named(made, 0) == {"prefill": 3.0, "transfer": 2.5, "decode": 3.0}
    assert made.tokens_out.tolist() == [0, 4]


@pytest.mark.parametrize(("first_by_decode", "replica"), [(False, 0), (True, 1)])
def test_an_answer_of_one_token(first_by_decode, replica):
    o = simulate(fleet(r.Transfer(1.0, first_token_by_decode=first_by_decode)), s.requests(0, 10, 1))
    assert o.replica[0] == replica
    assert o.output_tokens[0] == 1
    assert o.first_s[0] == o.finish_s[0] == (3.0 if first_by_decode else 1.0)


def test_pieces_travel_while_the_prompt_is_computed():
    # T = 2 s, computed for 3 s: all but the last quarter is there already; computed for 1 s: 2 - 0.75
    transfer = r.Transfer(2.0, 0.0, pieces=4)
    assert named(simulate(fleet(transfer), s.requests(0, 300, 2)), 0)["transfer"] == 0.5
    assert named(simulate(fleet(transfer), s.requests(0, 100, 2)), 0)["transfer"] == 1.25


def test_one_transfer_at_a_time_on_a_link():
    sent = s.requests(0, 10, 2)
    both = s.requests([0, 0], 10, 2)
    alone = simulate(fleet(r.Transfer(3.0)), sent)
    pair = simulate(fleet(r.Transfer(3.0)), both)
    assert alone.parts[0, r.TRANSFER_PART] == 3.0
    assert pair.parts[:, r.TRANSFER_PART].tolist() == [3.0, 6.0]
    apart = simulate(fleet(r.Transfer(3.0), prefill={"dp": 2}, decode={"dp": 2}), both)
    assert apart.parts[:, r.TRANSFER_PART].tolist() == [3.0, 3.0]
    joined = simulate(fleet(r.Transfer(3.0), prefill={"dp": 2}), both)
    assert joined.parts[:, r.TRANSFER_PART].tolist() == [3.0, 6.0]


def test_a_held_prompt_keeps_its_blocks():
    # the prefill core has room for one prompt: the second is computed when the first has been sent
    o = simulate(fleet(r.Transfer(5.0), prefill={"cache": r.Cache(3, 10)}), s.requests([0, 0], 25, 2))
    assert o.first_s.tolist() == [1.0, 7.0]
    assert named(o, 1)["queue"] == 6.0


def test_the_decode_side_admits_by_its_own_blocks():
    o = simulate(fleet(r.Transfer(1.0), decode={"cache": r.Cache(4, 10)}), s.requests([0, 0], 25, 5))
    assert o.finish_s[0] == 1 + 1 + 4
    assert named(o, 1)["transfer"] == 5 + 1  # waits for the first to end, then is sent
    assert o.preemptions.sum() == 0


def test_preempted_on_the_decode_side_it_computes_again_itself():
    o = simulate(fleet(r.Transfer(1.0), decode={"cache": r.Cache(5, 10)}), s.requests([0, 0], 15, 10))
    assert o.preemptions.sum() == 1
    row = int(o.preemptions.argmax())
    assert named(o, row)["preemption"] > 0
    assert o.output_tokens.tolist() == [10, 10]
    assert o.tokens_out.tolist() == [2, 18]


@pytest.mark.parametrize("replica", [0, 1])
def test_a_failure_on_either_side_begins_anew(replica):
    # at 2 s the prompt is held in the prefill replica and on its way to the decode replica
    controls = (r.Control(2.0, r.FAIL, replica), r.Control(2.0, r.DETECT, replica),
                r.Control(2.5, r.RECOVER, replica), r.Control(2.5, r.DETECT, replica))  # fmt: skip
    f = fleet(r.Transfer(3.0), controls=controls, retry_s=1.0, prefill={"cache": r.Cache(1, 10)})
    o = simulate(f, s.requests([0, 0], 10, 3))
    assert o.status.tolist() == [r.COMPLETED] * 2
    assert o.retries.sum() >= 1
    assert o.parts.sum(axis=1) == pytest.approx(o.finish_s)
    assert o.first_s.min() >= 4.0 if replica == 0 else o.first_s.min() == 3.0


def test_without_a_decode_replica_it_is_sent_again():
    controls = (r.Control(0.5, r.FAIL, 1), r.Control(0.5, r.DETECT, 1))
    f = fleet(r.Transfer(), controls=controls, retry_s=1.0, max_retries=1, prefill={"cache": r.Cache(2, 10)})
    o = simulate(f, s.requests(0, 10, 2))
    assert o.status[0] == r.LOST
    assert o.end_s == 1 + 1 + 1  # computed, retried, computed again
