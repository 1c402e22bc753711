"""What is printed and drawn of a simulation, where there is much, little and nothing to say."""

import numpy as np
import pytest

from drivetrain.report.figures.sheets import figure_of
from drivetrain.report.simulate import largest, print_simulation
from drivetrain.report.simulate_command import next_simulation
from drivetrain.report.simulate_compare import print_compared
from drivetrain.report.simulate_pictures import bars, curves, levels_over_time
from drivetrain.serving.sim.records import COMPLETED, LOST, PARTS, REJECTED
from drivetrain.serving.sim.replications import replicated
from drivetrain.serving.sim.results import summary
from drivetrain.serving.slo import parse_slo
from drivetrain.verbs.simulate_choices import question_of
from played import fleet, outcome, pool, requests

NAN = float("nan")
SCENARIO = question_of({"model": "m", "accelerator": "a", "rate": 5, "isl": 10, "osl": 10}).flat()
LIMITS = {"part": "queue", "of": "ttft", "share_frac": 0.4, "seconds": 1.0, "what": "waiting to be admitted",
          "of_what": "the time to the first token", "advice": "more replicas"}  # fmt: skip


def answer_of(done, asked, *pools, slo="", **more):
    """The fields of an answer that printing needs, around the results of ``done``."""
    there = fleet(*(pools or (pool("main", 2, usd_per_s=0.01, host_w=50.0),)))
    found = replicated([summary(done, there, asked, parse_slo(slo))], [1])
    facts = [{"pool": p.name, "prefix_cache": True} for p in there.pools]
    traffic = {"source": "t", "n": len(asked), "n_arriving": len(asked), "concurrency": None, "span_s": 10.0,
               "rate_per_s": 4.0, "iat_cv": 1.1, "input_tokens_mean": 10.0, "output_tokens_mean": 5.0,
               "prefix_frac": 0.0}  # fmt: skip
    meta = {"version": "0", "partial": False, "seed": 1, "replications": 1, "requests_per_wall_s": 1.0}
    return {"verdict": "It went so.", **found, "limits": LIMITS if found["attribution"] else None, "fleet": facts,
            "traffic": traffic, "assumptions": [], "scenario": SCENARIO, "meta": meta} | more  # fmt: skip


def usual(n=400, slo="ttft_p95=1s"):
    rng = np.random.default_rng(3)
    sent = np.arange(n) / 4
    parts = np.zeros((n, len(PARTS)))
    parts[:, :4] = rng.exponential([0.3, 0.1, 1.0, 0.2], (n, 4))
    first, finish = sent + parts[:, :2].sum(axis=1), sent + parts.sum(axis=1)
    series = [[t, 0, 2, t % 5, 3 + t % 7, 0.4, 0.9, 4, 0, 40, 0] for t in range(1, 101)]
    done = outcome(sent, first, finish, parts=parts, series=series, replica=np.arange(n) % 2,
                   joules=np.array([5000.0]), busy_s=np.array([60.0]))  # fmt: skip
    return answer_of(done, requests([10] * n, [6] * n), slo=slo)


def printed(capsys, monkeypatch, answer, print_it=print_simulation, **how):
    monkeypatch.setenv("COLUMNS", "80")
    print_it(answer, **how)
    return capsys.readouterr().out


def test_numbers_come_with_their_ranges(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, usual())
    assert "It went so." in text
    assert "within every limit" in text
    assert "95 % intervals by batch means" in text
    row = next(line for line in text.splitlines() if line.startswith("first token"))
    assert "(" in row
    assert "waiting to be admitted takes 40 % of the time to the first token" in " ".join(text.split())
    assert "200 to 200 requests each" in text
    assert max(map(len, text.splitlines()[:-1])) <= 80


def test_nothing_answered_is_said_and_not_drawn(capsys, monkeypatch):
    done = outcome([0.0, 1.0], [NAN, NAN], [NAN, NAN], status=[LOST, REJECTED], end_s=2.0, on_s=[2.0])
    answer = answer_of(done, requests([10, 10], [5, 5]), slo="ttft_p95=1s")
    text = printed(capsys, monkeypatch, answer)
    assert "1 refused, 1 lost" in text
    assert "limits" not in text
    assert "over time" not in text
    assert curves([answer], [""]) == []
    assert figure_of("simulate", answer).axes


def test_an_interrupted_run_says_so_first(capsys, monkeypatch):
    answer = usual()
    answer["meta"] = {**answer["meta"], "partial": True}
    text = printed(capsys, monkeypatch, answer)
    assert text.split("\n")[1].startswith("Interrupted")
    assert "--horizon" in next_simulation(answer)


