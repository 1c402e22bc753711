"""Rows of training runs: how they are read, predicted, scored and refused."""

import csv
import io
import json
import math

import pytest

from drivetrain.errors import FileError
from drivetrain.measure import training
from drivetrain.measure.table import parse
from drivetrain.measure.training_runs import read_run

COLUMNS = (
    "id", "source_id", "kind", "workload", "model", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "params_b",
    "seq", "gbs_seqs", "mbs", "accel", "n_accel", "tp", "pp", "vp", "cp", "ep", "dp", "fsdp", "precision", "recompute",
    "fabric", "framework", "tokens_per_s_per_accel", "step_time_s", "gpu_hours", "tokens_trained", "mfu_reported_pct",
    "notes",
)  # fmt: skip
DENSE = {
    "id": "A1", "source_id": "one", "kind": "step", "workload": "pretrain", "model": "mpt-7b", "seq": "2048.0",
    "gbs_seqs": "48.0", "mbs": "6.0", "accel": "H100-SXM-80G", "n_accel": "8.0", "tp": "1.0", "pp": "1.0", "cp": "1.0",
    "fsdp": "8.0", "precision": "amp_bf16", "recompute": "none", "framework": "llm-foundry FSDP FULL_SHARD",
    "tokens_per_s_per_accel": "10643.0",
}  # fmt: skip


def table_of(*rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return parse(text.getvalue(), training.REQUIRED, "id", "rows.csv")


def one(**changes):
    return training.outcomes(table_of(DENSE | changes))[0]


def test_a_recorded_row_is_predicted_near_its_measurement():
    found = one()
    assert found.row_id == found.values["id"] == "A1"
    assert found.values["tokens_per_s_per_accel"] == pytest.approx(10_643, rel=0.2)
    assert found.values["step_time_s"] == pytest.approx(48 * 2048 / 8 / found.values["tokens_per_s_per_accel"])
    low, high = (found.values[f"tokens_per_s_per_accel_{q}"] for q in ("p10", "p90"))
    assert low < found.values["tokens_per_s_per_accel"] < high
    assert found.values["layout"] == "dp8mbs6zero3"
    assert found.values["tier"] == "calibrated"
    assert "not recorded" not in found.note


def test_every_column_of_the_contract_is_there():
    wanted = {"id", "tokens_per_s_per_accel", "tokens_per_s_per_accel_p10", "tokens_per_s_per_accel_p90", "step_time_s"}
    assert wanted | {"tier"} <= set(training.COLUMNS)
    assert set(one().values) <= set(training.COLUMNS)


def test_layouts_not_recorded_are_searched_and_said_so():
    found = one(tp="", pp="", cp="", fsdp="", mbs="", recompute="")
    assert "layout not recorded: best found" in found.note
    assert found.keys["layout"] == "searched"
    wide, narrow = (math.log(o.values["tokens_per_s_per_accel_p90"] / o.values["tokens_per_s_per_accel"])
                    for o in (found, one()))  # fmt: skip
    assert wide >= narrow


def test_recompute_not_recorded_is_the_lightest_that_fits():
    roomy, tight = one(recompute="recipe-dependent"), one(recompute="recipe-dependent", mbs="48", gbs_seqs="384")
    assert "recompute not recorded: none fits" in roomy.note
    assert "recompute not recorded: full fits" in tight.note


def test_step_time_serves_where_throughput_is_blank():
    found = one(tokens_per_s_per_accel="", step_time_s="1.15456")
    assert found.pairs["tokens_per_s_per_accel"].measured == pytest.approx(10_643, rel=1e-3)


def test_rows_without_a_measurement_are_predicted_and_not_scored():
    found = one(tokens_per_s_per_accel="")
    assert found.values["tokens_per_s_per_accel"] > 0
    assert not found.pairs
    assert found.unscored


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("amp_bf16", "bf16"), ("fp16", "bf16"), ("FP8-CS", "fp8"), ("amp_fp8", "fp8"), ("MXFP8", "fp8"),
        ("not parsed (NVIDIA LLM submissions: FP8; from memory)", "fp8"),
        ("FP8-CS/BF16 first value (25.09 table has no precision column)", "fp8"),
    ],
)  # fmt: skip
def test_precisions_as_they_are_spelled(text, precision):
    assert one(precision=text).keys["precision"] == precision


def test_precision_follows_the_units():
    assert one(precision="FP8", accel="A100-SXM-80G").keys["precision"] == "bf16"
    assert "no fp8 units" in one(precision="FP8", accel="A100-SXM-80G").note
    assert one(precision="FP8-MX", accel="B200-180G").keys["precision"] == "mxfp8"
    assert one(precision="NVFP4", accel="GB300").keys["precision"] == "nvfp4"


