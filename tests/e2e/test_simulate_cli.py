"""``drivetrain simulate`` as people and scripts meet it: shapes, files, exit codes, one message for bad input."""

import csv
import io
import json
import signal
import subprocess
import sys
from functools import partial
from itertools import pairwise

import duckdb
import pytest

from drivetrain.cli import main as cli
from drivetrain.serving.sim.records import PARTS

FLEET = ("simulate", "-m", "llama-3.1-8b", "-a", "h100-sxm", "-l", "tp1", "-e", "vllm")
POLICY = """
from drivetrain.serving.policies import register

@register("route")
def the_second(request, endpoints, state, draws, scores):
    scores[:] = 0.0
    scores[1] = 1.0
"""


def run(capsys, monkeypatch, *args):
    """(exit code, stdout, stderr) of ``drivetrain *args`` through the real entry point."""
    monkeypatch.setattr("sys.argv", ["drivetrain", *map(str, args)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.csv"
    rows = [f"{i / 5},{400 + i % 9},{10 + i % 40}" for i in range(240)]
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "\n".join(rows) + "\n")
    return path


def test_json_is_the_object_of_the_contract(capsys, monkeypatch, trace):
    args = (*FLEET, "--replicas", 4, "--route", "prefix-aware", "--trace", trace, "--format", "json")
    code, out, err = run(capsys, monkeypatch, *args)
    answer = json.loads(out)
    assert code == 0
    assert err == "" or "compiling" in err
    for key in ("n_requests", "ttft_s", "itl_s", "tpot_s", "e2e_s", "slo_goodput_frac", "output_tokens_per_s",
                "utilisation_frac", "cache_hit_frac", "preemptions", "usd_per_million_output_tokens",
                "joules_per_output_token", "attribution", "kv_occupancy_frac", "meta"):  # fmt: skip
        assert answer[key] is not None, key
    again = json.loads(run(capsys, monkeypatch, *args)[1])
    del answer["meta"], again["meta"]
    assert json.dumps(again) == json.dumps(answer)


def test_the_table_is_for_people_and_fits_a_terminal(capsys, monkeypatch, trace):
    monkeypatch.setenv("COLUMNS", "80")
    slo = ("--slo", "ttft_p95=1s,tpot_p95=50ms")
    code, out, err = run(capsys, monkeypatch, *FLEET, "--replicas", 2, "-t", trace, *slo)
    lines = out.splitlines()
    assert code == 0
    assert "served 240 requests" in " ".join(out.split())
    for label in ("first token", "between tokens", "goodput", "cost", "energy", "limits", "over time", "KV cache"):
        assert label in out
    assert lines[-1].startswith("next: drivetrain simulate ")
    assert max(map(len, lines[:-1])) <= 80
    assert "assumed" in err
    assert "simulated in" in err
    plain = run(capsys, monkeypatch, *FLEET, "-t", trace, "--no-plot")[1]
    assert "█" not in plain
    assert "▁" not in plain
    next_words = lines[-1].removeprefix("next: ").partition("   (")[0].split()[1:]
    if "--timeline" not in next_words:
        assert run(capsys, monkeypatch, *next_words)[0] == 0


def test_csv_is_a_row_per_variant(capsys, monkeypatch, trace):
    _, out, _ = run(capsys, monkeypatch, *FLEET, "-t", trace, "--compare", "replicas=1,2", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["name"] for row in rows] == ["replicas=1", "replicas=2"]
    assert float(rows[1]["ttft_s.p95"]) > 0


def test_a_comparison_for_people(capsys, monkeypatch, trace):
    monkeypatch.setenv("COLUMNS", "80")
    compare = ("--compare", "route=round-robin,least-loaded,prefix-aware", "--slo", "ttft_p95=1s")
    code, out, _ = run(capsys, monkeypatch, *FLEET, "--replicas", 2, "-t", trace, *compare)
    assert code == 0
    assert "is best" in out
    assert "in SLO" in out
    assert "request by request" in out
    assert max(map(len, out.splitlines()[:-1])) <= 80


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_one_row_per_request(capsys, monkeypatch, trace, tmp_path, suffix):
    file = tmp_path / f"out{suffix}"
    code, out, err = run(capsys, monkeypatch, *FLEET, "-t", trace, "-o", file, "-f", "json")
    answer = json.loads(out)
    assert code == 0
    assert f"240 requests written to {file}" in err
    parts = " + ".join(f"{part}_s" for part in PARTS)
    picked = f"count(*), avg(ttft_s), avg(e2e_s), avg(tpot_s), sum(output_tokens), max(abs({parts} - e2e_s))"
    rows = duckdb.sql(f"SELECT {picked} FROM '{file}' WHERE status = 'completed'").fetchall()[0]
    assert rows[0] == 240
    for value, name in zip(rows[1:4], ("ttft_s", "e2e_s", "tpot_s"), strict=True):
        assert value == pytest.approx(answer[name]["mean"], rel=1e-9)
    assert rows[4] == answer["output_tokens"]
    assert rows[5] < 1e-9
    assert sorted(p.name for p in tmp_path.iterdir()) == [file.name, "trace.csv"]


def test_a_trace_in_parts_says_the_same_within_the_sketch(capsys, monkeypatch, trace, tmp_path):
    file = tmp_path / "parts.parquet"
    args = (*FLEET, "--replicas", 2, "-t", trace, "--slo", "ttft_p95=1s", "-f", "json")
    whole = json.loads(run(capsys, monkeypatch, *args)[1])
    parts = json.loads(run(capsys, monkeypatch, *args, "--stream", "-o", file)[1])
    for name in ("completed", "output_tokens", "duration_s", "slo_goodput_frac", "joules_per_output_token"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-9)
    assert parts["ttft_s"]["mean"] == pytest.approx(whole["ttft_s"]["mean"], rel=1e-9)
    assert parts["ttft_s"]["p95"] == pytest.approx(whole["ttft_s"]["p95"], rel=0.02)
    assert "sketch" in parts["percentiles"]
    assert parts["meta"]["partial"] is False
    found = duckdb.sql(f"SELECT count(*), avg(ttft_s), list(request) FROM '{file}'").fetchall()[0]
    assert found[0] == 240
    assert found[1] == pytest.approx(whole["ttft_s"]["mean"])
    assert found[2] == list(range(240))
    assert run(capsys, monkeypatch, *args[:-2], "--stream")[0] == 0


def test_requests_of_variants_and_replications_are_told_apart(capsys, monkeypatch, tmp_path):
    file = tmp_path / "out.parquet"
    drawn = ("-r", 20, "--isl", 100, "--osl", 10, "-n", 40, "--replications", 3)
    run(capsys, monkeypatch, *FLEET, *drawn, "--compare", "replicas=1,2", "-o", file)
    found = duckdb.sql(f"SELECT variant, replication, count(*) FROM '{file}' GROUP BY ALL ORDER BY ALL").fetchall()
    assert found == [(f"replicas={r}", k, 40) for r in (1, 2) for k in range(3)]


def test_a_timeline_for_perfetto(capsys, monkeypatch, trace, tmp_path):
    file = tmp_path / "run.json"
    code, _, err = run(capsys, monkeypatch, *FLEET, "--replicas", 2, "-t", trace, "--timeline", file, "-f", "json")
    assert code == 0
    assert "ui.perfetto.dev" in err
    events = json.loads(file.read_text())["traceEvents"]
    steps = [e for e in events if e["ph"] == "X"]
    assert {e["pid"] for e in steps} == {1, 2}
    assert all(e["dur"] > 0 for e in steps)
    begun = {e["id"] for e in events if e["ph"] == "b"}
    assert begun == set(range(240))
    for process in (1, 2):  # steps of one lane follow one another
        mine = sorted((e["ts"], e["ts"] + e["dur"]) for e in steps if e["pid"] == process)
        assert all(b >= a_end - 1e-3 for (_, a_end), (b, _) in pairwise(mine))


@pytest.mark.parametrize("extra", [(), ("--compare", "replicas=1,2")])
def test_plot_draws_beside_the_answer(capsys, monkeypatch, trace, tmp_path, extra):
    file = tmp_path / "picture.svg"
    code, out, err = run(capsys, monkeypatch, *FLEET, "-t", trace, "--plot", file, "-f", "json", *extra)
    assert code == 0
    json.loads(out)
    assert f"drawn in {file}" in err
    assert "Where a request's time goes" in file.read_text()


def test_a_policy_of_ones_own(capsys, monkeypatch, trace, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(POLICY)
    own = ("--policy-file", file, "--route", "the-second")
    code, out, _ = run(capsys, monkeypatch, *FLEET, "--replicas", 3, "-t", trace, *own, "-f", "json")
    assert code == 0
    assert [row["completed"] for row in json.loads(out)["replicas"]] == [0, 240, 0]


def test_a_file_and_its_options_are_one_question(capsys, monkeypatch, trace, tmp_path):
    scenario = tmp_path / "s.toml"
    scenario.write_text('model = "llama-3.1-8b"\naccelerator = "h100-sxm"\nlayout = "tp1"\nengine = "vllm"\n'
                        'trace = "trace.csv"\nreplicas = 2\nslo = { ttft_p95 = "1s" }\n')  # fmt: skip
    a = json.loads(run(capsys, monkeypatch, "simulate", "--scenario", scenario, "-f", "json")[1])
    args = (*FLEET, "-t", trace, "--replicas", 2, "--slo", "ttft_p95=1s")
    b = json.loads(run(capsys, monkeypatch, *args, "-f", "json")[1])
    assert a["ttft_s"] == b["ttft_s"]
    saved = tmp_path / "answer.json"
    saved.write_text(json.dumps(a))
    c = json.loads(run(capsys, monkeypatch, "simulate", "--scenario", saved, "-f", "json")[1])
    assert c["ttft_s"] == a["ttft_s"]
    more = json.loads(run(capsys, monkeypatch, "simulate", "--scenario", scenario, "--replicas", "3", "-f", "json")[1])
    assert len(more["replicas"]) == 3


TRACE = ("-t", "TRACE")
BAD = {
    "no model": ((), "--model"),
    "no traffic": (FLEET, "--rate"),
    "no such trace": ((*FLEET, "-t", "/nowhere/x.csv"), "x.csv"),
    "a broken trace": ((*FLEET, "-t", "BROKEN"), "row"),
    "a trace and lengths": ((*FLEET, "-t", "TRACE", "--isl", "5"), "--isl"),
    "no such policy": ((*FLEET, "-t", "TRACE", "--route", "round-robbin"), "round-robin"),
    "no such option of a policy": ((*FLEET, "-t", "TRACE", "--admit", "token-bucket:rte=5"), "rate"),
    "no such cache": ((*FLEET, "-t", "TRACE", "--cache", "lfu"), "lru"),
    "no such accelerator": (("simulate", "-m", "llama-3.1-8b", "-a", "h1000", "-t", "TRACE"), "h100"),
    "no accelerator": (("simulate", "-m", "llama-3.1-8b", "-t", "TRACE"), "accelerator"),
    "a layout that does not fit": (("simulate", "-m", "llama-3.1-70b", "-a", "h100-sxm", "-l", "tp1", *TRACE), "fit"),
    "a bad target": ((*FLEET, "-t", "TRACE", "--slo", "ttft_p95=2"), "unit"),
    "a fault that is none": ((*FLEET, "-t", "TRACE", "--faults", "mtbf=never"), "--faults"),
    "a slow replica that is none": ((*FLEET, "-t", "TRACE", "--slow", "replica 9 x2 from 0s"), "replica"),
    "an output of no known kind": ((*FLEET, "-t", "TRACE", "-o", "OUT.txt"), ".parquet"),
    "an output in no folder": ((*FLEET, "-t", "TRACE", "-o", "/nowhere/o.csv"), "no folder"),
    "the trace as output": ((*FLEET, "-t", "TRACE", "-o", "TRACE"), "is read"),
    "a timeline of no known kind": ((*FLEET, "-t", "TRACE", "--timeline", "OUT.csv"), ".json"),
    "a timeline of many runs": ((*FLEET, *TRACE, "--timeline", "OUT.json", "--compare", "seed=1,2"), "one run"),
    "a picture of no known kind": ((*FLEET, "-t", "TRACE", "--plot", "OUT.gif"), ".svg"),
    "a stream of many runs": ((*FLEET, *TRACE, "--stream", "--replications", "2"), "--stream"),
    "a stream to compare": ((*FLEET, *TRACE, "--stream", "--compare", "replicas=1,2"), "--stream"),
    "a stream on a timeline": ((*FLEET, *TRACE, "--stream", "--timeline", "OUT.json"), "--stream"),
    "a stream without a trace": ((*FLEET, "-r", "5", "--isl", "5", "--osl", "5", "--stream"), "--trace"),
    "a comparison of one": ((*FLEET, "-t", "TRACE", "--compare", "route=random"), "two"),
    "a comparison with a typo": ((*FLEET, "-t", "TRACE", "--compare", "rout=random,session"), "route"),
    "a policy file that is none": ((*FLEET, "-t", "TRACE", "--policy-file", "/nowhere/p.py"), "policy file"),
    "a horizon without unit sense": ((*FLEET, "-t", "TRACE", "--horizon", "-5s"), "--horizon"),
    "a plan's option": ((*FLEET, "-t", "TRACE", "--headroom", "0.1"), "--headroom"),
    "too long, by its option": ((*FLEET, *TRACE, "--max-context", "420"), "--too-long drop"),
    "broken rows, by their option": ((*FLEET, "-t", "BROKEN"), "--bad-rows drop"),
    "too few tokens, by their option": ((*FLEET, "-r", "1", "--isl", "0", "--osl", "5"), "--isl is 0"),
    "a law, by its option": (
        (*FLEET, "-r", "1", "--isl", "9", "--osl", "5", "--arrivals", "poisson", "--burstiness", "2"),
        "--burstiness 1, not 2. Give --arrivals gamma",
    ),
    "a share, by its option": ((*FLEET, "-r", "1", "--isl", "9", "--osl", "5", "--prefix-hit", "1.2"), "--prefix-hit"),
    "sessions, by their terms": ((*FLEET, "-w", "chat", "-r", "1", "--sessions", "calls=0"), "--sessions calls is 0"),
    "a part of a trace, by its option": ((*FLEET, "--stream", "-t", "BROKEN"), "--bad-rows drop"),
    "a choice between one model": ((*FLEET, *TRACE, "--select", "cascade"), "Add another: --pool"),
    "more than the cache holds": (
        ("simulate", "-m", "llama-3.1-70b", "-a", "h100-sxm", "-l", "tp2", "-t", "LONG"),
        "--max-context 14064 --too-long drop",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_exit_2_and_nothing_written(capsys, monkeypatch, trace, tmp_path, name):
    args, hint = BAD[name]
    broken = tmp_path / "broken.csv"
    broken.write_text("arrival_s,input_tokens,output_tokens\n0,5,5\n1,-3,5\n")
    long = tmp_path / "long.csv"
    long.write_text("input_tokens,output_tokens,arrival_s\n" + "500,50,0\n" * 50 + "60000,100,1\n")
    before = sorted(p.name for p in tmp_path.iterdir())
    swap = {"TRACE": str(trace), "BROKEN": str(broken), "LONG": str(long)}
    words = [swap.get(str(a), str(a).replace("OUT", str(tmp_path / "out"))) for a in args]
    words = words or ["simulate", "-r", "5"]
    files = () if "-o" in words else ("-o", tmp_path / "never.csv")
    code, out, err = run(capsys, monkeypatch, *words, *files)
    err = "\n".join(line for line in err.strip().splitlines() if "compiling" not in line)
    assert code == 2, err
    assert len(err.splitlines()) == 1, err
    assert hint in err
    assert out == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_how_a_trace_is_read(capsys, monkeypatch, tmp_path):
    """Mooncake's ticks are spread over themselves unless told otherwise; names are merged, dropped, explained."""
    path = tmp_path / "ticks.jsonl"
    rows = [{"timestamp": 3000 * (i // 8), "input_length": 1500, "output_length": 20, "hash_ids": [1, 2, 3]}
            for i in range(400)]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, rows)))

    def played(*more):
        code, out, err = run(capsys, monkeypatch, *FLEET, "-t", path, "-f", "json", *more)
        assert code == 0, err
        answer = json.loads(out)
        return answer, {a["what"]: a["value"] for a in answer["assumptions"] if a["source"] == path.name}

    spread, said = played()
    assert said["clock"].startswith("arrivals come in steps of 3 s")
    ticks, said = played("--jitter", "0")
    assert "clock" not in said
    assert ticks["traffic"]["iat_cv"] > 2 > spread["traffic"]["iat_cv"]
    assert played("--jitter", "3s")[0]["ttft_s"] == spread["ttft_s"]
    assert spread["cache_hit_frac"] > 0.5
    assert played("--hashes", "drop")[0]["cache_hit_frac"] == 0.0
    merged, said = played("--hash-tokens", "1536")
    assert said["prefix blocks"] == "a name stands for 512 tokens, 3 of them merged into one"
    assert merged["cache_hit_frac"] < spread["cache_hit_frac"]
    code, _, err = run(capsys, monkeypatch, *FLEET, "-t", path, "--hash-tokens", "700")
    assert (code, "--hash-tokens is 700. Give a multiple of 512" in err) == (2, True)


def test_text_without_answers_gets_them(capsys, monkeypatch, tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": "x" * 400}) for _ in range(20)))
    args = (*FLEET, "-t", path, "-r", "5", "-f", "json")
    code, _, err = run(capsys, monkeypatch, *args)
    assert (code, "(--osl)" in err) == (2, True)
    made = json.loads(run(capsys, monkeypatch, *args, "--osl", "30", "--chars-per-token", "2")[1])
    assert (made["traffic"]["input_tokens_mean"], made["traffic"]["output_tokens_mean"]) == (200.0, 30.0)


def test_ctrl_c_shows_what_there_is_and_saves_it(trace, tmp_path):
    """The real command, interrupted in its middle by a policy that presses the keys."""
    file, policy = tmp_path / "out.csv", tmp_path / "keys.py"
    keys = "    if request[0] == 100:\n        os.kill(os.getpid(), signal.SIGINT)\n"
    policy.write_text(f"import os, signal\n{POLICY}{keys}")
    own = ("--policy-file", str(policy), "--route", "the-second", "-o", str(file), "-f", "json")
    args = [sys.executable, "-m", "drivetrain", *FLEET, "--replicas", "2", "-t", str(trace), *own]
    # whoever runs the tests in the background may have told children to ignore the keys
    listening = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    done = subprocess.run(args, capture_output=True, timeout=120, check=False, preexec_fn=listening)
    assert done.returncode == 130, done.stderr
    answer = json.loads(done.stdout)
    assert answer["meta"]["partial"] is True
    assert 50 < answer["completed"] <= 100
    assert answer["completed"] + answer["unfinished"] == 240
    with file.open() as rows:
        ends = [row["status"] for row in csv.DictReader(rows)]
    assert ends.count("completed") == answer["completed"]
    assert len(ends) == answer["sent"]


def test_help_names_every_panel_and_shows_examples(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "simulate", "--help")
    assert code == 0
    for panel in ("What serves", "Traffic", "Fleet", "Policies", "What goes wrong", "Run", "Output"):
        assert panel in out
    assert "drivetrain simulate -m llama-3.1-8b" in out


def test_a_verified_plan_is_saved_as_it_was_simulated(capsys, monkeypatch, tmp_path):
    def one_more(answer, *_, **__):
        planned = answer["best"]["replicas"]
        return {"replicas_planned": planned, "replicas_needed": planned + 1, "meets_slo": False}

    monkeypatch.setattr("drivetrain.verbs.verify.verify", one_more)
    args = ("plan", "serve", *FLEET[1:5], "--layouts", "tp1", "-e", "vllm", "--isl", "1000", "--osl", "100", "-r", "20",
            "--slo", "ttft_p95=1s,tpot_p95=50ms", "--levers", "off", "--verify", "-f", "json")  # fmt: skip
    code, out, err = run(capsys, monkeypatch, *args, "--save", tmp_path / "plan")
    planned = json.loads(out)["best"]["replicas"]
    assert code == 0, err
    assert f"with {planned + 1} replicas, as simulated, instead of {planned}" in err
    saved = json.loads((tmp_path / "plan" / "plan.json").read_text())
    assert (saved["best"]["replicas"], saved["verified"]["replicas_planned"]) == (planned + 1, planned)
    assert f"replicas: {planned + 1}\n" in (tmp_path / "plan" / "kubernetes.yaml").read_text()
    again = json.loads(run(capsys, monkeypatch, "simulate", "--scenario", tmp_path / "plan", "-f", "json")[1])
    assert len(again["replicas"]) == planned + 1


def test_ctrl_c_before_anything_ran_says_so(capsys, monkeypatch, trace):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("drivetrain.verbs.simulate_run.traffic_of", pressed)
    code, out, err = run(capsys, monkeypatch, *FLEET, "-t", trace)
    assert (code, out) == (130, "")
    assert "interrupted before there was anything to show" in err
