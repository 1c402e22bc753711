"""Techniques on the command line and in answers: what is said, what is refused."""

import json

import pytest
from test_cli import run

import drivetrain

PREDICT = ["predict", "serve", "-m", "llama-3.1-70b", "-a", "h100-sxm", "-l", "tp4", "-e", "vllm", "-c", "16",
           "--isl", "2000", "--osl", "300"]  # fmt: skip
PLAN = ["plan", "serve", "-m", "llama-3.1-70b", "-w", "chat", "-r", "2", "-a", "h100-sxm,h200-sxm", "-e", "vllm",
        "--slo", "tpot_p95=20ms"]  # fmt: skip


def predicted(capsys, monkeypatch, text):
    code, out, _ = run(capsys, monkeypatch, *PREDICT, "--with", text, "--format", "json")
    assert code == 0
    return json.loads(out)


def test_the_answer_names_the_techniques_and_what_they_rest_on(capsys, monkeypatch):
    answer = predicted(capsys, monkeypatch, "speculative=eagle,power-cap=0.8")
    found = answer["techniques"]
    assert found == {
        "speculative": "eagle", "power_cap": 0.8, "draft_tokens": 3, "acceptance": 0.742,
        "tokens_per_step": pytest.approx(1 + 0.742 + 0.742**2 + 0.742**3),
    }  # fmt: skip
    said = {a["what"]: a for a in answer["assumptions"]}
    assert said["techniques"]["value"] == "speculative=eagle,power-cap=0.8"
    assert "MT-bench" in said["acceptance of a drafted token"]["source"]
    assert answer["scenario"]["techniques"] == "speculative=eagle,power-cap=0.8"
    assert sum(answer["breakdown_s"].values()) == pytest.approx(answer["tpot_s"]["mean"], rel=1e-3)
    plain = predicted(capsys, monkeypatch, "")
    assert plain["techniques"] == {}
    assert answer["tpot_s"]["mean"] < plain["tpot_s"]["mean"]
    assert answer["memory_bytes"]["weights"] > plain["memory_bytes"]["weights"]


def test_a_plan_with_techniques(capsys, monkeypatch):
    chosen = ("--with", "speculative=eagle,kv-compression=0.7", "--allow-unverified")
    code, out, _ = run(capsys, monkeypatch, *PLAN, *chosen, "-f", "json")
    answer = json.loads(out)
    assert code == 0
    assert answer["best"]["techniques"]["kv_compression"] == 0.7
    assert all(row["techniques"]["speculative"] == "eagle" for row in answer["by_accelerator"])
    plain = json.loads(run(capsys, monkeypatch, *PLAN, "-f", "json")[1])
    assert answer["best"]["usd_per_million_tokens_full_load"] < plain["best"]["usd_per_million_tokens_full_load"]
    assert plain["best"]["techniques"] == {}


def test_tables_and_operators_are_printed(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, *PREDICT, "--with", "speculative=eagle,lora=4:16", "--operators")
    assert code == 0
    assert "drafted tokens a step" in err
    assert "draft fusion" in out
    assert "adapters" in out


@pytest.mark.parametrize(("options", "says"), [
    (["--with", "specultive=mtp"], "Did you mean 'speculative'"),
    (["--with", "speculative=mtp"], "no multi-token-prediction layers"),
    (["--with", "two-batch-overlap=on"], "no experts"),
    (["--with", "power-cap=0.1"], "Raise power-cap"),
    (["--with", "speculative=draft:nothing-like-it"], "unknown model"),
    (["--with", "kv-offload=64"], "no unit"),
    (["--with", "speculative=eagle", "-l", "tp4pp2"], "pipeline"),
])  # fmt: skip
def test_bad_techniques_are_one_message(capsys, monkeypatch, options, says):
    arguments = [a for a in PREDICT if not ("-l" in options and a in ("-l", "tp4"))]
    code, out, err = run(capsys, monkeypatch, *arguments, *options)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())
    assert "Traceback" not in err


def test_image_tokens_are_said_to_be_left_out():
    answer = drivetrain.predict_serve(model="gemma-3-27b", accelerator="h100-sxm", layout="tp2", engine="vllm",
                                      isl=1000, osl=100, concurrency=4)  # fmt: skip
    said = [a for a in answer["assumptions"] if a["what"] == "image tokens of gemma-3-27b"]
    assert len(said) == 1
    assert said[0]["value"].startswith("not modelled")
