"""Disaggregated plans and predictions on the command line: shapes, exit codes, one clear message for bad input."""

import json

import pytest
from test_cli import run

QUESTION = ["plan", "serve", "-m", "llama-3.1-8b", "--isl", "4000", "--osl", "200", "-r", "40", "-a", "h100-sxm",
            "--slo", "ttft_p95=1s,tpot_p95=20ms"]  # fmt: skip
ONE = ["predict", "serve", "-m", "llama-3.1-8b", "--isl", "4000", "--osl", "200", "-a", "h100-sxm"]
POOLS = "prefill: tp1 x5, decode: tp2 x1"


@pytest.fixture
def answer(capsys, monkeypatch):
    return lambda *args: json.loads(run(capsys, monkeypatch, *args, "--format", "json")[1])


def test_a_plan_of_pools_has_the_shape_of_every_plan(answer):
    plain, apart = answer(*QUESTION), answer(*QUESTION, "--disaggregate", "on")
    assert set(plain) == set(apart)
    assert set(plain["best"]) | {"disaggregated"} == set(apart["best"])
    best = apart["best"]
    for role in ("prefill", "decode"):
        assert best["layout"][role]["replicas"] >= 1
        assert best["layout"][role]["layout"].startswith(("tp", "pp"))
    pools = best["disaggregated"]
    serving = sum(pools[role]["n_accelerators"] for role in ("prefill", "decode"))
    assert serving + best["idle_accelerators"] + best["spare_accelerators"] == best["n_accelerators"]
    assert best["ttft_s"]["p95"] <= 1.0
    assert best["tpot_s"]["p95"] <= 0.02
    assert sum(best["breakdown_s"].values()) == pytest.approx(best["tpot_s"]["mean"], rel=1e-3)
    assert best["e2e_s"]["mean"] == pytest.approx(best["ttft_s"]["mean"] + 199 * best["tpot_s"]["mean"], rel=1e-6)
    assert pools["kv_bytes_per_request"] == pytest.approx(32 * 2 * 8 * 128 * 2 * 4000)
    assert 0.0 < pools["link_use_frac"] < 1.0
    assert pools["transfer_s"] > 0.0
    assert best["support"]["status"] == "supported"
    assert any(item["what"] == "cache handover" for item in apart["assumptions"])


def test_auto_takes_the_better_of_both(answer):
    off, on, auto = (answer(*QUESTION, "--disaggregate", mode)["best"] for mode in ("off", "on", "auto"))
    assert "disaggregated" not in off
    assert auto["usd_per_hour"] == min(off["usd_per_hour"], on["usd_per_hour"])
    assert answer(*QUESTION)["best"] == off


def test_what_is_planned_is_what_is_predicted(answer):
    best = answer(*QUESTION, "--disaggregate", "on")["best"]
    layout = ", ".join(f"{role}: {pool['layout']} x{pool['replicas']}" for role, pool in best["layout"].items())
    one = answer(*ONE, "-l", layout, "-e", best["engine"], "-r", str(best["rate_per_replica"]),
                 "--max-num-seqs", str(best["max_concurrency"]),
                 "--max-batched-tokens", str(best["max_batched_tokens"]))  # fmt: skip
    for name in ("ttft_s", "tpot_s", "e2e_s"):
        assert one[name]["mean"] == pytest.approx(best[name]["mean"], rel=1e-6), name
        assert one[name]["p95"] == pytest.approx(best[name]["p95"], rel=1e-6), name
    assert one["n_accelerators"] == best["n_accelerators"]
    assert one["layout"]["decode"] == best["layout"]["decode"]


def test_a_loop_over_the_pools_holds_what_it_says(answer):
    one = answer(*ONE, "-l", POOLS, "-c", "32", "--operators")
    assert one["requests_per_s"] * one["e2e_s"]["mean"] == pytest.approx(32, rel=1e-3)
    assert set(one["operators"]) == {"decode_step", "prefill_step"}
    assert one["n_accelerators"] == 7


