"""``plan train``: every way to say what there is to spend, what follows from it, and what cannot be."""

import math
import re

import pytest

from drivetrain.errors import BadInputError
from drivetrain.training.scaling.known import parametric
from drivetrain.training.scaling.optimum import optimum
from drivetrain.verbs.plan_train import plan_train
from drivetrain.verbs.train_solve import ladder

H100 = {"accelerator": "h100-sxm"}
CONTRACT = ("params", "active_params", "tokens", "loss", "layout", "step_time_s", "mfu", "hfu", "effective_time_frac",
            "days", "usd", "energy_j", "carbon_kg", "memory_bytes", "breakdown_s", "breakdown", "ranges",
            "sources")  # fmt: skip


def test_the_question_of_the_issue():
    got = plan_train(flops=5.76e23, n=2048, fabric="ib-ndr", **H100)
    assert got["feasible"]
    assert all(got[name] is not None for name in CONTRACT)
    best = optimum(parametric(), 5.76e23)
    assert got["params"] == pytest.approx(best.params, rel=0.01)
    assert got["tokens"] == pytest.approx(best.tokens, rel=0.01)
    assert got["flops"] == pytest.approx(5.76e23)
    assert got["flops"] == pytest.approx(6 * got["params"] * got["tokens"])
    assert got["loss"]["p10"] < got["loss"]["value"] < got["loss"]["p90"]
    assert got["loss"]["value"] == pytest.approx(best.loss, rel=1e-4)
    assert 0.35 < got["mfu"] < 0.55
    assert got["limited_by"] == "flops"
    assert got["n_layouts"] > 1000


def test_numbers_follow_from_one_another():
    got = plan_train(flops=5.76e23, n=2048, fabric="ib-ndr", spares=16, **H100)
    tokens = got["global_batch"] * got["seq"]
    assert sum(got["breakdown_s"].values()) == pytest.approx(got["step_time_s"])
    assert sum(got["breakdown"].values()) == pytest.approx(1.0)
    assert got["breakdown"]["useful"] == pytest.approx(got["mfu"])
    assert got["tokens_per_s"] == pytest.approx(tokens / got["step_time_s"])
    seconds = got["tokens"] / got["tokens_per_s"] / got["effective_time_frac"]
    assert got["days"] == pytest.approx(seconds / 86400)
    assert got["usd"] == pytest.approx((2048 + 16) * got["price"]["usd_per_hour"] * seconds / 3600)
    assert got["usd_per_trillion_tokens"] == pytest.approx(got["usd"] / got["tokens"] * 1e12)
    assert got["energy_j"] == pytest.approx(got["power_w"] * seconds)
    assert got["carbon_kg"] == pytest.approx(got["energy_j"] / 3.6e6 * 0.384)
    memory = got["memory_bytes"]
    parts = [value for name, value in memory.items() if name not in ("total", "capacity")]
    assert memory["total"] == pytest.approx(sum(parts))
    assert memory["total"] < memory["capacity"]
    good = got["goodput"]
    lost = good["checkpoint_frac"] + good["lost_frac"] + good["recovery_frac"]
    assert got["effective_time_frac"] + lost == pytest.approx(1.0)
    layouts = got["layouts"]
    assert layouts[0]["layout"] == got["layout"]
    assert [row["step_time_s"] for row in layouts] == sorted(row["step_time_s"] for row in layouts)


def test_money_is_spent_and_not_more():
    got = plan_train(budget="$2M", **H100)
    assert got["usd"] == pytest.approx(2e6, rel=1e-6)
    assert got["days"] <= 90
    assert got["limited_by"] == "budget_usd"
    best = optimum(parametric(), got["flops"])
    assert got["params"] == pytest.approx(best.params, rel=0.02)  # the size fits the compute that the money buys
    more = plan_train(budget="$4M", **H100)
    assert more["loss"]["value"] < got["loss"]["value"]


def test_time_is_used_up():
    got = plan_train(days=30, n=512, **H100)
    assert got["days"] == pytest.approx(30, rel=1e-6)
    assert got["limited_by"] == "days"
    both = plan_train(days=30, n=512, budget="$100k", **H100)
    assert both["limited_by"] == "budget_usd"
    assert both["days"] < 30


