"""Layouts: spelling, what is refused and what the refusal advises."""

from dataclasses import replace

import pytest
from training_machines import LLAMA_8B, MIXTRAL

from drivetrain.errors import LayoutError
from drivetrain.training.layout import TrainingLayout, parse_layout, side_by_side
from drivetrain.training.refusals import check_layout, layout_problem

ODD, EVEN = replace(LLAMA_8B, seq=8191.0), replace(LLAMA_8B, seq=8200.0)


@pytest.mark.parametrize("text", ["tp8pp4vp2dp64", "dp512zero3", "tp2cp4dp8zero2shard16", "dp64ep8etp2mbs4", "dp1"])
def test_spelling_goes_round(text):
    assert str(parse_layout(text)) == text


@pytest.mark.parametrize(
    "text", ["", "tp", "tp8tp4", "xx4", "tp0", "tp2.5", "vp4dp8", "dp8ep3", "dp8zero4", "dp8shard3zero3"]
)
def test_nonsense_is_refused(text):
    with pytest.raises(LayoutError):
        parse_layout(text)


@pytest.mark.parametrize(
    ("model", "layout", "batch", "says"),
    [
        (LLAMA_8B, {"pp": 64}, 64, "32 layers"),
        (LLAMA_8B, {"tp": 3}, 64, "32 heads"),
        (LLAMA_8B, {"dp": 8, "ep": 8}, 64, "no experts"),
        (MIXTRAL, {"dp": 16, "ep": 16}, 64, "8 experts do not divide"),
        (LLAMA_8B, {"cp": 3}, 64, "does not divide over cp3"),
        (LLAMA_8B, {"dp": 128}, 64, "smaller than dp128"),
        (LLAMA_8B, {"dp": 1, "micro_batch": 128}, 64, "use a batch of 128"),
        (LLAMA_8B, {"dp": 48}, 64, "does not divide over dp48 x 1; use a batch of 48 or 96"),
        (LLAMA_8B, {"dp": 16, "micro_batch": 2}, 33, "use a batch of 32 or 64"),
        (LLAMA_8B, {"tp": 6}, 64, "use tp4"),
        (ODD, {"tp": 8}, 64, "8191 tokens over tp8; use sequences of 8184 or 8192 tokens or tp1"),
        (
            EVEN,
            {"tp": 8, "cp": 2},
            64,
            "4100 tokens on each of cp2 over tp8; use sequences of 8192 or 8208 tokens or tp4",
        ),
        (LLAMA_8B, {"pp": 3, "schedule": "dualpipe"}, 64, "even number of stages, not of 3; use pp4"),
        (LLAMA_8B, {"pp": 4, "dp": 8, "schedule": "dualpipe"}, 56, "has 7; use a batch of 64"),
        (LLAMA_8B, {"pp": 4, "dp": 8, "schedule": "dualpipe"}, 72, "has 9; use a batch of 80"),
    ],
)
def test_what_does_not_divide_says_so(model, layout, batch, says):
    problem = layout_problem(model, TrainingLayout(**layout), batch)
    assert says in problem
    with pytest.raises(LayoutError, match=model.name):
        check_layout(model, TrainingLayout(**layout), batch)


@pytest.mark.parametrize(
    ("layout", "batch"),
    [({"tp": 8, "cp": 4}, 64), ({"pp": 4, "dp": 8, "schedule": "dualpipe"}, 64), ({"dp": 16, "micro_batch": 2}, 64)],
)
def test_what_divides_passes(layout, batch):
    assert layout_problem(LLAMA_8B, TrainingLayout(**layout), batch) == ""


def test_end_chunks_may_hold_embedding_and_head():
    from drivetrain.arch.training import counts
    from drivetrain.catalogue import loader

    model = counts(loader.load("models", "llama-3.1-405b"), 8192)  # 126 layers in 16 x 8 chunks
    assert layout_problem(model, TrainingLayout(tp=8, pp=16, vp=8, schedule="interleaved"), 16) == ""


def test_side_by_side_and_back():
    records = [parse_layout("tp8pp4vp2dp2", recompute="full"), TrainingLayout(dp=4, zero=3, shard=2)]
    laid = side_by_side(records)
    assert [laid.layout(i) for i in range(laid.n)] == records
