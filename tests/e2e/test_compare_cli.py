"""``drivetrain compare``, ``--scenario`` and ``--plot`` as people and scripts meet them."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
import time

import pytest

from drivetrain.cli import main as cli

BASE = """
model = "llama-3.1-8b"
isl = "1k"
osl = 200
rate = 10
slo = "tpot_p95=40ms"
accelerator = "h100-sxm"
engine = "vllm"
"""


def run(capsys, monkeypatch, *args):
    """(exit code, stdout, stderr) of ``drivetrain *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", *map(str, args)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.toml"
    path.write_text(BASE)
    return path


def test_compare_prints_the_object_of_the_contract(capsys, monkeypatch, base):
    args = ("compare", base, "--set", "accelerators=h200-sxm", "--set", "osl=400", "-f", "json")
    code, out, _ = run(capsys, monkeypatch, *args)
    answer = json.loads(out)
    assert code == 0
    for key in ("a", "b", "differences", "total_delta", "metric", "numbers", "attribution", "meta"):
        assert key in answer
    assert [d["field"] for d in answer["differences"]] == ["osl", "accelerators"]
    effects = [d["effect"] for d in answer["differences"]]
    assert sum(e["delta"] for e in effects) == pytest.approx(answer["total_delta"], rel=1e-9)
    assert {"metric", "delta", "share_frac"} <= set(effects[0])


def test_the_table_is_for_people_and_fits_a_terminal(capsys, monkeypatch, base):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(capsys, monkeypatch, "compare", base, "--set", "rate=20 req/s", "--set", "kv=fp8")
    assert code == 0
    assert "per million output tokens" in out.splitlines()[1]
    assert "averaged over all 2 orders" in " ".join(out.split())
    assert "10 → 20" in out
    assert "█" in out
    assert max(map(len, out.splitlines())) <= 80
    _, plain, _ = run(capsys, monkeypatch, "compare", base, "--set", "rate=20 req/s", "--set", "kv=fp8", "--no-plot")
    assert "█" not in plain
    assert "10 → 20" in plain


def test_csv_has_a_row_per_difference(capsys, monkeypatch, base):
    _, out, _ = run(capsys, monkeypatch, "compare", base, "--set", "rate=20", "--set", "kv=fp8", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["field"] for row in rows] == ["rate", "kv"]
    assert float(rows[0]["effect.delta"])


def test_the_same_twice_says_so(capsys, monkeypatch, base):
    code, out, _ = run(capsys, monkeypatch, "compare", base, base)
    assert code == 0
    assert "No difference" in out


def test_saved_json_of_both_verbs_is_compared(capsys, monkeypatch, base, tmp_path):
    _, planned, _ = run(capsys, monkeypatch, "plan", "serve", "--scenario", base, "-f", "json")
    changed = json.loads(planned)
    changed["best"]["power_w"] += 1000
    saved = tmp_path / "plan.json"
    saved.write_text(json.dumps(changed))
    code, out, err = run(capsys, monkeypatch, "compare", tmp_path, base)
    assert code == 0
    assert "No difference" in out
    assert "moved" in err
    assert "power" in err
    predicted = run(capsys, monkeypatch, "predict", "serve", "--scenario", base, "-l", "tp1", "-f", "json")[1]
    (tmp_path / "p.json").write_text(predicted)
    code, out, err = run(capsys, monkeypatch, "compare", tmp_path / "p.json", "--set", "rate=5")
    assert code == 0
    assert "moved" not in err


def test_a_side_that_nothing_serves_exits_1(capsys, monkeypatch, base):
    code, out, _ = run(capsys, monkeypatch, "compare", base, "--set", "slo=tpot_p95=1ms")
    assert code == 1
    assert "Only A can be served" in out


def test_options_win_over_the_scenario_file(capsys, monkeypatch, base):
    def scenario(*args):
        return json.loads(run(capsys, monkeypatch, "plan", "serve", "--scenario", base, *args, "-f", "json")[1])[
            "scenario"
        ]

    assert scenario()["rate"] == 10
    assert scenario()["headroom"] == 0.1
    assert scenario("-r", "20", "--headroom", "0.2")["rate"] == 20
    with_default = base.read_text() + 'pricing = "own"\n'
    base.write_text(with_default)
    assert scenario()["pricing"] == "own"
    assert scenario("--pricing", "reserved")["pricing"] == "reserved"  # even where it is the default
    found = scenario("-w", "chat")
    assert (found["workload"], found["isl"]) == ("chat", None)