def test_power_bounds_the_cluster():
    got = plan_train(power="2 MW", days=30, **H100)
    assert got["provisioned_w"] <= 2e6
    assert got["provisioned_w"] > 2e6 / 1.6
    assert got["days"] == pytest.approx(30)
    longer = plan_train(flops=1e23, power="2 MW", **H100)
    assert longer["n_accelerators"] == got["n_accelerators"]


def test_fixed_work_takes_the_fewest_accelerators_in_time():
    got = plan_train(model="llama-3.1-8b", tokens="200B", days=10, **H100)
    assert got["days"] <= 10
    n = got["n_accelerators"]
    fewer = max(k for k in ladder(8, 8, n) if k < n)
    assert plan_train(model="llama-3.1-8b", tokens="200B", n=fewer, **H100)["days"] > 10
    faster = plan_train(model="llama-3.1-8b", tokens="200B", days=5, **H100)
    assert faster["n_accelerators"] > n
    assert faster["usd"] >= got["usd"] * 0.97  # more of them wait more


def test_a_model_alone_trains_on_its_optimal_tokens():
    got = plan_train(model="llama-3.1-8b", n=64, **H100)
    assert optimum(parametric(), got["flops"]).params == pytest.approx(got["active_params"], rel=1e-3)


def test_a_target_loss_is_reached():
    got = plan_train(target_loss=2.05, **H100)
    assert got["loss"]["value"] == pytest.approx(2.05, abs=2e-3)
    named = plan_train(model="llama-3.1-8b", target_loss=2.05, **H100)
    assert named["loss"]["value"] == pytest.approx(2.05, abs=1e-6)
    assert named["flops"] >= got["flops"] * 0.99
    served = plan_train(target_loss=2.05, served_tokens="10T", **H100)
    assert served["params"] < got["params"]
    assert served["flops"] > got["flops"]


def test_several_accelerators_are_ranked_and_unpriced_ones_told():
    got = plan_train(flops=1e22, accelerators=("a100-sxm-80gb", "h100-sxm", "h800-sxm"), n=64)
    assert [row["usd"] for row in got["by_accelerator"]] == sorted(row["usd"] for row in got["by_accelerator"])
    assert {row["accelerator"] for row in got["unpriced"]} == {"h800-sxm-80gb"}
    assert got["accelerator"] == got["by_accelerator"][0]["accelerator"]
    quick = plan_train(flops=1e22, accelerators=("a100-sxm-80gb", "h100-sxm"), n=64, objective="days")
    assert quick["accelerator"] == "h100-sxm-80gb"


def test_failures_and_slow_stores_cost_time():
    plain = plan_train(flops=5.76e23, n=2048, **H100)
    worse = plan_train(flops=5.76e23, n=2048, mtbf=5000, restart="30 min", **H100)
    blocking = plan_train(flops=5.76e23, n=2048, checkpoint="blocking", store="20 GB/s", **H100)
    assert worse["effective_time_frac"] < plain["effective_time_frac"]
    assert blocking["effective_time_frac"] < plain["effective_time_frac"]
    assert worse["days"] > plain["days"]
    assert worse["step_time_s"] == plain["step_time_s"]


def test_adapters_have_no_loss():
    got = plan_train(model="llama-3.1-8b", lora_rank=16, tokens="10M", n=8, **H100)
    assert got["loss"]["value"] is None
    with pytest.raises(BadInputError, match="needs --tokens"):
        plan_train(model="llama-3.1-8b", lora_rank=16, n=8, **H100)


@pytest.mark.parametrize(
    ("choices", "match"),
    [
        ({"flops": 5.76e23, "n": 16, "days": 30}, "give --days .* or about"),
        ({"flops": 5.76e23, "budget": "$10k"}, "raise --budget"),
        ({"flops": 5.76e23, "n": 8}, r"does not fit .* Use more accelerators \(\d+ hold it\)"),
        ({"flops": 5.76e23, "n": 2048, "power": "1 MW"}, "raise --power"),
        ({"power": "1 kW"}, "does not feed"),
        ({"budget": "$0.01"}, "outside what can be planned"),
        ({"model": "llama-3.1-8b", "target_loss": 1.9}, "its limit"),
        ({"flops": 5.76e23, "days": 0.1}, "Raise --days"),
        ({"flops": 1e21, "precision": "nvfp4"}, "no nvfp4 units"),
        ({"target_loss": 1.9, "unique_tokens": "3B"}, "however often they are seen: 2.468 is the limit"),
        ({"model": "llama-3.1-8b", "target_loss": 2.0, "unique_tokens": "10B"}, "however often its unique tokens"),
    ],
)
def test_what_cannot_be_says_what_to_change(choices, match):
    got = plan_train(**choices, **H100)
    assert not got["feasible"]
    assert got["layout"] is None
    assert re.search(match, got["verdict"]), got["verdict"]


