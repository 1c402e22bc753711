"""A plan played request by request: what it promises beside what is found, and replicas corrected."""

import pytest

from drivetrain.errors import BadInputError
from drivetrain.report.verify import verdict
from drivetrain.verbs import verify as module
from drivetrain.verbs.plan_serve import plan_serve
from drivetrain.verbs.verified_plan import corrected
from drivetrain.verbs.verify import verify

QUESTION = {"model": "llama-3.1-8b", "accelerators": ("h100-sxm",), "engines": ("vllm",), "layouts": ("tp1",),
            "isl": 1024, "osl": 200, "rate": 40, "slo": "ttft_p95=1s,tpot_p95=30ms", "levers": "off"}  # fmt: skip


@pytest.fixture(scope="module")
def plan():
    return plan_serve(**QUESTION)


def test_a_plan_is_played_at_the_rate_it_was_sized_for(plan):
    found = verify(plan)
    offered = plan["offered_output_tokens_per_s"]["rate_peak"]
    assert found["rate_per_s"] == offered
    assert found["traffic"]["rate_per_s"] == pytest.approx(offered, rel=0.1)
    assert found["replicas_planned"] == plan["best"]["replicas"]
    assert found["promised"]["ttft_s"] == plan["best"]["ttft_s"]
    assert {row["replicas"]: row["keeps_slo"] for row in found["tried"]}[found["replicas_planned"]] == found[
        "meets_slo"
    ]
    assert verify(plan) == found


def test_the_number_found_keeps_the_targets_and_one_less_does_not(plan):
    found = verify(plan)
    tried = {row["replicas"]: row["keeps_slo"] for row in found["tried"]}
    assert tried[found["replicas_needed"]]
    assert found["replicas_needed"] == 1 or tried[found["replicas_needed"] - 1] is False


@pytest.mark.parametrize("needed", [1, 2, 3, 4, 5, 9, 31, 32])
@pytest.mark.parametrize("planned", [1, 4, 5])
def test_bisection_finds_the_smallest_number_from_anywhere(monkeypatch, needed, planned):
    def play(replicas, **_):
        kept = [{"met": replicas >= needed}]
        return {"targets": kept, "unfinished": 0, "slo_goodput_frac": 1.0, **dict.fromkeys(module.METRICS)}

    monkeypatch.setattr(module, "simulate", play)
    player = module._Player({}, planned, "", lambda *_: None)
    found = module._smallest(player, player(planned))
    assert found == (needed if needed <= 8 * planned else None)
    assert len(player.known) < 14


def test_there_must_be_a_plan():
    with pytest.raises(BadInputError, match="no plan to verify"):
        verify({"best": None})


def test_the_verdict_says_what_holds():
    found = {"replicas_planned": 4, "replicas_needed": 3, "meets_slo": True, "rate_per_s": 6.0,
             "traffic": {"n": 4000, "source": "chat"}}  # fmt: skip
    assert "keeps its targets; 3 replicas would do" in verdict(found)
    assert "more replicas alone do not" in verdict(found | {"meets_slo": False, "replicas_needed": None})
    assert "no targets" in verdict(found | {"meets_slo": None})


def test_a_verified_plan_has_the_replicas_that_were_found(plan):
    """Evaluated anew at the planned number it is the same plan; at another, what scales scales."""
    best = plan["best"]
    same = corrected(plan, {"replicas_needed": best["replicas"]})
    assert same["best"] == best
    assert same["verified"] == {"replicas_needed": best["replicas"]}
    wanted = best["replicas"] + 2
    made = corrected(plan, {"replicas_needed": wanted})
    new = made["best"]
    assert new["replicas"] == wanted
    assert made["verified"]["replicas_needed"] == wanted
    assert new["n_accelerators"] == new["n_accelerators_p10"] == wanted * best["accelerators_per_replica"]
    assert new["usd_per_hour"] == pytest.approx(best["usd_per_hour"] * wanted / best["replicas"])
    assert new["max_rate_per_s"] == pytest.approx(best["max_rate_per_s"] * wanted / best["replicas"])
    assert new["ttft_s"]["p95"] < best["ttft_s"]["p95"]
    assert new["ttft_s"]["mean_p90"] < best["ttft_s"]["mean_p90"]
    assert set(new) == set(best)
    assert f"{wanted} replicas of tp1" in made["verdict"]
    assert "simulation asks for" in made["verdict"]


def test_evaluating_a_plan_anew_changes_nothing(plan):
    """The figures of the corrected plan are the planner's own: back at the planned number they are what was planned."""
    best = plan["best"]
    there = corrected(plan, {"replicas_needed": best["replicas"] + 1})
    back = corrected(there, {"replicas_needed": best["replicas"]})["best"]
    for name, value in best.items():
        if isinstance(value, float) and "usd_per_hour_p" not in name:
            assert back[name] == pytest.approx(value, rel=1e-9), name


def test_a_plan_that_nothing_saves_stays_as_planned(plan):
    assert corrected(plan, {"replicas_needed": None})["best"] == plan["best"]
    divided = plan | {"best": plan["best"] | {"layout": {"prefill": {}, "decode": {}}}}
    assert corrected(divided, {"replicas_needed": 99})["best"] == divided["best"]
