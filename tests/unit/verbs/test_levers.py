"""Levers from where a plan stands: what nothing gains, what re-planning confirms, what is left out."""

import shlex

import pytest
from plans_to_pull import DENSE, MIXTURE, found, standing

import drivetrain
from drivetrain.verbs.levers import levers_of
from drivetrain.verbs.setting import Lever, Missing
from drivetrain.verbs.standing import Pull

CROWD = 3000.0  # requests/s: so many that whole replicas hide nothing


@pytest.fixture(scope="module")
def dense():
    return drivetrain.plan_serve(**DENSE)


@pytest.fixture(scope="module")
def mixture():
    return drivetrain.plan_serve(**(MIXTURE | {"levers": "all"}))


def alone(answer):
    return {row["lever"]: row for row in answer["levers"] if not row["pair"]}


def pairs(answer):
    return [row for row in answer["levers"] if row["pair"]]


def asked(row, answer):
    """The question with the options of a lever added: the same accelerator, layout and engine unless it says so."""
    question = {"layouts": answer["levers_from"]["layout"], "engines": (answer["levers_from"]["engine"],)}
    words = iter(shlex.split(row["option"]))
    field = {"--weights": "weights", "--kv": "kv", "--with": "techniques", "--layouts": "layouts", "--model": "model",
             "--engines": "engines", "--slo": "slo", "--disaggregate": "disaggregate"}  # fmt: skip
    for word in words:
        if word == "--allow-unverified":
            question["allow_unverified"] = True
        elif word == "--prefix-hit":
            question["prefix_hit"] = float(next(words))
        else:
            question[field[word]] = next(words)
    if "disaggregate" in question:
        del question["layouts"]
    return question


def cost_of_a_crowd(base, **changes):
    question = base | {"rate": CROWD, "levers": "off", "max_accelerators": 1e6} | changes
    return drivetrain.plan_serve(**question)["best"]["usd_per_million_output_tokens"]


@pytest.mark.parametrize("frees", [False, True])
def test_doing_nothing_gains_nothing(frees):
    stand = standing()
    pull = stand.pull(Lever("nothing", "nothing", frees_memory=frees))
    assert isinstance(pull, Pull)
    assert pull.gain == pytest.approx(0.0, abs=1e-12)
    assert pull.layout == stand.layout


@pytest.mark.parametrize(("base", "names"), [
    (DENSE, ["weights=int4", "kv_dtype=fp8", "speculative=eagle", "sibling=llama-3.1-8b", "tpot_p95=75 ms",
             "chunked-prefill=off", "prefix_hit=0.1", "disaggregate=on"]),
    (MIXTURE, ["weights=nvfp4", "speculative=mtp", "layout="]),
])  # fmt: skip
def test_a_gain_is_what_planning_with_the_lever_gives(base, names, dense, mixture):
    answer = dense if base is DENSE else mixture
    here = {"layouts": answer["levers_from"]["layout"], "engines": (answer["levers_from"]["engine"],)}
    was = cost_of_a_crowd(base, **here)
    for name in names:
        row = next(row for key, row in alone(answer).items() if key.startswith(name))
        now = cost_of_a_crowd(base, **asked(row, answer))
        # pairs of pools are searched from a shortlist, which differs with the number of replicas
        slack = 0.02 if name == "disaggregate=on" else 0.006
        assert row["gain_frac"] == pytest.approx(1 - now / was, abs=slack), name


def test_the_gain_of_a_pair_is_what_planning_with_both_gives(dense):
    pair = pairs(dense)[0]
    here = {"layouts": dense["levers_from"]["layout"], "engines": (dense["levers_from"]["engine"],)}
    now = cost_of_a_crowd(DENSE, **asked(pair, dense))
    assert pair["gain_frac"] == pytest.approx(1 - now / cost_of_a_crowd(DENSE, **here), abs=0.006)


