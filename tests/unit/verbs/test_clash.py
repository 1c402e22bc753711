"""Constraints that contradict each other: which, how far apart, and that the advice is enough."""

import pytest

import drivetrain
from drivetrain.errors import BadInputError
from drivetrain.scenario import ServeScenario
from drivetrain.verbs.limit_words import option

QUESTION = {"model": "llama-3.1-70b", "workload": "azure-2023-conv", "rate": 5.0, "slo": "ttft_p95=2s,tpot_p95=50ms",
            "accelerators": ("h100-sxm", "h200-sxm", "mi300x"), "engines": ("vllm",)}  # fmt: skip

CLASHES = {
    "power": {"max_power_w": 4e3},
    "power below one replica": {"max_power_w": 500.0},
    "budget": {"budget_usd_per_hour": 5.0},
    "total": {"max": 3},
    "quotas of all": {"max": {"h100-sxm": 4, "h200-sxm": 2, "mi300x": 3}},
    "quota of nothing": {"max": {"h100-sxm": 0, "h200-sxm": 0, "mi300x": 0}},
    "servers": {"buy": "servers", "max": {"dgx-h100": 0, "dgx-h200": 0, "hgx-mi300x": 0}},
    "spares": {"buy": "servers", "spares": 2, "max": 20},
    "racks": {"buy": "servers", "max_racks": 1, "rack_power_w": 22e3, "rate": 60.0},
    "power and budget": {"max_power_w": 800.0, "budget_usd_per_hour": 1.0},
}


def applied(relaxation, question):
    """The question with what the advice changes."""
    changed = dict(question)
    for change in relaxation["changes"]:
        limit, to = change["limit"], change["to"] * (1 - 1e-9 if change["limit"] == "rate" else 1 + 1e-9)
        if limit == "spares":
            changed["spares"] = change["to"]
        elif limit.startswith("max "):
            quotas = ServeScenario(**changed).quotas
            name = next((n for n in quotas if limit.removeprefix("max ").startswith(n)), None)
            assert name is not None, (limit, quotas)
            changed["max"] = quotas | {name: round(to)}
        elif limit in ("max_accelerators", "max_racks"):
            changed["max" if limit == "max_accelerators" else limit] = round(to)
        elif limit in changed:
            changed[limit] = to
        else:
            metric = next(t for t in changed["slo"].split(",") if t.startswith(limit))
            changed["slo"] = changed["slo"].replace(metric, f"{limit}={to * 1e3}ms")
    return changed


@pytest.mark.parametrize("name", CLASHES)
def test_the_miss_says_what_it_takes_and_each_advice_is_enough(name):
    question = QUESTION | CLASHES[name]
    answer = drivetrain.plan_serve(**question)
    assert answer["feasible"] is False
    assert answer["best"] is None
    for violation in answer["closest_miss"]["violates"]:
        assert violation["needed"] > violation["limit_value"]
        assert option(violation["limit"], violation["limit_value"]) in answer["verdict"]
    assert answer["relaxations"]
    for relaxation in answer["relaxations"]:
        assert drivetrain.plan_serve(**applied(relaxation, question))["feasible"], relaxation


@pytest.mark.parametrize("name", ["power", "budget", "total", "servers", "spares"])
def test_less_than_the_advice_is_not_enough(name):
    question = QUESTION | CLASHES[name]
    relaxation = drivetrain.plan_serve(**question)["relaxations"][0]
    (change,) = relaxation["changes"]
    counted = change["limit"].startswith("max ") or change["limit"] == "max_accelerators"
    less = {"changes": [change | {"to": change["to"] - 1 if counted else change["to"] * 0.99}]}
    assert not drivetrain.plan_serve(**applied(less, question))["feasible"]


def test_two_limits_that_each_could_give_are_both_named():
    question = QUESTION | {"accelerators": ("mi355x", "b300-sxm-288gb"), "engines": (), "rate": 60.0}
    rows = {row["accelerator"]: row for row in drivetrain.plan_serve(**question)["by_accelerator"]}
    usd = sorted(row["usd_per_hour"] for row in rows.values())
    power = sorted(row["provisioned_power_w"] for row in rows.values())
    assert min(rows, key=lambda a: rows[a]["usd_per_hour"]) != min(rows, key=lambda a: rows[a]["provisioned_power_w"])
    answer = drivetrain.plan_serve(**question, max_power_w=sum(power) / 2, budget_usd_per_hour=sum(usd) / 2)
    assert "together leave no plan" in answer["verdict"]
    for violated in ("--max-power", "--budget"):
        assert violated in answer["verdict"]
    limits = [c["limit"] for r in answer["relaxations"] for c in r["changes"]]
    assert {"max_power_w", "budget_usd_per_hour"} <= set(limits)
    for relaxation in answer["relaxations"]:
        limited = question | {"max_power_w": sum(power) / 2, "budget_usd_per_hour": sum(usd) / 2}
        assert drivetrain.plan_serve(**applied(relaxation, limited))["feasible"], relaxation


def test_fewer_spares_may_do():
    answer = drivetrain.plan_serve(**(QUESTION | CLASHES["spares"]))
    spares = next(c for r in answer["relaxations"] for c in r["changes"] if c["limit"] == "spares")
    assert 0 <= spares["to"] < spares["from"] == 2
    assert f"lower --spares to {spares['to']}" in answer["verdict"]
    one_more = QUESTION | CLASHES["spares"] | {"spares": spares["to"] + 1}
    assert not drivetrain.plan_serve(**one_more)["feasible"]


def test_targets_that_no_purchase_meets_are_to_blame_alone():
    answer = drivetrain.plan_serve(**(QUESTION | {"slo": "tpot_p95=1ms"}), max_power_w=20e3)
    assert answer["closest_miss"]["violates"][0]["slo"] == "tpot_p95"
    assert answer["relaxations"] == []
    nothing = drivetrain.plan_serve(**(QUESTION | {"slo": "tpot_p95=1ms"}), max_power_w=50.0)
    assert [v.get("slo") or v["limit"] for v in nothing["closest_miss"]["violates"]] == ["tpot_p95", "max_power_w"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"max": {"h100sxm": 4}}, "h100-sxm"),
        ({"max": {"p5.48xlarge": 4}}, "--buy instances"),
        ({"max": {"dgx-h100": 4}, "buy": "instances", "pricing": "on-demand"}, "--buy servers"),
        ({"max": ["h100-sxm=4", "H100=8"]}, "different spellings"),
        ({"buy": "servers", "max_racks": 1, "rack_power_w": 4e3}, "--rack-power"),
        ({"accelerators": ("gaudi-2",), "budget_usd_per_hour": 100.0}, "--budget"),
        ({"buy": "instances", "providers": ("awss",)}, "aws"),
        ({"objective": "carbon", "region": "denmark"}, "carbon"),
        ({"region": "us,swedn"}, "sweden"),
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(BadInputError, match=says):
        drivetrain.plan_serve(**(QUESTION | wrong))


def test_a_rack_that_is_called_as_its_accelerator_counts_what_is_bought():
    question = QUESTION | {"accelerators": ("gb200-nvl72",), "max": {"gb200-nvl72": 1}}
    assert drivetrain.plan_serve(**question)["feasible"] is False
    assert drivetrain.plan_serve(**question, buy="servers")["best"]["n_servers"] == 1