def test_a_file_and_its_options_are_one_question(capsys, monkeypatch, base):
    args = ("-m", "llama-3.1-8b", "--isl", "1000", "--osl", "200", "-r", "10", "--slo", "tpot_p95=40ms", "-a",
            "h100-sxm", "-e", "vllm", "-f", "json")  # fmt: skip
    a = json.loads(run(capsys, monkeypatch, "plan", "serve", *args)[1])
    b = json.loads(run(capsys, monkeypatch, "plan", "serve", "--scenario", base, "-f", "json")[1])
    for answer in (a, b):
        del answer["elapsed_s"]
    assert a == b


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_plot_draws_beside_the_answer(capsys, monkeypatch, base, tmp_path, suffix):
    for i, args in enumerate(
        (("plan", "serve", "--scenario", base), ("predict", "serve", "--scenario", base, "-l", "tp1"),
         ("compare", base, "--set", "rate=20"))
    ):  # fmt: skip
        path = tmp_path / f"{i}.{suffix}"
        code, out, err = run(capsys, monkeypatch, *args, "--plot", path, "-f", "json")
        assert code == 0
        answer = json.loads(out)
        assert "operators" not in answer
        assert f"drawn in {path}" in err
        assert path.stat().st_size > 5000


BAD = {
    "one file and no change": (["compare", "BASE"], "--set"),
    "no file": (["compare", "/nowhere/a.toml", "BASE"], "no such file"),
    "a typo in --set": (["compare", "BASE", "--set", "acelerators=h200-sxm"], "accelerators"),
    "--set without a value": (["compare", "BASE", "--set", "kv"], "NAME=VALUE"),
    "--set twice": (["compare", "BASE", "--set", "kv=fp8", "--set", "kv=bf16"], "twice"),
    "a contradiction by --set": (["compare", "BASE", "--set", "headroom=-1"], "headroom"),
    "unknown metric": (["compare", "BASE", "--set", "rate=20", "--metric", "tpot_p59"], "tpot_p95"),
    "a plan against a prediction": (["compare", "BASE", "--set", "verb=predict"], "verb"),
    "a picture of no known kind": (["compare", "BASE", "--set", "rate=20", "--plot", "x.gif"], ".svg"),
    "a picture in no folder": (["plan", "serve", "--scenario", "BASE", "--plot", "/nowhere/x.svg"], "no folder"),
    "a scenario that is none": (["plan", "serve", "--scenario", "/etc/hostname"], ".toml"),
    "a scenario and a contradiction": (["plan", "serve", "--scenario", "BASE", "-w", "chat", "--isl", "9"], "not both"),
    "no model anywhere": (["predict", "serve", "-a", "h100", "-l", "tp1"], "--scenario"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_and_exit_2(capsys, monkeypatch, base, name):
    args, hint = BAD[name]
    code, out, err = run(capsys, monkeypatch, *[str(base) if a == "BASE" else a for a in args])
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1, err
    assert hint in err
    assert out == ""


def test_pictures_are_drawn_on_a_terminal_only(base):
    """The real command on a pseudo-terminal and into a pipe."""
    command = [sys.executable, "-m", "drivetrain", "plan", "serve", "--scenario", str(base), "-a", "h100-sxm,l40s"]
    env = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm"}
    piped = subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout
    shown, hidden = (on_terminal([*command, *more], env) for more in ([], ["--no-plot"]))
    assert "Pareto front" in shown
    assert "★" in shown
    assert "Pareto front" not in piped
    assert "Pareto front" not in hidden
    assert "█" in piped
    assert "█" not in hidden
    assert "\x1b[3" not in shown.replace("\x1b[3m", "")  # NO_COLOR: no colour, at most bold and italics
    assert max(len(line) for line in piped.splitlines()) <= 80


def on_terminal(command, env):
    """What a command shows on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=env, close_fds=True):
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end has closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    return shown.decode()


def test_help_stays_quick_and_shows_examples(capsys, monkeypatch):
    code = "import sys; sys.argv = ['drivetrain', '--help']\nfrom drivetrain.cli.main import main\ntry:\n    main()\n"
    code += "finally:\n    assert not {'matplotlib', 'plotille', 'numba'} & set(sys.modules)"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert time.perf_counter() - started < 5
    _, out, _ = run(capsys, monkeypatch, "compare", "--help")
    assert "drivetrain compare today.toml" in out
    assert "--set" in out