@pytest.mark.parametrize("which", ["dense", "mixture"])
def test_rows_are_ranked_and_say_what_they_cost_in_quality(which, request):
    answer = request.getfixturevalue(which)
    rows = [row for row in answer["levers"] if not row["pair"]]
    gains = [row["gain_frac"] for row in rows]
    assert gains == sorted(gains, reverse=True)
    assert len({row["lever"] for row in answer["levers"]}) == len(answer["levers"])
    for row in answer["levers"]:
        quality = row["quality_delta"]
        assert row["changes_output"] or quality["recovery"] == 1.0
        assert quality["recovery"] is None or quality["sources"] or not row["changes_output"]
        assert row["value"] == pytest.approx(answer["levers_from"]["value"] * (1 - row["gain_frac"]))
        assert row["metric"] == "usd_per_million_tokens_full_load"
        assert row["tier"] in ("calibrated", "roofline", "assumed")
        assert bool(row["allow"]) or not row["changes_output"]
    for missing in answer["levers_not_available"]:
        assert missing["reason"]
        assert missing["lever"] not in alone(answer)


@pytest.mark.parametrize("which", ["dense", "mixture"])
def test_pairs_gain_more_than_either_alone(which, request):
    answer = request.getfixturevalue(which)
    assert pairs(answer)
    gains = [row["gain_frac"] for row in pairs(answer)]
    assert gains == sorted(gains, reverse=True)
    for row in pairs(answer):
        assert row["lever"] == " + ".join(row["parts"])
        assert row["gain_frac"] > max(gain for gain in row["alone_frac"] if gain is not None)


def test_all_pairs_at_least_as_well_as_quick():
    resolved, _, targets, _, chosen = found()
    quick, all_ = (levers_of(resolved, targets, chosen, mode) for mode in ("quick", "all"))
    best = [next(row["gain_frac"] for row in levers.rows if row["pair"]) for levers in (quick, all_)]
    assert best[1] >= best[0] - 1e-12
    assert levers_of(resolved, targets, chosen, "off").rows == []


def test_what_the_engine_does_not_run_is_left_out_with_the_reason(dense):
    reasons = {row["lever"]: row["reason"] for row in dense["levers_not_available"]}
    assert "does not run 2:4 sparse weights" in reasons["sparsity=2:4"]
    assert "no multi-token-prediction layers" in reasons["speculative=mtp"]
    assert "prefix" in reasons["kv-offload"]
    assert "energy" in reasons["power-cap"]


def test_what_nobody_knows_to_start_is_marked_and_not_paired(dense):
    row = alone(dense)["kv-compression=0.5"]
    assert "nothing on record" in row["unverified"]
    assert "--allow-unverified" in row["option"]
    assert not any("kv-compression" in pair["lever"] for pair in pairs(dense))
    assert alone(dense)["weights=fp8"]["unverified"] is None


def test_less_quality_than_asked_is_no_lever():
    answer = drivetrain.plan_serve(**DENSE, min_quality=0.99)
    assert "weights=fp8" in alone(answer)
    for row in answer["levers"]:
        assert row["quality_delta"]["recovery"] >= 0.99
    reasons = {row["lever"]: row["reason"] for row in answer["levers_not_available"]}
    assert "--min-quality asks 99 %" in reasons["sibling=llama-3.1-8b"]
    assert "unknown" in reasons["kv-compression=0.5"]


def test_lighter_weights_may_change_the_layout_and_say_which(dense):
    lighter = alone(dense)["weights=int4"]
    assert lighter["layout"] != dense["best"]["layout"]
    assert lighter["layout"] in lighter["option"]
    same = drivetrain.plan_serve(**DENSE, layouts=dense["best"]["layout"])
    assert alone(same)["weights=int4"]["layout"] == dense["best"]["layout"]
    assert alone(same)["weights=int4"]["gain_frac"] <= lighter["gain_frac"] + 1e-9


