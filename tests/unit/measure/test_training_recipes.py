"""Layouts that rows do not record: the source's own recipe, then the best found, kept as the cluster grows."""

from dataclasses import replace

import pytest
from test_training import DENSE, one, table_of

from drivetrain.measure import training
from drivetrain.measure.training_recipes import WORTH_A_CHANGE, settled
from drivetrain.measure.training_runs import read_run
from drivetrain.training.cases import Cluster
from drivetrain.training.coefficients import coefficients
from drivetrain.training.predict import predict
from drivetrain.training.search import search

BLANK = {"tp": "", "pp": "", "cp": "", "fsdp": "", "mbs": "", "framework": "NVIDIA NeMo"}
TUNED = {"model": "llama2_70b", "workload": "lora", "precision": "FP8", "seq": "8192", "recompute": "", "gbs_seqs": "8"}


def rates(run):
    return coefficients(run.framework, run.cluster.hardware.generation, run.release)[0]


def read(*rows):
    return [read_run(raw) for raw in table_of(*(DENSE | BLANK | row for row in rows)).rows]


def lora(n, **row):
    return TUNED | {"id": f"L{n}{row}", "n_accel": str(n)} | row


def test_rows_take_the_recipe_that_their_source_records_nearest_in_size():
    runs = read(lora(8, tp="4", pp="1", cp="1"), lora(64, tp="4", pp="1", cp="2"), lora(4), lora(16), lora(32))
    found = [run.layout for run in settled(runs, rates)]
    assert [(lay.tp, lay.pp, lay.cp) for lay in found] == [(4, 1, 1), (4, 1, 2), (4, 1, 1), (4, 1, 1), (4, 1, 2)]
    assert "as this source records for 8" in settled(runs, rates)[2].notes[-1]


def test_other_sources_and_other_jobs_lend_no_recipe():
    alone = settled(read(lora(16)), rates)[0].layout
    recorded = lora(8, tp="4", pp="1", cp="1")
    for other in ({"source_id": "elsewhere"}, {"seq": "4096"}, {"workload": "pretrain"}, {"precision": "bf16"}):
        assert settled(read(recorded | other, lora(16)), rates)[1].layout == alone


def test_a_recipe_that_cannot_be_taken_is_not():
    """64 sequences cannot be dealt to 256 data ranks."""
    runs = read(lora(8, accel="H200", tp="1", pp="1", cp="2"), lora(512, accel="H200", gbs_seqs="64"))
    found = settled(runs, rates)[1]
    assert found.layout is not None
    assert found.layout.dp <= 64
    lent = settled([*runs, *read(lora(1024, gbs_seqs="128", tp="4", pp="1", cp="2"))], rates)[1].layout
    assert (lent.tp, lent.cp, lent.dp) == (4, 2, 64)  # of the same generation


def test_a_growing_cluster_keeps_its_recipe():
    rows = [{"id": f"G{n}", "n_accel": str(n), "model": "llama3_70b", "seq": "8192", "gbs_seqs": str(2 * n),
             "recompute": ""} for n in (512, 64, 128, 256)]  # fmt: skip
    runs = read(*rows)
    found = sorted(settled(runs, rates), key=lambda run: run.cluster.n)
    assert len({replace(run.layout, dp=1) for run in found}) == 1
    for run in found:
        best = search(run.model, run.job, run.cluster, rates(run), most=1).best[0]
        kept = predict(run.model, run.job, run.cluster, run.layout, framework=run.framework).step_s
        assert kept <= WORTH_A_CHANGE * best.step_s * (1 + 1e-9)


def test_measured_speeds_choose_nothing():
    runs = read(lora(16), lora(32))
    faster = [replace(run, measured=run.measured * 2) for run in runs]
    assert [run.layout for run in settled(runs, rates)] == [run.layout for run in settled(faster, rates)]


def test_what_cannot_be_laid_out_says_why_and_stops_nobody_else():
    run = read({"gbs_seqs": "48"})[0]
    odd = replace(run, cluster=Cluster(run.cluster.hardware, 7919), job=replace(run.job, global_batch=3))
    assert settled([odd, run], rates)[0].layout is None
    assert settled([odd, run], rates)[1].layout is not None
    found = training.outcomes(table_of(DENSE | BLANK | {"id": "B1", "n_accel": "7919", "gbs_seqs": "3"}, DENSE))
    assert "no layout of" in found[0].reason
    assert found[1].values["layout"] == "dp8mbs6zero3"


def test_a_model_far_beyond_memory_is_refused():
    blank = BLANK | {"model": "llama3_405b", "seq": "8192", "gbs_seqs": "8"}
    assert "none fits" in one(**blank).reason


def test_tpu_recipes_run_the_batch_in_one_pass():
    run = read({"accel": "TPU-v6e", "framework": "MaxText", "model": "llama3_8b", "n_accel": "16", "gbs_seqs": "48",
                "seq": "8192", "recompute": "remat=custom"})[0]  # fmt: skip
    layout = settled([run], rates)[0].layout
    assert layout.dp * layout.micro_batch == 48
    assert (layout.pp, layout.zero) == (1, 3)


@pytest.mark.parametrize("samples", [3225.6, 11_251.2])
def test_lora_evaluates_as_the_benchmark_prescribes(samples):
    """Every 384 sequences, but the first 0.125 x batch + 2 times."""
    row = {"kind": "time_to_train", "gbs_seqs": "16", "notes": f"x; samples_to_target={samples}; y"}
    columns = (*DENSE, "notes")
    assert set(row) <= {*columns, *TUNED}
    run = read_run(table_of(DENSE | BLANK | lora(16) | row).rows[0])
    assert run.job.evaluation == pytest.approx(173 / 384 * (1 - 4 * 384 / samples))
    assert run.job.evaluation_sequences == 173
