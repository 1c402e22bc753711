"""Techniques in the search: the sweep against the readable solver, and what cannot run."""

import numpy as np
import pytest
from technique_machines import DENSE, deployment

from drivetrain.arch.layout import parse_layout
from drivetrain.catalogue import loader
from drivetrain.errors import LayoutError, UnsupportedError
from drivetrain.scenario import ServeScenario
from drivetrain.serving import sweep as sw
from drivetrain.serving.search import Traffic, candidates, search
from drivetrain.serving.slo import parse_slo
from drivetrain.serving.steady import at_rate, max_rate, prepare
from drivetrain.serving.techniques.active import OFF, activate
from drivetrain.techniques import Techniques, parse_techniques
from drivetrain.verbs.resolve import resolve
from drivetrain.verbs.space import search_space

QUESTION = {
    "model": "llama-3.1-70b", "workload": "mooncake-conversation", "rate": 2.0, "slo": "ttft_p95=20s,itl_p99=2s",
    "accelerators": ("h100-sxm", "mi300x", "a100-sxm"), "engines": ("vllm", "sglang"), "layouts": ("tp4", "tp8"),
}  # fmt: skip
TEXTS = ["", "speculative=eagle", "sparsity=2:4", "kv-compression=0.4", "chunked-prefill=off", "power-cap=0.6",
         "kv-offload=100GB", "lora=8:16", "speculative=ngram,kv-offload=20GB,power-cap=0.7,lora=2:8"]  # fmt: skip


def jobs_of(resolved, techniques):
    jobs, _ = candidates(resolved.model, resolved.checkpoints, resolved.offers, resolved.engines, resolved.lengths,
                         only_layouts=resolved.layouts, techniques=techniques, allow_unverified=True)  # fmt: skip
    return jobs


@pytest.mark.parametrize("text", TEXTS)
def test_every_row_is_what_the_readable_solver_says(text):
    engines = ("vllm-0.11", "sglang") if "sparsity" in text else QUESTION["engines"]  # where it still ran
    resolved = resolve(ServeScenario(**(QUESTION | {"engines": engines}), techniques=text))
    jobs = jobs_of(resolved, resolved.techniques)
    traffic = Traffic(resolved.lengths, 2.0, 3.0)
    outcome = search(jobs, traffic, parse_slo(QUESTION["slo"]), pue=1.2, max_accelerators=64)
    checked = 0
    for row in outcome.rows[:: max(1, len(outcome.rows) // 40)]:
        job = outcome.jobs[int(row[sw.JOB])]
        prepared = prepare(job.deployment, resolved.lengths, job.budget, job.max_seqs, parse_slo(QUESTION["slo"]))
        state = at_rate(prepared, 3.0 / row[sw.REPLICAS])
        assert row[sw.TTFT_MEAN] == pytest.approx(state.ttft.mean, rel=1e-9, nan_ok=True)
        assert row[sw.TPOT_MEAN] == pytest.approx(state.tpot.mean, rel=1e-9, nan_ok=True)
        assert job.deployment.cut.techniques.choice == parse_techniques(text)
        checked += state.stable
    assert checked > 3


def test_defaults_change_no_bit():
    resolved = resolve(ServeScenario(**QUESTION))
    assert resolved.techniques == OFF == activate(Techniques(), resolved.model)
    traffic = Traffic(resolved.lengths, 2.0, 3.0)
    plain, chosen = (
        search(jobs_of(resolved, t), traffic, parse_slo(QUESTION["slo"]), pue=1.2, max_accelerators=64).rows
        for t in (OFF, activate(parse_techniques(""), resolved.model))
    )
    assert np.array_equal(plain, chosen, equal_nan=True)
    assert not any(a.what == "techniques" for a in resolved.assumptions)


def test_other_techniques_can_be_searched_on_a_resolved_question():
    resolved = resolve(ServeScenario(**QUESTION))
    traffic = Traffic(resolved.lengths, 2.0, 3.0)
    eagle = activate(parse_techniques("speculative=eagle"), resolved.model)
    outcome = search_space(resolved, traffic, (), techniques=eagle)
    assert {job.deployment.cut.techniques.choice.speculative for job in outcome.jobs} == {"eagle"}


def test_layouts_that_techniques_cannot_have_are_left_out_or_named():
    model = loader.load("models", "llama-3.1-70b")
    mixed = resolve(ServeScenario(**(QUESTION | {"layouts": ("tp4", "tp4pp2")})))
    eagle = activate(parse_techniques("speculative=eagle"), model)
    assert {str(job.deployment.cut.layout) for job in jobs_of(mixed, eagle)} == {"tp4"}
    with pytest.raises(LayoutError, match="pipeline"):
        jobs_of(resolve(ServeScenario(**(QUESTION | {"layouts": ("tp4pp2",)}))), eagle)


def test_a_cap_that_no_accelerator_holds_is_said():
    resolved = resolve(ServeScenario(**QUESTION, techniques="power-cap=0.05"))
    with pytest.raises(UnsupportedError, match="Raise power-cap"):
        jobs_of(resolved, resolved.techniques)


def test_whole_prompts_get_a_budget_that_holds_them():
    resolved = resolve(ServeScenario(**QUESTION, techniques="chunked-prefill=off", max_batched_tokens=512))
    longest = resolved.lengths.computed.max()
    jobs, _ = candidates(resolved.model, resolved.checkpoints, resolved.offers, resolved.engines, resolved.lengths,
                         only_layouts=(parse_layout("tp8"),), budget=512.0, techniques=resolved.techniques)  # fmt: skip
    assert {job.budget for job in jobs} == {longest}


def test_marginals_do_not_cap_twice():
    from drivetrain.serving.deployment import on

    d = deployment("power-cap=0.5", DENSE)
    again = on(d)
    assert again.hardware == d.hardware
    assert np.array_equal(again.coefficients.ops, d.coefficients.ops)
    faster = on(d, d.hardware.scaled(flops=1.1))
    lengths = resolve(ServeScenario(**QUESTION)).lengths
    assert max_rate(prepare(faster, lengths, 8192.0)) > max_rate(prepare(d, lengths, 8192.0))
