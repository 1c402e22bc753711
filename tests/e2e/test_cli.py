"""The command line as people and scripts meet it: shapes, exit codes, one clear message for bad input."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from drivetrain.cli import main as cli

QUESTION = [
    "plan", "serve", "--model", "llama-3.1-70b", "--workload", "azure-2023-conv", "--rate", "5",
    "--slo", "ttft_p95=2s,tpot_p95=50ms",
]  # fmt: skip
SMALL = ["--isl", "1000", "--osl", "200"]


def run(capsys, monkeypatch, *args):
    """(exit code, stdout, stderr) of ``drivetrain *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", *args])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def test_plan_prints_the_object_of_the_contract(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, *QUESTION, "--format", "json")
    answer = json.loads(out)
    assert code == 0
    assert answer["feasible"] is True
    for key in ("best", "pareto", "levers", "n_evaluated", "elapsed_s", "assumptions", "sources", "verdict",
                "by_accelerator", "closest_miss", "unpriced", "ranking_confidence", "meta"):  # fmt: skip
        assert key in answer
    best = answer["best"]
    for key in ("accelerator", "n_accelerators", "replicas", "layout", "engine", "weight_dtype", "kv_dtype",
                "max_concurrency", "ttft_s", "tpot_s", "output_tokens_per_s", "usd_per_million_output_tokens",
                "joules_per_output_token", "mbu", "mfu", "bottleneck", "breakdown_s", "memory_bytes",
                "tier"):  # fmt: skip
        assert best[key] is not None, key
    assert best["ttft_s"]["p95"] <= 2.0
    assert best["tpot_s"]["p95"] <= 0.05
    assert best["ttft_s"]["mean_p10"] < best["ttft_s"]["mean"] < best["ttft_s"]["mean_p90"]
    assert 0 < best["mbu"] < 1
    assert 0 < best["mfu"] < 1
    assert answer["n_evaluated"] > 10_000
    assert sum(best["breakdown_s"].values()) == pytest.approx(best["tpot_s"]["mean"], rel=1e-3)
    memory = best["memory_bytes"]
    assert sum(v for k, v in memory.items() if k != "usable") == pytest.approx(memory["usable"])


def test_cheapest_really_is_cheapest_of_its_table(capsys, monkeypatch):
    _, out, _ = run(capsys, monkeypatch, *QUESTION, "--format", "json")
    answer = json.loads(out)
    costs = [row["usd_per_million_output_tokens"] for row in answer["by_accelerator"]]
    assert costs == sorted(costs)
    assert answer["best"]["usd_per_million_output_tokens"] == costs[0]


def test_same_question_same_answer(capsys, monkeypatch):
    first, second = (json.loads(run(capsys, monkeypatch, *QUESTION, "--format", "json")[1]) for _ in range(2))
    for answer in (first, second):
        answer.pop("elapsed_s")
    assert first == second


def test_results_go_to_stdout_and_assumptions_to_stderr(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, *QUESTION)
    assert code == 0
    assert "per million output tokens" in " ".join(out.split())
    assert "next: drivetrain predict serve" in out
    assert "assumed" in err
    assert "assumed" not in out.split("\n")[0]
    assert max(len(line) for line in out.splitlines()) <= 100


def test_csv_has_a_row_per_accelerator(capsys, monkeypatch):
    _, out, _ = run(capsys, monkeypatch, *QUESTION, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) > 3
    assert float(rows[0]["ttft_s.p95"]) <= 2.0


def test_targets_that_nothing_meets_exit_1_with_the_closest_miss(capsys, monkeypatch):
    args = ["plan", "serve", "-m", "llama-3.1-70b", *SMALL, "-r", "5", "--slo", "tpot_p95=1ms"]
    code, out, _ = run(capsys, monkeypatch, *args, "--format", "json")
    answer = json.loads(out)
    assert code == 1
    assert answer["feasible"] is False
    assert answer["best"] is None
    violation = answer["closest_miss"]["violates"][0]
    assert violation["slo"] == "tpot_p95"
    assert violation["reached_s"] > violation["limit_s"] == 0.001
    assert "Relax" in answer["verdict"]


@pytest.mark.parametrize("objective", ["cost", "energy", "accelerators", "latency"])
def test_each_objective_is_best_in_its_own_measure(capsys, monkeypatch, objective):
    args = [
        "plan",
        "serve",
        "-m",
        "qwen3-8b",
        *SMALL,
        "-r",
        "20",
        "--slo",
        "tpot_p95=40ms,ttft_p95=2s",
        "--format",
        "json",
    ]
    answers = {o: json.loads(run(capsys, monkeypatch, *args, "--objective", o)[1])["best"]
               for o in ("cost", "energy", "accelerators", "latency")}  # fmt: skip

    def measure(best):
        return {
            "cost": best["usd_per_hour"], "energy": best["joules_per_output_token"],
            "accelerators": best["n_accelerators"],
            "latency": best["ttft_s"]["mean"] + 100 * best["tpot_s"]["mean"],
        }[objective]  # fmt: skip

    others = [measure(b) for b in answers.values() if b["usd_per_hour"] is not None or objective != "cost"]
    assert measure(answers[objective]) <= min(others) * 1.001