def test_people_see_pools_transfer_and_the_way_back(capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, *QUESTION, "--disaggregate", "on")
    assert code == 0
    for word in ("prefill ", "transfer ", "decode ", "links", "as prefill", "-l 'prefill:"):
        assert word in out, word
    assert "cache handover" in err
    assert max(len(line) for line in out.splitlines()) <= 100
    code, out, _ = run(capsys, monkeypatch, *ONE, "-l", POOLS, "-r", "20", "--slo", "ttft_p95=2s")
    assert code == 0
    assert "7x h100-sxm-80gb as prefill 5x tp1 + decode 1x tp2" in out


def test_python_takes_the_layout_of_an_answer():
    import drivetrain

    best = drivetrain.plan_serve(model="llama-3.1-8b", isl=4000, osl=200, rate=40, accelerators="h100-sxm",
                                 disaggregate="on")["best"]  # fmt: skip
    one = drivetrain.predict_serve(model="llama-3.1-8b", isl=4000, osl=200, rate=40, accelerator="h100-sxm",
                                   engine=best["engine"], layout=best["layout"])  # fmt: skip
    assert one["n_accelerators"] == best["n_accelerators"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ([*QUESTION, "--disaggregate", "maybe"], 2, "Choose off, on, auto"),
        ([*QUESTION, "--disaggregate", "on", "-e", "llamacpp"], 2, "hand llama-3.1-8b over"),
        ([*QUESTION, "--layouts", "prefill: tp1, decode: tp2"], 2, "add --disaggregate on"),
        ([*QUESTION, "--disaggregate", "on", "--layouts", POOLS], 2, "a plan chooses the replicas"),
        ([*QUESTION, "--disaggregate", "on", "--layouts", "prefill: tp1"], 2, "no decode pool"),
        ([*QUESTION, "--disaggregate", "on", "--layouts", "prefill: tp3, decode: tp1"], 2, "do not divide over tp3"),
        ([*ONE, "-l", "prefill: tp1 x0, decode: tp2", "-r", "1"], 2, "at least one replica"),
        ([*ONE, "-l", "prefill: tp1pp2, decode: tp2", "-e", "vllm", "-r", "1"], 2, "same pp in both pools"),
        ([*ONE, "-l", POOLS, "-r", "1", "-c", "1"], 2, "either --rate"),
        ([*ONE, "-l", POOLS, "-r", "1e6"], 1, "more than these pools can take"),
        ([*ONE, "-l", POOLS, "-a", "h100-sxm,mi300x", "-r", "1"], 2, "no engine hands over between"),
        ([*ONE, "-l", POOLS, "-a", "h100-sxm,h200-sxm,b200-sxm", "-r", "1"], 2, "one --accelerator for both"),
    ],
)
def test_bad_input_is_one_message(capsys, monkeypatch, args, code, says):
    got, out, err = run(capsys, monkeypatch, *args)
    assert got == code
    assert out == ""
    assert says in " ".join(err.split())
    assert "Traceback" not in err


def test_limits_below_the_smallest_pools_say_what_is_missing(capsys, monkeypatch):
    args = [*QUESTION, "--disaggregate", "on", "--max-accelerators", "3", "--format", "json"]
    code, out, _ = run(capsys, monkeypatch, *args)
    answer = json.loads(out)
    assert code == 1
    assert answer["best"] is None
    over = answer["closest_miss"]["violates"][0]
    assert over["limit"] == "max_accelerators"
    assert over["needed"] > over["limit_value"] == 3
    assert "Raise that limit" in answer["verdict"]


def test_targets_that_no_pools_meet_name_the_closest(capsys, monkeypatch):
    args = [*QUESTION[:-1], "tpot_p95=1ms", "--disaggregate", "on", "--format", "json"]
    code, out, _ = run(capsys, monkeypatch, *args)
    answer = json.loads(out)
    assert code == 1
    assert answer["closest_miss"]["violates"][0]["slo"] == "tpot_p95"
    assert "as prefill" in answer["verdict"]