def test_a_layout_that_pays_without_the_lever_is_no_merit_of_the_lever():
    stand = standing(rate=1.0)  # a plan for few requests need not be the one for many
    base = stand.base()
    here = base[stand.layout].cost[stand.metric]
    pull = stand.pull(Lever("kv", "kv", changes={"kv_dtype": "fp8"}, frees_memory=True))
    assert isinstance(pull, Pull)
    assert pull.layout == stand.layout or base[pull.layout].cost[stand.metric] >= here * 0.998


def test_energy_is_what_counts_where_it_is_the_objective():
    answer = drivetrain.plan_serve(**DENSE, objective="energy")
    rows = alone(answer)
    assert {row["metric"] for row in rows.values()} == {"joules_per_output_token_full_load"}
    assert any(name.startswith("power-cap") for name in rows)


def test_power_caps_count_watts_in_a_room_that_is_limited():
    rows = alone(drivetrain.plan_serve(**DENSE, max_power_w=2e5))
    cap = next(row for name, row in rows.items() if name.startswith("power-cap"))
    assert cap["metric"] == "provisioned_joules_per_output_token"
    assert 0 < cap["gain_frac"] < 0.3  # less power limit is saved than taken off


def test_prefixes_and_host_memory():
    question = DENSE | {"workload": "mooncake-conversation", "slo": "ttft_p95=20s"}
    rows = alone(drivetrain.plan_serve(**question))
    assert rows["prefix cache off"]["gain_frac"] < 0
    more = next(row for name, row in rows.items() if name.startswith("prefix_hit"))
    assert more["gain_frac"] > 0
    assert not any("kv-offload" in name for name in rows)  # an unlimited cache has no use for more memory


def test_host_memory_is_judged_from_the_plan_whose_cache_is_finite():
    question = DENSE | {"workload": "mooncake-conversation", "slo": "ttft_p95=20s"}
    answer = drivetrain.plan_serve(**question, techniques="kv-offload=0GB")
    row, base = alone(answer)["kv-offload=128GB"], answer["levers_from"]
    assert 0 < row["gain_frac"] == pytest.approx(1 - row["value"] / base["value"])
    assert base["value"] == pytest.approx(answer["best"]["usd_per_million_tokens_full_load"], rel=0.01)
    said = {a["what"]: a["value"] for a in answer["assumptions"]}
    assert said["prefix hits reached"].endswith("with an unlimited cache")
    unlimited = drivetrain.plan_serve(**question)
    reasons = {one["lever"]: one["reason"] for one in unlimited["levers_not_available"]}
    assert "kv-offload=0GB" in reasons["kv-offload"]
    assert not any(a["what"] == "prefix hits reached" for a in unlimited["assumptions"])


def test_experts_have_levers_where_they_have_something_to_act_on():
    spread = drivetrain.plan_serve(**(MIXTURE | {"layouts": "dp8ep8", "techniques": "expert-imbalance=1.4"}))
    rows = alone(spread)
    assert rows["redundant-experts=32"]["gain_frac"] > 0
    assert rows["two-batch-overlap=on"]["gain_frac"] >= 0
    reasons = {row["lever"] for row in drivetrain.plan_serve(**MIXTURE)["levers_not_available"]}
    assert "redundant-experts=32" in reasons


def test_what_is_on_can_be_taken_off():
    rows = alone(drivetrain.plan_serve(**DENSE, techniques="speculative=eagle"))
    assert rows["speculative=off"]["gain_frac"] < 0
    assert "speculative=eagle" not in rows


def test_levers_of_a_sibling_are_its_own():
    answer = drivetrain.plan_serve(**DENSE, allow="sibling")
    assert answer["best"]["model"] == "llama-3.1-8b"
    row = alone(answer)["weights=fp8"]
    assert row["quality_delta"]["matched"] == "measured on this model"
    assert not any(name.startswith("sibling=") for name in alone(answer))


def test_nothing_to_compare_with_is_said():
    stand = standing()
    stand._base = {}
    assert isinstance(stand.pull(Lever("nothing", "nothing")), Missing)
