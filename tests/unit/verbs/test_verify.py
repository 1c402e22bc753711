"""A plan played request by request: what it promises beside what is found, and replicas corrected."""

import pytest

from drivetrain.errors import BadInputError
from drivetrain.report.verify import verdict
from drivetrain.verbs import verify as module
from drivetrain.verbs.plan_serve import plan_serve
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