def test_pools_stand_side_by_side(capsys, monkeypatch):
    done = outcome([0, 0, 0], [1, 2, 3], [2, 4, 6], replica=np.array([0, 1, 1]), pools=2,
                   status=[COMPLETED] * 3, on_s=[6.0, 6.0])  # fmt: skip
    two = (pool("a-pool-with-a-long-name"), pool("b"))
    text = printed(capsys, monkeypatch, answer_of(done, requests([10] * 3, [5] * 3), *two))
    assert "a-pool-with-a…" in text
    assert "per token" in text
    assert max(map(len, text.splitlines()[:-1])) <= 80


def test_small_parts_are_summed_up():
    seconds = {name: 10.0**-i for i, name in enumerate(PARTS)} | {"retry": 0.0, "network": None}
    found = largest(seconds)
    assert len(found) == 6
    assert sum(found.values()) == pytest.approx(sum(s for s in seconds.values() if s))
    assert list(found)[:5] == list(PARTS[:5])


def test_bars_keep_peaks_within_their_cells():
    assert bars([0.0] * 10, 0.0, 5) == "     "
    assert bars([1, 1, 1, 1], 2.0, 2) == "▄▄"
    assert bars([3], 3.0, 4) == "████"
    assert len(bars(list(range(1000)), 999.0, 37)) == 37


def test_levels_of_pools_are_added_up_and_shares_averaged():
    rows = [{"time_s": float(t), "pool": p, "ready": r, "queue": 1.0, "running": 2.0, "kv_frac": k, "busy_frac": k}
            for t in (1, 2) for p, r, k in (("a", 1.0, 0.8), ("b", 3.0, 0.4))]  # fmt: skip
    lines = [line.plain for line in levels_over_time({"series": rows})]
    assert "mean 2, most 2" in lines[1]
    assert "mean 4, most 4" in lines[2]
    assert "mean 50 %" in lines[3]
    assert max(map(len, lines)) <= 78


def test_what_to_ask_next_follows_from_what_was_seen():
    late = usual(slo="ttft_p95=10ms")
    assert "--replicas 2" in next_simulation(late)
    fine = usual(slo="ttft_p95=1min")
    fine["limits"] = {**LIMITS, "part": "decode"}
    fine["scenario"] = {**SCENARIO, "replicas": 2}
    fine["traffic"] = {**fine["traffic"], "prefix_frac": 0.3}
    assert "--compare route=least-loaded,prefix-aware" in next_simulation(fine)
    idle = {**fine, "traffic": {**fine["traffic"], "prefix_frac": 0.0}, "utilisation_frac": 0.2}
    assert "--replicas" not in next_simulation(idle).replace("--replicas 1", "")
    assert "--timeline" in next_simulation({**idle, "utilisation_frac": 0.6})


def compared():
    first, second = usual(), usual()
    for name, one in (("route-a", first), ("route-b", second)):
        one |= {"name": name, "choices": {"route": name}}
    difference = {"mean": -0.1, "mean_low": -0.2, "mean_high": 0.05, "method": "batch means", "differs": False}
    return {"verdict": "b is best.", "same_traffic": True, "variants": [first, second], "scenario": SCENARIO,
            "differences": [{"variant": "route-b", "against": "route-a", "ttft_s": difference, "e2e_s": None}],
            "meta": first["meta"]}  # fmt: skip


def test_variants_are_rows_and_chance_is_named(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, compared(), print_compared)
    assert "route-a" in text
    assert "in SLO" in text
    assert "−100 ms (−200 ms to +50 ms)  chance?" in text
    assert max(map(len, text.splitlines()[:-1])) <= 80


def test_curves_of_variants_have_letters():
    lines = [line.plain for line in curves(compared()["variants"], ["x", "y"], 78, 8)]
    assert any("A" in line for line in lines)
    assert any("B" in line for line in lines)
    assert "A x   B y" in lines[-1]
    assert max(map(len, lines)) <= 78


@pytest.mark.parametrize("answer", [usual(), compared()])
def test_pictures_draw_every_answer(answer, tmp_path):
    from drivetrain.report.figures.save import save

    path = tmp_path / "p.svg"
    save(figure_of("simulate", answer), path)
    assert path.stat().st_size > 5000
    again = tmp_path / "q.svg"
    save(figure_of("simulate", answer), again)
    assert again.read_bytes() == path.read_bytes()
