"""``drivetrain validate`` as people and scripts meet it."""

import csv
import json

import pytest

from drivetrain.cli import main as cli

COLUMNS = (
    "row_id,engine,model,accelerator,weight_dtype,concurrency_requests,n_gpus,input_tokens_mean,output_tokens_mean"
)
GOOD = "vllm,meta-llama/Llama-3.1-8B-Instruct,h100_sxm,fp8,8,1,1024,128"
PREDICTED = "row_id,ttft_s,ttft_s_p10,ttft_s_p90,tpot_s,tpot_s_p10,tpot_s_p90,tier,saturated,reason,note"


def run(capsys, monkeypatch, *args):
    monkeypatch.setattr("sys.argv", ["drivetrain", *map(str, args)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def validate(capsys, monkeypatch, path, *args, kind="serving"):
    code, out, err = run(capsys, monkeypatch, "validate", kind, path, "--format", "json", *args)
    assert code == 0, err
    return json.loads(out)


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["row_id"]: row for row in csv.DictReader(file)}


def test_a_measured_file_end_to_end(capsys, monkeypatch, tmp_path):
    file = write(
        tmp_path / "runs.csv", f"{COLUMNS},ttft_s,tpot_s,harness",
        f"a,{GOOD},0.1,0.008,inferencex", f"b,{GOOD},9.0,0.008,", f"c,{GOOD},,,",
    )  # fmt: skip
    out = tmp_path / "predictions.csv"
    answer = validate(capsys, monkeypatch, file, "--out", out)
    assert (answer["kind"], answer["n"], answer["predicted"], answer["skipped"]) == ("serving", 3, 3, [])
    assert answer["coverage"] == 1.0
    assert set(answer["tpot"]) == {"n", "median_abs", "mean_abs", "p90_abs", "bias", "coverage80", "interval_score80"}
    assert (answer["tpot"]["n"], answer["ttft"]["n"]) == (2, 1)  # over 5 s is the saturated class
    assert answer["saturated"]["measured"] == 1
    assert {g["by"] for g in answer["groups"]} >= {"accelerator", "engine", "model", "concurrency"}
    assert out.read_text().splitlines()[0] == PREDICTED
    found = rows_of(out)
    assert list(found) == ["a", "b", "c"]
    for row in found.values():
        for metric in ("ttft_s", "tpot_s"):
            assert 0 < float(row[f"{metric}_p10"]) < float(row[metric]) < float(row[f"{metric}_p90"])
    errors = [abs(float(found[name]["tpot_s"]) / 0.008 - 1) for name in "ab"]
    assert answer["tpot"]["mean_abs"] == pytest.approx(sum(errors) / 2, abs=1e-4)
    assert not list(tmp_path.glob(".*")), "a temporary file is left"


def test_without_measured_columns_there_are_predictions_only(capsys, monkeypatch, tmp_path):
    out = tmp_path / "p.csv"
    answer = validate(capsys, monkeypatch, write(tmp_path / "x.csv", COLUMNS, f"a,{GOOD}"), "--out", out)
    assert answer["tpot"] is None
    assert answer["ttft"] is None
    assert answer["groups"] == []
    assert rows_of(out)["a"]["tpot_s"]


BAD = {
    "model": ("vllm,acme/unheard-of,h100_sxm,fp8,8,1,1024,128", "unknown model"),
    "accelerator": ("vllm,llama-3.1-8b,warp-drive,fp8,8,1,1024,128", "unknown accelerator"),
    "dtype": ("vllm,llama-3.1-8b,h100_sxm,fp9,8,1,1024,128", "unknown precision"),
    "nan": ("vllm,llama-3.1-8b,h100_sxm,fp8,nan,1,1024,128", "concurrency_requests"),
    "negative": ("vllm,llama-3.1-8b,h100_sxm,fp8,8,1,-5,128", "input_tokens_mean"),
    "zero": ("vllm,llama-3.1-8b,h100_sxm,fp8,8,1,1024,0", "output_tokens_mean"),
    "blank": ("vllm,llama-3.1-8b,h100_sxm,fp8,8,,1024,128", "n_gpus is blank"),
    "text": ("vllm,llama-3.1-8b,h100_sxm,fp8,many,1,1024,128", "not a number"),
    "nomodel": ("vllm,,h100_sxm,fp8,8,1,1024,128", "model is blank"),
    "heads": ("vllm,llama-3.1-8b,h100_sxm,fp8,8,7,1024,128", "cannot run as"),
    "memory": ("vllm,deepseek-r1,h100_sxm,fp8,8,1,1024,128", "does not fit"),
    "huge": ("vllm,llama-3.1-8b,h100_sxm,fp8,8,1,1e18,128", "beyond"),
    "short": ("vllm,llama-3.1-8b", "cells"),
}


def test_bad_rows_are_listed_with_the_reason_and_cost_no_other(capsys, monkeypatch, tmp_path):
    lines = [f"{name},{cells}" for name, (cells, _) in BAD.items()]
    file = write(tmp_path / "x.csv", COLUMNS, f"good,{GOOD}", *lines, f"good,{GOOD}", f",{GOOD}")
    out = tmp_path / "p.csv"
    answer = validate(capsys, monkeypatch, file, "--out", out)
    reasons = {row["row_id"]: row["reason"] for row in answer["skipped"]}
    for name, (_, says) in BAD.items():
        assert says in reasons[name], name
    assert "stands twice" in reasons["good"]
    assert f"line {len(BAD) + 4}" in reasons
    assert answer["n"] == len(BAD) + 3
    assert answer["predicted"] == 1
    with out.open(newline="") as written:
        assert len(list(csv.DictReader(written))) == answer["n"]


def test_a_bad_measurement_is_predicted_and_named(capsys, monkeypatch, tmp_path):
    file = write(
        tmp_path / "x.csv", f"{COLUMNS},ttft_s,tpot_s", f"a,{GOOD},nan,0.01", f"b,{GOOD},0.1,-1", f"c,{GOOD},0.1,0.01"
    )
    answer = validate(capsys, monkeypatch, file)
    assert answer["predicted"] == 3
    assert {row["row_id"] for row in answer["unscored"]} == {"a", "b"}
    assert answer["tpot"]["n"] == 1


def test_unknown_engines_and_borderline_memory_are_predicted_and_say_so(capsys, monkeypatch, tmp_path):
    file = write(
        tmp_path / "x.csv", f"{COLUMNS},serving_mode", "a,newengine,llama-3.1-8b,h100_sxm,bf16,8,1,1024,128,agg",
        "b,vllm,llama-3.1-70b,h200_sxm,bf16,4,1,4096,128,agg", f"c,{GOOD},disagg",
    )  # fmt: skip
    out = tmp_path / "p.csv"
    answer = validate(capsys, monkeypatch, file, "--out", out)
    found = rows_of(out)
    assert found["a"]["tier"] == "assumed"
    assert "not in the catalogue" in found["a"]["note"]
    assert found["b"]["saturated"] == "True"
    assert "disaggregated" in answer["skipped"][0]["reason"]


def test_files_that_are_wrong_as_a_whole_give_one_line_and_exit_code_2(capsys, monkeypatch, tmp_path):
    for args in (
        ["serving", tmp_path / "absent.csv"],
        ["serving", tmp_path],
        ["serving", write(tmp_path / "x.csv", "row_id,engine", "1,vllm")],
        ["mlperf", tmp_path / "x.csv"],
        ["power", tmp_path / "x.csv"],
        ["collectives", tmp_path / "x.csv"],
        ["requests", tmp_path],
        ["requests", tmp_path / "x.csv"],
        ["serving", write(tmp_path / "y.csv", COLUMNS, f"a,{GOOD}"), "--out", tmp_path],
        ["serving", tmp_path / "y.csv", "--out", tmp_path / "no" / "p.csv"],
        ["serving", tmp_path / "y.csv", "--out", tmp_path / "y.csv"],
    ):
        code, out, err = run(capsys, monkeypatch, "validate", *args)
        assert code == 2, args
        assert out == ""
        assert err.startswith("error: DT"), err
        assert "Traceback" not in err
    assert (tmp_path / "y.csv").read_text().startswith("row_id"), "the measurements were overwritten"


def test_the_other_kinds(capsys, monkeypatch, tmp_path):
    columns = "row_id,benchmark,scenario,accelerator,n_accelerators,weight_dtype,software,result"
    file = write(
        tmp_path / "m.csv", f"{columns},ttft_limit_s,tpot_limit_s",
        "a,llama2-70b-99,Offline,NVIDIA H100-SXM-80GB,8,fp8,TensorRT 10.11,30000,,",
        "b,llama2-70b-99,Server,NVIDIA H100-SXM-80GB,8,fp8,TensorRT 10.11,30000,2.0,0.2",
        "c,resnet,Offline,NVIDIA H100-SXM-80GB,8,fp8,,1,,", "d,llama2-70b-99,Offline,,8,fp8,,1,,",
    )  # fmt: skip
    answer = validate(capsys, monkeypatch, file, kind="mlperf")
    assert (answer["predicted"], answer["output_tokens_per_s"]["n"], len(answer["skipped"])) == (2, 2, 2)
    file = write(
        tmp_path / "c.csv", "row_id,op,accelerator,impl,n_gpus,bytes,seconds,gpus_per_node",
        "a,all_reduce,h100_sxm,nccl-tests,8,1048576,4e-5,8", "b,all_reduce,h100_sxm,vllm custom_eager,8,1048576,4e-5,8",
        "c,gossip,h100_sxm,nccl-tests,8,1048576,4e-5,8", "d,all_reduce,h100_sxm,nccl-tests,1,1048576,4e-5,1",
    )  # fmt: skip
    answer = validate(capsys, monkeypatch, file, kind="collectives")
    assert (answer["predicted"], answer["seconds"]["n"], len(answer["unscored"])) == (2, 1, 1)
    file = write(
        tmp_path / "p.csv", "model,precision,gpu,n_gpus,avg_batch,avg_out,tok_s,power_W,itl_ms",
        "Qwen/Qwen3-8B,bfloat16,H100,1,64,600,4000,500,16", "Qwen/Qwen3-8B,bfloat16,H100,1,64,600,400,500,16",
        "Qwen/Qwen3-8B,bfloat16,H100,one,64,600,4000,500,16",
    )  # fmt: skip
    answer = validate(capsys, monkeypatch, file, kind="power")
    assert (answer["predicted"], answer["power"]["n"], len(answer["unscored"])) == (2, 1, 1)
    assert answer["skipped"][0]["row_id"] == "line 4"


def test_alone_it_scores_the_points_that_ship(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "validate", "--format", "json")
    answer = json.loads(out)
    assert code == 0
    assert set(answer) == {"serving", "mlperf", "power"}
    for one in answer.values():
        assert one["skipped"] == []
        assert all(point["source"] for point in one["points"])
    assert answer["serving"]["tpot"]["n"] >= 30
    code, out, _ = run(capsys, monkeypatch, "validate")
    assert code == 0
    assert "source:" in out


def test_csv_prints_the_predictions(capsys, monkeypatch, tmp_path):
    file = write(tmp_path / "x.csv", COLUMNS, f"a,{GOOD}")
    code, out, _ = run(capsys, monkeypatch, "validate", "serving", file, "--format", "csv")
    assert code == 0
    assert out.splitlines()[0] == PREDICTED


def test_load_tests_played_by_the_simulator_are_told_as_a_table(tmp_path, capsys, monkeypatch):
    file = write(tmp_path / "rows.csv", f"{COLUMNS},tpot_s", f"one,{GOOD},0.007")
    code, out, err = run(capsys, monkeypatch, "validate", "serving", file, "--simulate")
    assert code == 0, err
    assert "1 of 1 rows predicted" in out
    assert "tpot" in out