def test_predict_in_a_closed_loop_obeys_littles_law(capsys, monkeypatch):
    args = [
        "predict",
        "serve",
        "-m",
        "llama-3.1-8b",
        "-a",
        "h100",
        "-l",
        "tp1",
        "--isl",
        "1024",
        "--osl",
        "256",
        "-c",
        "32",
    ]
    code, out, _ = run(capsys, monkeypatch, *args, "--operators", "--format", "json")
    fields = json.loads(out)
    assert code == 0
    assert fields["requests_per_s"] * fields["e2e_s"]["mean"] == pytest.approx(32, rel=1e-3)
    assert fields["output_tokens_per_s"] == pytest.approx(fields["requests_per_s"] * 256)
    assert {"decode_step", "mixed_step"} == set(fields["operators"])


BAD = {
    "unknown model, with suggestions": (["plan", "serve", "-m", "llama-3.1-70", *SMALL, "-r", "5"], "llama-3.1-70b"),
    "unknown workload": (["plan", "serve", "-m", "llama-3.1-8b", "-w", "azure-2023-con", "-r", "5"], "azure-2023-conv"),
    "unknown accelerator": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "-a", "h100sxm"], "h100-sxm"),
    "unknown engine": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "-e", "vlm"], "vllm"),
    "unknown region": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--region", "germny"], "germany"),
    "negative rate": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "-5"], "positive"),
    "zero rate": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "0"], "positive"),
    "rate that is no number": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "fast"], "fast"),
    "rate not a number": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "nan"], "nan"),
    "empty rate": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", ""], "rate"),
    "rate in the wrong unit": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5 GB"], "bytes"),
    "absurd length": (["plan", "serve", "-m", "llama-3.1-8b", "--isl", "1e12", "--osl", "9", "-r", "5"], "isl"),
    "longer than the context": (["plan", "serve", "-m", "llama-3-8b", "--isl", "9000", "--osl", "9", "-r", "5"],
                                "8,192"),
    "length without the other": (["plan", "serve", "-m", "llama-3.1-8b", "--isl", "900", "-r", "5"], "--osl"),
    "profile and lengths": (["plan", "serve", "-m", "llama-3.1-8b", "-w", "chat", *SMALL, "-r", "5"], "not both"),
    "SLO without unit": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--slo", "tpot_p95=50"], "unit"),
    "SLO that is none": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--slo", "fast"], "ttft_p95"),
    "SLO twice": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--slo", "tpot_p95=5ms,tpot_p95=9ms"],
                  "twice"),
    "unknown objective": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "-o", "fun"], "energy"),
    "unknown pricing": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--pricing", "free"], "reserved"),
    "unknown precision": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--weights", "fp7"], "bf16"),
    "cache precision no engine has": (
        ["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--kv", "int2"], "shipped",
    ),
    "unknown cache precision": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--kv", "fp7"], "fp8"),
    "layout that is none": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--layouts", "big"], "tp8"),
    "heads not divisible": (["predict", "serve", "-m", "llama-3.1-8b", "-a", "h100", "-l", "tp3", *SMALL, "-c", "1"],
                            "tp4"),
    "experts of a dense model": (["predict", "serve", "-m", "llama-3.1-8b", "-a", "h100", "-l", "dp2ep2", *SMALL,
                                  "-c", "1"], "no experts"),
    "does not fit": (["predict", "serve", "-m", "llama-3.1-70b", "-a", "h100", "-l", "tp1", *SMALL, "-c", "1"], "tp2"),
    "fits nowhere on it": (["plan", "serve", "-m", "llama-3.1-405b", *SMALL, "-r", "1", "-a", "l4", "--layouts", "tp1"],
                           "Smallest that fits"),
    "neither rate nor concurrency": (["predict", "serve", "-m", "llama-3.1-8b", "-a", "h100", "-l", "tp1", *SMALL],
                                     "--rate"),
    "both rate and concurrency": (["predict", "serve", "-m", "llama-3.1-8b", "-a", "h100", "-l", "tp1", *SMALL,
                                   "-c", "1", "-r", "1"], "either"),
    "no requests at once": (["predict", "serve", "-m", "llama-3.1-8b", "-a", "h100", "-l", "tp1", *SMALL, "-c", "0.1"],
                            "at least 1"),
    "prefix hit of one": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "--prefix-hit", "1"], "below 1"),
    "missing file": (["plan", "serve", "-m", "/nowhere/config.json", *SMALL, "-r", "5"], "no such file"),
    "option missing": (["plan", "serve", "-r", "5", "-w", "chat"], "--model"),
    "option unknown": (["plan", "serve", "-m", "llama-3.1-8b", "--fast"], "--fast"),
    "option that is no number": (
        ["predict", "serve", "-m", "llama-3.1-8b", "-a", "h100", "-l", "tp1", *SMALL, "-c", "8,16"], "--concurrency",
    ),
    "format unknown": (["plan", "serve", "-m", "llama-3.1-8b", *SMALL, "-r", "5", "-f", "xml"], "xml"),
    "command unknown": (["frobnicate"], "frobnicate"),
    "unknown kind": (["list", "acelerators"], "accelerators"),
    "unknown entry": (["show", "h100sxm"], "h100-sxm"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_and_exit_2(capsys, monkeypatch, name):
    args, hint = BAD[name]
    code, out, err = run(capsys, monkeypatch, *args)
    message = [line for line in err.splitlines() if line.strip()]
    assert code == 2, err
    assert len(message) == 1, err
    assert hint in message[0]
    assert "Traceback" not in err
    assert out == ""


def test_broken_model_files_are_one_message(capsys, monkeypatch, tmp_path):
    for name, text in {"config.json": "{broken", "model.toml": "name = ", "list.json": "[]"}.items():
        path = tmp_path / name
        path.write_text(text)
        code, _, err = run(capsys, monkeypatch, "plan", "serve", "-m", str(path), *SMALL, "-r", "5")
        assert code == 2
        assert name in err
        assert len(err.strip().splitlines()) == 1


def test_config_with_remote_code_of_an_unknown_family_is_refused(capsys, monkeypatch, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "mystery", "architectures": ["MysteryForCausalLM"], "hidden_size": 64,
                                "auto_map": {"AutoModelForCausalLM": "modeling_mystery.Mystery"}}))  # fmt: skip
    code, _, err = run(capsys, monkeypatch, "catalogue", "import", str(path))
    assert code == 2
    assert "mystery" in err
    assert "Traceback" not in err


