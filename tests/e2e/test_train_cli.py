"""``drivetrain plan train`` and ``predict train`` as people and scripts meet them."""

import csv
import io
import json
from pathlib import Path

import pytest

from drivetrain.cli import main as cli

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/howto/training/two-million.toml"
PLAN = ("plan", "train", "--flops", "5.76e23", "--accelerator", "h100-sxm", "--n", "2048", "--fabric", "ib-ndr")
PREDICT = ("predict", "train", "-m", "llama-3.1-70b", "-a", "h100-sxm", "-n", "128", "-l", "tp8pp4dp4", "-b", "512")


def run(capsys, monkeypatch, *args):
    """(exit code, stdout, stderr) of ``drivetrain *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", *map(str, args)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def test_json_is_the_object_of_the_contract(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, *PLAN, "--format", "json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    for name in ("params", "tokens", "loss", "layout", "step_time_s", "mfu", "days", "usd", "energy_j",
                 "effective_time_frac", "breakdown", "ranges", "sources"):  # fmt: skip
        assert answer[name], name
    assert answer["scenario"]["flops"] == 5.76e23
    assert answer["meta"]["run"].startswith("sha256:")


@pytest.mark.parametrize("args", [PLAN, PREDICT, (*PREDICT, "--fabric", "nvlink,ib-ndr,ethernet", "--sizes", "64,512")])
def test_tables_are_for_people(capsys, monkeypatch, args):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = run(capsys, monkeypatch, *args)
    assert code == 0
    assert "assumed" in err
    assert "MFU" in out.splitlines()[1] + out.splitlines()[2]
    assert "where the peak goes" in out
    assert "█" in out
    assert "next: drivetrain" in out
    assert max(map(len, out.splitlines())) <= 100
    bare = run(capsys, monkeypatch, *args, "--no-plot")[1]
    assert "█" not in bare
    if "--sizes" in args:
        assert "ib-ndr: " in out
        assert "time waiting for links" in out


def test_suggested_commands_run(capsys, monkeypatch):
    import shlex

    out = run(capsys, monkeypatch, "plan", "train", "-m", "llama-3.1-8b", "--tokens", "50B", "-a", "h100-sxm",
              "-n", "64", "--mtbf", "20000")[1]  # fmt: skip
    command = " ".join(out[out.index("next: ") + 6 :].split())
    assert command.startswith("drivetrain predict train")
    planned = json.loads(run(capsys, monkeypatch, "plan", "train", "-m", "llama-3.1-8b", "--tokens", "50B", "-a",
                             "h100-sxm", "-n", "64", "--mtbf", "20000", "-f", "json")[1])  # fmt: skip
    again = json.loads(run(capsys, monkeypatch, *shlex.split(command)[1:], "-f", "json")[1])
    assert again["step_time_s"] == pytest.approx(planned["step_time_s"])
    assert again["usd"] == pytest.approx(planned["usd"])


def test_csv_has_one_row_an_accelerator_or_a_network_and_size(capsys, monkeypatch):
    out = run(capsys, monkeypatch, *PLAN[:5], "a100-sxm-80gb,h100-sxm", "--n", "1024", "-f", "csv")[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["accelerator"] for row in rows} == {"a100-sxm-80gb", "h100-sxm-80gb"}
    out = run(capsys, monkeypatch, *PREDICT, "--fabric", "ib-ndr,efa", "--sizes", "64,512", "-f", "csv")[1]
    assert len(list(csv.DictReader(io.StringIO(out)))) == 4


def test_a_scenario_file_and_options_on_top(capsys, monkeypatch):
    first = json.loads(run(capsys, monkeypatch, "plan", "train", "--scenario", EXAMPLE, "-f", "json")[1])
    assert first["usd"] == pytest.approx(2e6)
    assert {row["accelerator"] for row in first["by_accelerator"]} == {"h100-sxm-80gb", "b200-sxm-180gb"}
    args = ("plan", "train", "--scenario", EXAMPLE, "--budget", "$1M", "-a", "h100-sxm", "-f", "json")
    more = json.loads(run(capsys, monkeypatch, *args)[1])
    assert more["usd"] == pytest.approx(1e6)


def test_a_saved_answer_is_asked_again(capsys, monkeypatch, tmp_path):
    text = run(capsys, monkeypatch, *PLAN, "-f", "json")[1]
    (tmp_path / "plan.json").write_text(text)
    again = json.loads(run(capsys, monkeypatch, "plan", "train", "--scenario", tmp_path / "plan.json", "-f", "json")[1])
    assert again["meta"]["run"] == json.loads(text)["meta"]["run"]
    assert again["step_time_s"] == json.loads(text)["step_time_s"]


def test_the_comparison_of_networks_reaches_sixteen_thousand(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, *PLAN[:-2], "--compare-fabrics", "--sizes", "8,256,16384", "-f", "json")
    found = json.loads(out)["fabrics"]
    assert code == 0
    assert {row["fabric"] for row in found["rows"]} == {
        "nvlink4",
        "ib-ndr",
        "roce-400g",
        "roce-400g:ecmp",
        "efa-v2",
        "tcp-100g",
    }
    assert {row["n_accelerators"] for row in found["rows"]} == {8, 256, 16384}
    told = {row["fabric"]: row for row in found["by_fabric"]}
    assert told["tcp-100g"]["link_first_from"] == 16384
    assert told["ib-ndr"]["link_first_from"] is None


def test_predict_compares_all_networks_too(capsys, monkeypatch):
    args = ("predict", "train", "-m", "llama-3.1-8b", "-a", "h100-sxm", "-n", "64", "-b", "256", "--compare-fabrics")
    found = json.loads(run(capsys, monkeypatch, *args, "--sizes", "64", "-f", "json")[1])["fabrics"]
    assert {row["fabric"] for row in found["rows"]} >= {"nvlink4", "ib-ndr", "roce-400g", "efa-v2", "tcp-100g"}
    out = " ".join(run(capsys, monkeypatch, *args, "--sizes", "64")[1].split())
    assert "of the time waiting on 64." in out  # one size: no sentence about growing


def test_tables_keep_whole_layouts_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = run(capsys, monkeypatch, *PLAN[:5], "h100-sxm,h200-sxm", "--unique-tokens", "200B")[1]
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    assert "pipeline schedules" in out
    assert "unique tokens are seen" in out


def test_infeasible_exits_with_one(capsys, monkeypatch):
    code, out, _ = run(
        capsys, monkeypatch, "plan", "train", "--flops", "5.76e23", "-a", "h100-sxm", "-n", 16, "--days", 30
    )
    assert code == 1
    assert "give --days" in " ".join(out.split())
    code, out, _ = run(capsys, monkeypatch, "plan", "train", "--power", "1kW", "-a", "h100-sxm", "-f", "json")
    assert code == 1
    assert json.loads(out)["feasible"] is False


@pytest.mark.parametrize(
    "args",
    [
        ("plan", "train"),
        ("plan", "train", "--flops", "-1"),
        ("plan", "train", "--flops", "nan"),
        ("plan", "train", "--budget", "lots"),
        ("plan", "train", "--flops", "1e22", "--target-loss", "2"),
        ("plan", "train", "--flops", "1e22", "-a", "h1000"),
        ("plan", "train", "--flops", "1e22", "-a", "h100-sxm", "--fabric", "wet-string"),
        ("plan", "train", "--scenario", "nowhere.toml"),
        ("plan", "train", "--flops", "1e22", "--experts", "1.5"),
        ("plan", "train", "--flops", "1e22", "--compute-gain", "-2"),
        ("plan", "train", "--flops", "1e22", "-a", "h100-sxm", "--plot", "picture.txt"),
        ("plan", "train", "-m", "mixtral-8x7b", "--tokens", "1B", "--experts", "8"),
        ("predict", "train", "-a", "h100-sxm", "-n", "8"),
        ("predict", "train", "-m", "llama-3.1-70b", "-a", "h100-sxm", "-l", "tp8pp4dp3", "-b", "512"),
        ("predict", "train", "-m", "llama-3.1-70b", "-a", "h100-sxm", "-l", "tp8pp4dp32", "-b", "16"),
        ("predict", "train", "-m", "llama-3.1-70b", "-a", "h100-sxm", "-l", "tp8pp128", "-b", "512"),
        ("predict", "train", "-m", "llama-3.1-70b", "-a", "h100-sxm", "-l", "tp2dp32", "-b", "512"),
        ("predict", "train", "-m", "llama-3.1-8b", "-a", "a100", "-n", "8", "--precision", "fp8"),
        (
            "predict",
            "train",
            "-m",
            "llama-3.1-8b",
            "-a",
            "h100-sxm",
            "-l",
            "dp8",
            "-b",
            "8",
            "--schedule",
            "zero-bubble",
        ),
        ("predict", "train", "-m", "llama-3.1-8b", "-a", "h100-sxm", "-n", "8", "--sizes", "8,x"),
        ("plan", "train", "--flops", "1e22", "--price", "2"),
        ("plan", "train", "--flops", "1e22", "-a", "h100-sxm", "--budget=-5"),
        ("plan", "train", "--target-loss", "10", "-a", "h100-sxm"),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, args):
    code, out, err = run(capsys, monkeypatch, *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: DT")
    assert len(err.strip().splitlines()) == 1


def test_help_has_examples(capsys, monkeypatch):
    for verb in ("plan", "predict"):
        code, out, _ = run(capsys, monkeypatch, verb, "train", "--help")
        assert code == 0
        assert f"drivetrain {verb} train" in out


@pytest.mark.parametrize(
    "args", [PREDICT, (*PLAN, "--compare-fabrics", "--sizes", "64,512"), (*PLAN[:5], "h100-sxm,b200-sxm")]
)
def test_a_picture_is_drawn(capsys, monkeypatch, tmp_path, args):
    target = tmp_path / "run.svg"
    code, _, err = run(capsys, monkeypatch, *args, "--plot", target)
    text = target.read_text(encoding="utf-8")
    assert (code, "drawn in" in err) == (0, True)
    for label in ("Where the peak goes", "waiting for links", "Memory"):
        assert label in text
    assert ("Layout front" in text) == ("-l" not in args)
    assert ("The same job on other networks" in text) == ("--compare-fabrics" in args)
    assert ("By accelerator" in text) == ("h100-sxm,b200-sxm" in args)


def test_no_plan_draws_an_empty_sheet(capsys, monkeypatch, tmp_path):
    target = tmp_path / "run.svg"
    code = run(capsys, monkeypatch, "plan", "train", "--power", "1kW", "-a", "h100-sxm", "--plot", target)[0]
    assert (code, "no plan" in target.read_text(encoding="utf-8")) == (1, True)


def test_two_training_files_are_compared(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "100")
    a, b, target = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "c.svg"
    text = 'verb = "plan train"\nbudget = "$50k"\ndays = 30\naccelerator = "h100-sxm"\n'
    a.write_text(f'{text}experts = 8\nfabric = "tcp-100g"\n')
    b.write_text(f'{text}fabric = "ib-ndr"\n')
    code, out, err = run(capsys, monkeypatch, "compare", a, b, "--plot", target)
    assert code == 0
    assert "reaches the lower loss by" in out
    assert "each architecture on each" in out
    assert "effect of each difference on loss" in out
    assert "mixes of A and B" in err
    assert "loss, nats per token" in target.read_text(encoding="utf-8")
    answer = json.loads(run(capsys, monkeypatch, "compare", a, b, "-f", "json")[1])
    assert answer["metric"] == "loss.value"
    rows = list(csv.DictReader(io.StringIO(run(capsys, monkeypatch, "compare", a, b, "-f", "csv")[1])))
    assert {row["field"] for row in rows} == {"fabric", "experts"}


def test_a_side_that_cannot_be_trained_exits_with_one(capsys, monkeypatch, tmp_path):
    a = tmp_path / "a.toml"
    a.write_text('verb = "plan train"\nflops = 1e22\nn = 64\naccelerator = "h100-sxm"\n')
    code, out, _ = run(capsys, monkeypatch, "compare", a, "--set", "flops=1e25", "--set", "days=2")
    assert code == 1
    assert "Only A can be trained within what is asked." in out