@pytest.mark.parametrize(
    ("choices", "match"),
    [
        ({}, "say what there is"),
        ({"days": 30}, "days alone"),
        ({"flops": 1e15}, "too small a budget: .* outside what can be planned .* Give more"),
        ({"flops": 1e40}, "too large a budget: .* Give less"),
        ({"target_loss": 10.0}, "all that a loss of 10 takes"),
        ({"target_loss": 2.0, "served_tokens": 1e12, "unique_tokens": 1e11}, "no law here"),
        ({"flops": 1e22, "unique_tokens": 1e11, "law": "moe"}, "says nothing of tokens seen again"),
        ({"flops": 1e22, "sizes": "8,x"}, "sizes must be whole numbers"),
        ({"flops": 1e22, "served_tokens": 1e12}, "give --target-loss"),
        ({"flops": 1e22, "layout": "tp8"}, "give --model too"),
        ({"target_loss": 1.5}, "out of reach"),
        ({"flops": 1e22, "law": "nobody"}, "unknown scaling law"),
        ({"flops": 1e22, "region": "moon"}, "unknown region"),
    ],
)
def test_questions_that_make_no_sense(choices, match):
    with pytest.raises(BadInputError, match=match):
        plan_train(**choices, **H100)


def test_a_mixture_counts_as_more_compute_and_its_range_is_wider():
    got = plan_train(model="mixtral-8x7b", tokens="100B", n=64, **H100)
    assert got["active_params"] < got["params"]
    assert any("experts of 4 times the active size count as 1.7 times the compute" in note for note in got["notes"])
    as_dense = plan_train(model="mixtral-8x7b", tokens="100B", n=64, compute_gain=1, **H100)
    assert got["loss"]["value"] < as_dense["loss"]["value"]
    assert as_dense["loss"]["compute_gain"] == 1.0
    mine, dense = (answer["loss"]["p90"] - answer["loss"]["p10"] for answer in (got, as_dense))
    assert mine > dense


def test_the_law_of_mixtures_is_used_where_it_is_asked_for():
    got = plan_train(model="mixtral-8x7b", tokens="100B", n=64, law="moe", **H100)
    assert got["loss"]["law"] == "ludziejewski-2025"
    assert got["loss"]["p10"] < got["loss"]["value"] < got["loss"]["p90"]
    assert got["scaling"]["tokens_per_param"]["p10"] is None
    assert any("unverified" in note for note in got["notes"])


def test_a_free_size_may_be_a_mixture():
    dense, mixed = (plan_train(flops=1e23, n=256, experts=experts, **H100) for experts in (1, 16))
    assert mixed["params"] > 8 * mixed["active_params"]
    assert mixed["flops"] == pytest.approx(dense["flops"], rel=1e-9)
    assert mixed["loss"]["value"] < dense["loss"]["value"]
    assert mixed["days"] > dense["days"]
    with pytest.raises(BadInputError, match="has its own"):
        plan_train(model="mixtral-8x7b", tokens="1B", n=64, experts=8, **H100)
    with pytest.raises(BadInputError, match="whole number from 1"):
        plan_train(flops=1e23, n=256, experts=500, **H100)


def test_same_question_same_answer():
    one, two = (plan_train(flops=1e22, n=64, **H100) for _ in range(2))
    for answer in (one, two):
        answer.pop("elapsed_s")
    assert one == two


def test_the_front_of_layouts_falls_in_time_as_it_rises_in_memory():
    got = plan_train(flops=1e22, n=64, **H100)
    front = got["layout_front"]
    assert len(front) >= 3
    assert [row["memory_bytes"] for row in front] == sorted(row["memory_bytes"] for row in front)
    assert [row["step_time_s"] for row in front] == sorted((row["step_time_s"] for row in front), reverse=True)
    assert front[-1]["layout"] == got["layout"]
    assert all(row["slower_frac"] < 1.0 for row in front)