def test_a_rate_beyond_one_replica_is_infeasible_not_wrong(capsys, monkeypatch):
    args = ["predict", "serve", "-m", "llama-3.1-8b", "-a", "h100", "-l", "tp1", *SMALL, "-r", "9000"]
    code, _, err = run(capsys, monkeypatch, *args)
    assert code == 1
    assert "at most" in err


def test_every_command_has_help_with_an_example():
    for args in (
        ["plan", "serve"],
        ["predict", "serve"],
        ["catalogue", "import"],
        ["catalogue", "check"],
        ["list"],
        ["show"],
    ):
        result = CliRunner().invoke(cli.app, [*args, "--help"])
        assert result.exit_code == 0
        assert "Usage" in result.output


def test_an_entry_is_never_saved_over_something(capsys, monkeypatch, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100,
                                  "num_attention_heads": 4, "intermediate_size": 128}))  # fmt: skip
    before = config.read_text()
    entry = tmp_path / "mine.toml"
    assert run(capsys, monkeypatch, "catalogue", "import", str(config), "--save", str(entry))[0] == 0
    for target in (entry, config, tmp_path / "missing" / "x.toml"):
        code, _, err = run(capsys, monkeypatch, "catalogue", "import", str(config), "--save", str(target))
        assert code == 2, err
    assert config.read_text() == before
    assert not (tmp_path / "missing").exists()


def test_python_takes_single_names_and_explains_unknown_ones():
    import drivetrain

    one = drivetrain.predict_serve(
        model="llama-3.1-8b", accelerator="h100-sxm", layout="tp1", engine="vllm", isl=1000, osl=100, concurrency=4
    )
    assert one["accelerator"] == "h100-sxm-80gb"
    with pytest.raises(drivetrain.DrivetrainError, match="concurrency"):
        drivetrain.predict_serve(model="llama-3.1-8b", isl=1, osl=1, concurency=4)
    with pytest.raises(drivetrain.DrivetrainError, match="must be a number"):
        drivetrain.plan_serve(model="llama-3.1-8b", workload="chat", rate="5 req/s")


def test_a_part_without_four_bit_units_is_not_offered_nvfp4(capsys, monkeypatch):
    args = ["plan", "serve", "-m", "deepseek-v3", *SMALL, "-r", "2", "--weights", "nvfp4", "-f", "json"]
    _, out, _ = run(capsys, monkeypatch, *args)
    offered = {row["accelerator"] for row in json.loads(out)["by_accelerator"]}
    assert "b200-sxm-180gb" in offered
    assert not offered & {"h100-sxm-80gb", "h200-sxm-141gb", "mi300x"}


def test_newer_parts_of_a_family_are_not_slower_for_want_of_measurements(capsys, monkeypatch):
    def tpot(accelerator):
        args = [
            "predict",
            "serve",
            "-m",
            "gpt-oss-120b",
            "-a",
            accelerator,
            "-l",
            "tp1",
            "-e",
            "vllm",
            *SMALL,
            "-c",
            "1",
        ]
        return json.loads(run(capsys, monkeypatch, *args, "-f", "json")[1])["tpot_s"]["mean"]

    assert tpot("b300-sxm-288gb") <= tpot("b200-sxm-180gb") * 1.001