def test_fabrics_set_the_network():
    def rate(fabric):
        return read_run(table_of(DENSE | {"fabric": fabric}).rows[0]).cluster.hardware.topology.nic_bytes_per_s

    assert rate("RoCE 1600 Gbps/node") == 25e9
    assert rate("NVL72 NVLink5 + 800G/GPU") == 100e9
    assert rate("NVLink4 8-GPU + 400G IB NDR/GPU") == 50e9
    assert rate("") == 50e9


def test_a_model_of_the_rows_own_shape():
    shape = {"layers": "24", "hidden": "2048", "heads": "16", "kv_heads": "16", "ffn": "8192", "vocab": "50368"}
    found = one(model="somebodys-1b", params_b="1.3", **shape)
    assert "model taken from the row's shape" in found.note
    assert one(model="somebodys-1b").reason.startswith("unknown model")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "no-such-model"}, "unknown model"),
        ({"accel": "no-such-chip"}, "unknown accelerator"),
        ({"n_accel": "-8"}, "n_accel"),
        ({"seq": "nan"}, "seq"),
        ({"gbs_seqs": "0"}, "gbs_seqs"),
        ({"tp": "3"}, "does not divide"),
        ({"gbs_seqs": "4"}, "smaller than dp8"),
        ({"tp": "2.5"}, "whole number"),
    ],
)
def test_bad_rows_say_why(changes, says):
    found = one(**changes)
    assert says in found.reason
    assert "tokens_per_s_per_accel" not in found.values


def test_files_without_the_columns_are_refused():
    with pytest.raises(FileError, match="model"):
        parse("id,accel\n1,H100\n", training.REQUIRED, "id", "rows.csv")


def test_whole_runs_are_hours():
    row = {"kind": "run_total", "model": "llama3_405b", "seq": "8192", "gpu_hours": "30840000",
           "tokens_trained": "15600000000000", "precision": "bf16"}  # fmt: skip
    blank = dict.fromkeys(("gbs_seqs", "mbs", "n_accel", "tp", "pp", "cp", "fsdp", "recompute", "framework",
                           "tokens_per_s_per_accel"), "")  # fmt: skip
    found = one(**row, **blank)
    assert found.pairs["gpu_hours"].error == pytest.approx(0, abs=0.15)
    assert found.values["layout"] == "tp8pp16vp8dp128"
    assert "as published" in found.note


def test_mlperf_times_hold_evaluation():
    plain = one(model="llama2_70b", workload="lora", precision="FP8", mbs="", recompute="", fsdp="", gbs_seqs="8",
                seq="8192", framework="NVIDIA NeMo")  # fmt: skip
    timed = one(model="llama2_70b", workload="lora", precision="FP8", mbs="", recompute="", fsdp="", gbs_seqs="8",
                seq="8192", framework="NVIDIA NeMo", kind="time_to_train")  # fmt: skip
    assert 1.05 < plain.values["tokens_per_s_per_accel"] / timed.values["tokens_per_s_per_accel"] < 1.2


def test_summary_sets_constant_mfu_beside_the_model():
    rows = [
        DENSE
        | {
            "id": f"{source}{n}",
            "source_id": source,
            "n_accel": str(n),
            "fsdp": str(n),
            "gbs_seqs": str(6 * n),
            "tokens_per_s_per_accel": speed,
        }
        for source, speed in (("one", "10643"), ("two", "9000"))
        for n in map((2).__pow__, range(3, 11))
    ]
    table = table_of(*rows, DENSE | {"id": "bad", "model": "nope"})
    found = training.summary(table, training.outcomes(table))
    assert (found["n"], found["predicted"], found["kind"]) == (17, 16, "training")
    assert found["skipped"][0]["row_id"] == "bad"
    by_source = {row["source"]: row for row in found["by_source"]}
    # constant MFU carries one source's speed to the other
    assert by_source["one"]["constant_mfu_mean_abs"] == pytest.approx(1 - 9000 / 10643, abs=1e-4)
    assert by_source["two"]["constant_mfu_mean_abs"] == pytest.approx(10643 / 9000 - 1, abs=1e-4)
    assert found["macro"]["mean_abs"] == pytest.approx(sum(r["mean_abs"] for r in by_source.values()) / 2, abs=1e-6)


def test_progress_is_told():
    seen = []
    training.outcomes(table_of(DENSE, DENSE | {"id": "A2"}), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_one_source_has_nothing_to_compare_with_and_is_still_json():
    table = table_of(*(DENSE | {"id": f"A{i}"} for i in range(9)))
    found = training.summary(table, training.outcomes(table))
    assert found["by_source"][0]["constant_mfu_mean_abs"] is None
    assert found["macro"]["constant_mfu_mean_abs"] is None
    assert found["macro"]["mean_abs"] is not None
    assert json.loads(json.dumps(found, allow_nan=False)) is not None
