"""``simulate`` as Python calls it: the contract, determinism, replications, comparison, interruption."""

import json

import pytest

from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.verbs import simulate_run
from drivetrain.verbs.simulate import simulate
from drivetrain.verbs.simulate_choices import question_of
from drivetrain.verbs.simulate_compare import best_of, compare_variants, variants_of
from drivetrain.verbs.simulate_traffic import sessions_of

CONTRACT = ("n_requests", "completed", "rejected", "lost", "unfinished", "ttft_s", "itl_s", "tpot_s", "e2e_s",
            "slo_goodput_frac", "output_tokens_per_s", "utilisation_frac", "kv_occupancy_frac", "cache_hit_frac",
            "preemptions", "usd_per_million_output_tokens", "joules_per_output_token", "attribution",
            "meta")  # fmt: skip
FLEET = {"model": "llama-3.1-8b", "accelerator": "h100-sxm", "layout": "tp1", "engine": "vllm"}
DRAWN = {**FLEET, "rate": 20, "isl": 500, "osl": 50, "requests": 250}


@pytest.fixture
def trace(tmp_path):
    """Two hundred requests, four a second, whose prompts begin alike in pairs."""
    path = tmp_path / "trace.csv"
    rows = [f"{i / 4},{600 + 16 * (i % 7)},{20 + i % 50}" for i in range(200)]
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "\n".join(rows) + "\n")
    return str(path)


def without_meta(answer):
    return json.dumps({k: v for k, v in answer.items() if k != "meta"}, allow_nan=False)


def test_the_answer_has_every_field_of_the_contract(trace):
    answer = simulate(**FLEET, trace=trace, replicas=2, slo="ttft_p95=1s,tpot_p95=50ms")
    assert set(CONTRACT) <= set(answer)
    for name in ("ttft_s", "itl_s", "tpot_s", "e2e_s"):
        values = [answer[name][s] for s in ("p50", "p90", "p95", "p99")]
        assert values == sorted(values)
    assert answer["n_requests"] == answer["completed"] == 200
    assert sum(answer["attribution"].values()) == pytest.approx(1.0, abs=1e-9)
    assert sum(answer["attribution_s"].values()) == pytest.approx(answer["e2e_s"]["mean"], abs=1e-9)
    assert answer["output_tokens"] == sum(20 + i % 50 for i in range(200))
    assert sum(row["completed"] for row in answer["replicas"]) == 200
    assert 0 < answer["utilisation_frac"] <= 1
    assert 0 < answer["kv_occupancy_frac"] < 1
    assert answer["usd_per_million_output_tokens"] > 0
    assert answer["joules_per_output_token"] > 0
    assert {"elapsed_s", "requests_per_wall_s", "seed", "partial"} <= set(answer["meta"])
    assert answer["meta"]["partial"] is False


def test_the_same_seed_gives_the_same_bytes_and_the_answer_asks_itself_again(trace):
    first = simulate(**FLEET, trace=trace, replicas=2, route="random", seed=7)
    again = simulate(**FLEET, trace=trace, replicas=2, route="random", seed=7)
    other = simulate(**FLEET, trace=trace, replicas=2, route="random", seed=8)
    assert without_meta(first) == without_meta(again)
    assert without_meta(first) != without_meta(other)
    asked_again = simulate(**json.loads(json.dumps(first["scenario"])))
    assert without_meta(asked_again) == without_meta(first)
    assert asked_again["meta"]["run"] == first["meta"]["run"]


def test_replications_narrow_down_what_chance_does():
    answer = simulate(**DRAWN, replications=4)
    assert answer["n_requests"] == 1000
    assert answer["meta"]["replications"] == 4
    ttft = answer["ttft_s"]
    assert ttft["mean_low"] < ttft["mean"] < ttft["mean_high"]
    assert "4 replications" in answer["confidence"]["method"]
    assert len({row["ttft_mean_s"] for row in answer["replications"]}) == 4
    assert answer["replications"][0]["ttft_mean_s"] == simulate(**DRAWN)["ttft_s"]["mean"]


def test_replications_of_a_trace_without_chance_are_alike(trace):
    answer = simulate(**FLEET, trace=trace, replications=2)
    assert answer["confidence"]["alike"] is True
    assert answer["confidence"]["method"] == "batch means"


def test_variants_meet_the_same_requests(trace):
    answer = simulate(**FLEET, trace=trace, replicas=2, compare="route=round-robin,least-loaded,random")
    assert [v["name"] for v in answer["variants"]] == ["round-robin", "least-loaded", "random"]
    assert answer["same_traffic"] is True
    assert [d["variant"] for d in answer["differences"]] == ["least-loaded", "random"]
    alone = simulate(**FLEET, trace=trace, replicas=2, route="least-loaded")
    assert without_meta({k: v for k, v in answer["variants"][1].items() if k not in ("name", "choices")}) == (
        without_meta(alone))  # fmt: skip
    delta = answer["differences"][0]["ttft_s"]["mean"]
    assert delta == pytest.approx(answer["variants"][1]["ttft_s"]["mean"] - answer["variants"][0]["ttft_s"]["mean"])


def test_no_difference_is_no_difference(trace):
    answer = simulate(**FLEET, trace=trace, compare={"route": ["round-robin", "least-loaded"]})  # one replica
    assert answer["differences"][0]["ttft_s"]["mean"] == 0.0
    assert answer["differences"][0]["ttft_s"]["differs"] is False
    assert "beyond chance" in answer["verdict"]


