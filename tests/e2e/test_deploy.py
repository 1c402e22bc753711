"""``plan serve --save`` and ``predict serve --from-args`` as people and scripts meet them."""

import json
import shlex

import pytest
import yaml

from drivetrain.cli import main as cli

PLAN = ["plan", "serve", "-m", "qwen3-8b", "-a", "h100-sxm", "--isl", "1000", "--osl", "200", "-r", "5"]
LOAD = ["-a", "h100-sxm", "--isl", "1000", "--osl", "200"]


def run(capsys, monkeypatch, *args):
    """(exit code, stdout, stderr) of ``drivetrain *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", *args])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def test_a_plan_is_saved_and_read_back(capsys, monkeypatch, tmp_path):
    folder = tmp_path / "plan"
    code, out, err = run(capsys, monkeypatch, *PLAN, "-e", "vllm", "--format", "json", "--save", str(folder))
    assert code == 0
    assert f"saved in {folder}" in err
    answer = json.loads(out)
    assert json.loads((folder / "plan.json").read_text()) == answer
    line = next(one for one in (folder / "launch.sh").read_text().splitlines() if one.startswith("vllm serve"))
    best = answer["best"]
    code, out, _ = run(capsys, monkeypatch, "predict", "serve", "--from-args", line, *LOAD, "-e", best["engine"],
                       "-r", str(best["rate_per_replica"]), "--format", "json")  # fmt: skip
    assert code == 0
    read = json.loads(out)
    for field in (
        "layout",
        "engine",
        "weight_dtype",
        "kv_dtype",
        "max_concurrency",
        "max_batched_tokens",
        "checkpoint",
    ):
        assert read[field] == best[field], field
    assert read["tpot_s"]["mean"] == pytest.approx(best["tpot_s"]["mean"])
    assert read["from_args"]["would_change"] == []
    docs = list(yaml.safe_load_all((folder / "kubernetes.yaml").read_text()))
    assert docs[0]["spec"]["replicas"] == best["replicas"]


def test_the_folders_check_runs(capsys, monkeypatch, tmp_path):
    folder = tmp_path / "plan"
    assert run(capsys, monkeypatch, *PLAN, "-e", "sglang", "--save", str(folder))[0] == 0
    check = next(one for one in (folder / "README.md").read_text().splitlines() if one.startswith("drivetrain "))
    code, out, _ = run(capsys, monkeypatch, *shlex.split(check)[1:])
    assert code == 0
    assert "would change: nothing" in out


def test_a_folder_that_exists_is_refused_before_anything_is_planned(capsys, monkeypatch, tmp_path):
    (tmp_path / "mine").write_text("keep")
    for target in (tmp_path, tmp_path / "mine", tmp_path / "no" / "plan"):
        code, out, err = run(capsys, monkeypatch, *PLAN, "--save", str(target))
        assert code == 2
        assert out == ""
        assert err.startswith("error: DT020")
        assert len(err.strip().splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_nothing_is_saved_where_there_is_no_plan(capsys, monkeypatch, tmp_path):
    code, _, err = run(capsys, monkeypatch, *PLAN, "--slo", "tpot_p95=1us", "--save", str(tmp_path / "plan"))
    assert code == 1
    assert "nothing is saved" in err
    assert list(tmp_path.iterdir()) == []


def test_a_command_line_is_predicted_with_what_counts_and_what_does_not(capsys, monkeypatch):
    line = "vllm serve Qwen/Qwen3-8B -tp 8 --enforce-eager --port 80"
    code, out, err = run(capsys, monkeypatch, "predict", "serve", "--from-args", line, *LOAD, "-r", "2")
    assert code == 0
    assert "as tp8" in out
    assert "ignored: --enforce-eager (may change speed, not modelled" in out
    assert "ignored: --port 80" in out
    assert "would change: --tensor-parallel-size 8 -> " in out
    assert "vllm serve Qwen/Qwen3-8B --tensor-parallel-size" in out
    assert "read as vllm-0.19" in err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("", "DT001", "the command line is empty"),
        ("vllm serve 'x", "DT001", "No closing quotation"),
        ("vllm serve Qwen/Qwen3-8B --tensor-paralel-size 2", "DT012", "Did you mean '--tensor-parallel-size'"),
        ("vllm serve Qwen/Qwen3-8B --tensor-parallel-size two", "DT001", "needs a whole number, not 'two'"),
        ("ollama serve", "DT001", "cannot tell which engine"),
    ],
)
def test_unreadable_lines_are_one_message_and_exit_2(capsys, monkeypatch, line, code, says):
    status, out, err = run(capsys, monkeypatch, "predict", "serve", "--from-args", line, *LOAD, "-c", "4")
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {code} ")
    assert says in err
    assert len(err.strip().splitlines()) == 1
