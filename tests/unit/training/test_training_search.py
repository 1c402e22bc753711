"""The search finds what trying every candidate by hand finds."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from training_machines import H100, LLAMA_8B, LLAMA_70B, MIXTRAL

from drivetrain.arch.training import counts
from drivetrain.catalogue import loader
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import DoesNotFitError, InfeasibleError, LayoutError
from drivetrain.training.cases import Cluster, Job
from drivetrain.training.coefficients import coefficients
from drivetrain.training.family import dense_model
from drivetrain.training.layout import TrainingLayout
from drivetrain.training.predict import predict
from drivetrain.training.refusals import layout_problem
from drivetrain.training.search import candidates, lightest_recompute, search

RATES = coefficients("megatron", "hopper")[0]


def test_best_layout_is_the_minimum_of_all():
    job, cluster = Job(16), Cluster(H100, 8)
    found = search(LLAMA_8B, job, cluster, RATES, known={"zero": 1, "cp": 1})
    best = (float("inf"), None)
    for tp, pp, vp, mbs, recompute in itertools.product(
        (1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4, 8, 16), (1, 2, 4, 8, 16), ("none", "selective", "full")
    ):
        if tp * pp > 8 or 8 % (tp * pp) or (vp > 1 and pp == 1):
            continue
        layout = TrainingLayout(tp=tp, pp=pp, vp=vp, dp=8 // (tp * pp), micro_batch=mbs, recompute=recompute,
                                schedule="interleaved" if vp > 1 else "1f1b")  # fmt: skip
        try:
            best = min(best, (predict(LLAMA_8B, job, cluster, layout, framework="megatron").step_s, str(layout)))
        except (LayoutError, DoesNotFitError):
            continue
    assert found.best[0].step_s == pytest.approx(best[0])
    assert [one.step_s for one in found.best] == sorted(one.step_s for one in found.best)
    assert found.n_fitting <= found.n_valid


def test_every_candidate_is_valid():
    job, cluster = Job(64), Cluster(H100, 64)
    laid = candidates(MIXTRAL, job, cluster, {})
    for i in range(0, laid.n, 97):
        layout = laid.layout(i)
        predict(MIXTRAL, job, cluster, layout, must_fit=False)  # raises where it is not
    assert len({laid.layout(i) for i in range(laid.n)}) == laid.n


def test_known_degrees_are_kept():
    found = search(LLAMA_70B, Job(256), Cluster(H100, 64), RATES, known={"tp": 4, "micro_batch": 2})
    assert {(one.layout.tp, one.layout.micro_batch) for one in found.best} == {(4, 2)}


def test_the_whole_batch_in_one_pass():
    job, cluster = Job(48), Cluster(H100, 16)
    found = candidates(LLAMA_8B, job, cluster, {"passes": 1, "pp": 1, "vp": 1, "zero": 3, "tp": 1, "cp": 1})
    assert found.n > 0
    assert set(found.dp * found.micro_batch) == {48.0}
    assert set(found.micro_batch) == {3.0}


def test_data_ranks_that_are_known_are_kept():
    found = candidates(LLAMA_8B, Job(64), Cluster(H100, 16), {"dp": 4})
    assert found.n > 0
    assert set(found.dp) == {4.0}


def test_zero_bubble_only_where_asked_for():
    plain = search(LLAMA_70B, Job(64), Cluster(H100, 64), RATES)
    assert all(one.layout.schedule != "zero-bubble" for one in plain.best)
    asked = candidates(LLAMA_70B, Job(64), Cluster(H100, 64), {}, ("zero-bubble",))
    assert set(asked.schedule) == {2.0}
    assert asked.pp.min() > 1


def test_tensor_groups_divide_a_server():
    model = dense_model(20e9)
    needs = replace(counts(model, 6144), heads=48.0)
    assert set(candidates(needs, Job(384), Cluster(H100, 384), {}).tp) == {1.0, 2.0, 4.0, 8.0}
    assert set(candidates(needs, Job(384), Cluster(H100, 384), {"tp": 3}).tp) == {3.0}


def test_tensor_ranks_divide_the_tokens_of_a_context_rank():
    odd = candidates(replace(LLAMA_8B, seq=8191.0), Job(64), Cluster(H100, 64), {})
    assert set(odd.tp) == {1.0}
    even = candidates(replace(LLAMA_8B, seq=8200.0), Job(64), Cluster(H100, 64), {})
    assert {(8.0, 1.0), (4.0, 2.0)} <= set(zip(even.tp, even.cp, strict=True))
    assert not np.mod(8200.0, even.tp * even.cp).any()


def test_dualpipe_runs_from_both_ends():
    found = candidates(LLAMA_8B, Job(96), Cluster(H100, 96), {"recompute": 0}, ("dualpipe",))
    passes = 96 / (found.dp * found.micro_batch)
    assert found.n > 0
    assert not np.mod(found.pp, 2).any()
    assert not np.mod(passes, 2).any()
    assert (passes >= 2 * found.pp).all()
    for i in range(0, found.n, 17):
        assert layout_problem(LLAMA_8B, found.layout(i), 96) == ""


def test_no_layout_under_dualpipe_says_what_it_needs():
    with pytest.raises(InfeasibleError, match="dualpipe: even pp") as caught:
        search(LLAMA_8B, Job(3), Cluster(H100, 8), RATES, schedules=("dualpipe",))
    assert "\n" not in str(caught.value)


def test_nothing_fits():
    big = counts(loader.load("models", "llama-3.1-405b"), 8192)
    with pytest.raises(DoesNotFitError, match="leanest layout"):
        search(big, Job(64), Cluster(H100, 8), RATES)
    with pytest.raises(DoesNotFitError, match="sequences of 8184 or 8192 tokens, which tensor ranks divide"):
        search(replace(big, seq=8191.0), Job(64), Cluster(H100, 8), RATES)
    assert search(big, Job(64), Cluster(H100, 8), RATES, must_fit=False).best[0].memory_bytes > H100.memory_bytes
    with pytest.raises(InfeasibleError, match="divides"):
        search(LLAMA_8B, Job(1), Cluster(H100, 13 * 17), RATES)


def test_lightest_recompute():
    roomy = lightest_recompute(LLAMA_8B, Job(8), Cluster(H100, 8), RATES, TrainingLayout(tp=8))
    tight = lightest_recompute(LLAMA_8B, Job(64), Cluster(H100, 8), RATES, TrainingLayout(dp=8, zero=3, micro_batch=8))
    assert (roomy.recompute, tight.recompute) == ("none", "full")


def test_thousands_of_candidates_in_a_second():
    model = counts(loader.load("models", "gpt-3-175b"), 2048)
    cluster = Cluster(hardware_of(loader.load("accelerators", "a100-sxm-80gb")), 4096)
    found = search(model, Job(4096), cluster, coefficients("megatron", "ampere")[0])
    started = time.process_time()
    found = search(model, Job(4096), cluster, coefficients("megatron", "ampere")[0])
    assert found.n_valid > 8000
    assert time.process_time() - started < 1.0