def test_other_traffic_is_compared_without_pairs():
    answer = simulate(**{**DRAWN, "requests": 60}, compare="rate=5,10")
    assert answer["same_traffic"] is False
    assert answer["differences"] == []
    assert [v["traffic"]["n"] for v in answer["variants"]] == [60, 60]


def test_choices_combine_and_options_stay_with_their_policy():
    found = variants_of("route=session,prefix-events:weight=2,held=1;replicas=1,2;cache=none,lru,host=64GB")
    assert len(found) == 8
    assert list(found)[-1] == "prefix-events:weight=2,held=1, replicas=2, cache=lru,host=64GB"


@pytest.mark.parametrize(
    "text", ["route", "route=", "route=random", "a=1,2;a=3,4", "seed=" + ",".join(map(str, range(65)))]
)
def test_a_comparison_of_nothing_is_refused(text):
    with pytest.raises(BadInputError):
        variants_of(text)


def test_the_best_keeps_targets_first_and_waits_least_then():
    def answer(goodput, ttft, targets=()):
        return {"slo_goodput_frac": goodput, "ttft_s": {"mean": ttft}, "e2e_s": {"mean": ttft}, "targets": targets}

    assert best_of([answer(1.0, 2.0), answer(1.0, 1.0)]) == 1
    assert best_of([answer(0.9, 1.0, [1]), answer(0.99, 2.0, [1])]) == 1
    assert best_of([answer(0.9, None), answer(0.9, 2.0)]) == 1


def test_a_horizon_ends_the_run_and_is_no_interruption():
    answer = simulate(**{**DRAWN, "rate": 50}, horizon="2s")
    assert answer["meta"]["partial"] is False
    assert answer["duration_s"] <= 2.0
    assert 0 < answer["sent"] < answer["n_requests"]
    assert answer["completed"] + answer["unfinished"] == 250
    assert "of 250 requests" in answer["verdict"]


def interrupted_after(monkeypatch, n):
    """``run.simulate`` that is interrupted before its ``n + 1``-th run."""
    calls = []
    real = simulate_run.simulate

    def fake(*args):
        calls.append(args)
        if len(calls) > n:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(simulate_run, "simulate", fake)


def test_interrupted_replications_count_those_that_were_done(monkeypatch):
    interrupted_after(monkeypatch, 2)
    answer = simulate(**{**DRAWN, "requests": 60}, replications=5)
    assert answer["meta"]["partial"] is True
    assert answer["meta"]["replications"] == 2
    assert answer["n_requests"] == 120


def test_an_interrupted_comparison_keeps_the_variants_that_were_done(monkeypatch):
    interrupted_after(monkeypatch, 1)
    answer = simulate(**{**DRAWN, "requests": 60}, compare="replicas=1,2,3")
    assert answer["meta"]["partial"] is True
    assert [v["name"] for v in answer["variants"]] == ["replicas=1"]
    assert "interrupted" in answer["verdict"]


def test_an_interrupted_run_is_marked_partial(monkeypatch):
    real = simulate_run.simulate

    def cut(fleet, requests, options, progress=None):
        from dataclasses import replace

        return real(fleet, requests, replace(options, horizon_s=1.0), progress)

    monkeypatch.setattr(simulate_run, "simulate", cut)
    answer = simulate(**DRAWN)
    assert answer["meta"]["partial"] is True
    assert answer["unfinished"] > 0


def test_progress_is_told_with_what_is_played(trace):
    told = []
    simulate(**FLEET, trace=trace, tell=lambda *args: told.append(args), compare="replicas=1,2")
    assert all(0 <= done <= total for _, done, total in told)
    assert {stage for stage, _, _ in told} <= {"replicas=1 (1 of 2)", "replicas=2 (2 of 2)"}


def test_where_requests_come_from_is_matched_with_regions():
    two = {**DRAWN, "requests": 100, "origins": "us=0.5,eu=0.5", "pool": "far: replicas=1, region=eu", "region": "us"}
    near = simulate(**two, route="cheapest-region:ttft=50ms")
    assert {row["region"] for row in near["pools"]} == {"us", "eu"}
    assert all(row["completed"] > 0 for row in near["pools"])
    with pytest.raises(DrivetrainError, match="atlantis"):
        simulate(**{**two, "origins": "atlantis=1"})


def test_sessions_are_read_with_units_and_suggestions():
    assert sessions_of("calls=20, gap=500ms, new-tokens=2k").new_tokens == 2000
    with pytest.raises(BadInputError, match="calls"):
        sessions_of("cals=3")
    with pytest.raises(BadInputError, match="twice"):
        sessions_of("gap=1s,gap_s=2s")
    answer = simulate(**{**DRAWN, "requests": 120}, sessions="calls=6,gap=1s")
    assert answer["cache_hit_frac"] > 0.1


def test_traffic_is_made_once_for_all_variants(monkeypatch, trace):
    made = []
    real = simulate_run.traffic_of
    monkeypatch.setattr(simulate_run, "traffic_of", lambda *args: made.append(args) or real(*args))
    compare_variants(question_of({**FLEET, "trace": trace}), "replicas=1,2,3")
    assert len(made) == 1