def test_a_run_of_centuries_is_no_plan():
    got = plan_train(model="llama-3.1-8b", tokens=1e22, n=8, **H100)
    assert not got["feasible"]
    assert "years; use more accelerators" in got["verdict"]


def test_flops_and_tokens_together_make_the_size():
    got = plan_train(flops=1e22, tokens="1T", n=8, **H100)
    assert got["params"] == pytest.approx(1e22 / 6e12, rel=0.02)
    assert got["tokens"] == pytest.approx(1e12, rel=0.02)
    assert got["flops"] == pytest.approx(1e22)
    assert any("tokens per parameter" in note for note in got["notes"])


def test_a_stock_of_data_bends_the_plan_only_where_tokens_are_seen_again():
    plenty, none = (plan_train(flops=1e23, n=64, unique_tokens=u, **H100) for u in (1e13, None))
    assert plenty["loss"] == none["loss"]
    assert plenty["epochs"] == 1.0
    scarce = plan_train(flops=1e23, n=64, unique_tokens="50B", **H100)
    assert scarce["params"] < none["params"]  # Muennighoff et al.: rather more epochs than parameters
    assert scarce["loss"]["value"] > none["loss"]["value"]
    assert scarce["epochs"] == pytest.approx(scarce["tokens"] / 50e9)
    assert scarce["loss"]["counted_tokens"] < scarce["tokens"]
    assert any("50B unique tokens are seen" in note for note in scarce["notes"])
    reached = plan_train(target_loss=scarce["loss"]["value"], n=64, unique_tokens="50B", **H100)
    assert reached["flops"] == pytest.approx(1e23, rel=0.03)


def test_a_price_of_ones_own():
    got = plan_train(flops=1e22, n=64, price="$2/h", **H100)
    assert got["usd"] == pytest.approx(2.0 * 64 * 24 * got["days"])
    assert got["price"]["source"] == "your choice"
    with pytest.raises(BadInputError, match="one --accelerator"):
        plan_train(flops=1e22, price=2.0)


def test_energy_is_less_sure_than_speed():
    got = plan_train(flops=1e22, n=64, **H100)
    days, energy = got["ranges"]["days"], got["ranges"]["energy_j"]
    assert energy["p90"] / got["energy_j"] > days["p90"] / got["days"]
    assert energy["p10"] / got["energy_j"] < days["p10"] / got["days"]
    # PUE 1.2 up to 1.58, draw 0.76 up to 0.82, in quadrature
    high = math.exp(math.hypot(math.log(1.58 / 1.2), math.log(0.82 / 0.76)))
    assert got["ranges"]["power_w"]["p90"] / got["power_w"] == pytest.approx(high, rel=1e-6)


def test_the_law_around_a_run():
    law = plan_train(flops=5.88e23, n=2048, **H100)["scaling"]
    assert law["optimal_params"] == pytest.approx(74.0e9, rel=1e-3)
    assert law["optimal_tokens"] == pytest.approx(1.325e12, rel=1e-3)
    assert law["optimal_loss"] == pytest.approx(1.9733, abs=5e-5)
    assert law["tokens_per_param"]["value"] == pytest.approx(17.9, abs=0.02)
    assert law["ten_times_loss"] == pytest.approx(
        1.8172 + (law["optimal_loss"] - 1.8172) * law["excess_kept_frac"], 1e-4
    )
    assert law["irreducible_loss"] == pytest.approx(1.8172, abs=1e-4)


def test_power_leaves_at_most_a_seventh_unused():
    for megawatts in (1, 2, 5, 10):
        got = plan_train(model="llama-3.1-8b", tokens="1T", power=f"{megawatts} MW", **H100)
        assert 6 / 7 - 0.01 < got["provisioned_w"] / (megawatts * 1e6) <= 1.0


def test_sizes_alone_compare_the_network_at_hand():
    found = plan_train(flops=1e22, n=64, fabric="efa", sizes="64,512", **H100)["fabrics"]
    assert [(row["fabric"], row["n_accelerators"]) for row in found["rows"]] == [("efa-v2", 64), ("efa-v2", 512)]
