"""What the search may do otherwise: what is read, what contradicts, what the least quality does to the plan."""

import math

import pytest
from plans_to_pull import DENSE, found

import drivetrain
from drivetrain.errors import BadInputError
from drivetrain.scenario import ServeScenario
from drivetrain.verbs.allowed import allowed_levers, permitted
from drivetrain.verbs.combinations import burdens, changes_in, kept_by
from drivetrain.verbs.resolve import resolve

FAST = DENSE | {"levers": "off"}


def names(**choices):
    resolved = permitted(resolve(ServeScenario(**(FAST | choices))))
    return [lever.name for lever in allowed_levers(resolved).levers]


def cost(answer):
    return answer["best"]["usd_per_million_output_tokens"] if answer["feasible"] else math.inf


def test_nothing_is_allowed_by_default():
    assert names() == []
    best = drivetrain.plan_serve(**FAST)["best"]
    assert best["output_changes"] == []
    assert best["quality_delta"]["recovery"] == 1.0
    assert best["with"] == ""


def test_terms_in_general_precisely_and_all():
    assert set(names(allow="weights")) == {"weights=fp8", "weights=int8", "weights=int4"}
    assert names(allow="weights=fp8,kv_dtype=fp8") == ["weights=fp8", "kv_dtype=fp8"]
    assert names(allow="kv-compression=0.3,power-cap=0.6") == ["kv-compression=0.3", "power-cap=0.6"]
    assert names(allow="speculative=draft:llama-3.2-1b") == ["speculative=draft:llama-3.2-1b"]
    assert names(allow="sibling=llama-3.1-8b") == names(allow="sibling") == ["sibling=llama-3.1-8b"]
    everything = names(allow="all")
    assert set(names(allow="weights,kv,speculative")) < set(everything)
    assert not any("mtp" in name for name in everything)  # the model has no such layers


@pytest.mark.parametrize(("choices", "says"), [
    ({"allow": "weigths"}, "Did you mean 'weights'"),
    ({"allow": "weights=fp9"}, "Did you mean 'fp8'"),
    ({"allow": "sibling=qwen3-8b"}, "not in the catalogue for llama-3.1-70b"),
    ({"allow": "kv=int2"}, "fp8, bf16 or fp16"),
    ({"allow": "kv-compression=3"}, "kv-compression"),
    ({"allow": "pruned"}, "no pruned model"),
    ({"allow": "distilled=x"}, "no distilled model"),
    ({"allow": "all=1"}, "cannot read"),
    ({"allow": "weights="}, "cannot read"),
    ({"min_quality": 99}, "from 0 to 1 or in %"),
    ({"min_quality": "much"}, "for example --min-quality 99%"),
    ({"min_quality": True}, "from 0 to 1"),
    ({"allow_unknown_quality": "yes"}, "yes or no"),
    ({"levers": "many"}, "Choose quick, all, off"),
    ({"allow": "weights=int4", "min_quality": "99.9%"}, "weights=int4 keeps 98.93 %"),
    ({"allow": "weights=int4,kv", "min_quality": 0.999}, "leaves nothing of --allow"),
    ({"allow": "kv-compression", "min_quality": 0.5}, "keeps an unknown share"),
    ({"weights": "int4", "min_quality": 0.999}, "Lower --min-quality to 98.9%"),
    ({"kv": "fp8", "min_quality": 0.99}, "kv=fp8 leaves llama-3.1-70b 97 %"),
    ({"techniques": "kv-compression=0.5", "min_quality": 0.5, "allow_unverified": True}, "--allow-unknown-quality"),
])  # fmt: skip
def test_contradictions_and_slips_are_one_clear_message(choices, says):
    with pytest.raises(BadInputError) as caught:
        drivetrain.plan_serve(**(FAST | choices))
    assert says.lower() in str(caught.value).lower()


def test_advice_about_the_least_quality_is_enough():
    assert drivetrain.plan_serve(**(FAST | {"weights": "int4", "min_quality": "98.9%"}))["feasible"]
    unknown = {"techniques": "kv-compression=0.5", "min_quality": 0.5, "allow_unverified": True}
    assert drivetrain.plan_serve(**(FAST | unknown | {"allow_unknown_quality": True}))["feasible"]


def test_asking_for_more_quality_never_makes_the_plan_cheaper():
    question = FAST | {"allow": "weights,kv,sibling,speculative", "rate": 20.0}
    least = [0.0, 0.85, 0.9, 0.96, 0.985, 0.99, 0.995, 1.0]
    answers = [drivetrain.plan_serve(**question, min_quality=q) for q in least]
    costs = [cost(answer) for answer in answers]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]
    for q, answer in zip(least, answers, strict=True):
        assert answer["best"]["quality_delta"]["recovery"] >= q
        assert all(row["quality_delta"]["recovery"] >= q for row in answer["by_accelerator"])


@pytest.mark.parametrize("allow", ["weights", "kv", "speculative", "sibling", "weights,kv", "all"])
def test_allowing_more_never_costs_more(allow):
    base = drivetrain.plan_serve(**FAST)
    assert cost(drivetrain.plan_serve(**FAST, allow=allow)) <= cost(base) + 1e-9


def test_a_plan_with_what_is_allowed_is_the_plan_with_it_chosen():
    allowed = drivetrain.plan_serve(**FAST, allow="weights=fp8")
    chosen = drivetrain.plan_serve(**(FAST | {"weights": "fp8", "kv": "bf16"}))
    assert cost(allowed) == pytest.approx(cost(chosen))
    assert allowed["best"]["output_changes"] == ["weights=fp8"]
    assert "keeps 99.9 % of the benchmark score" in allowed["verdict"]
    many = FAST | {"rate": 30.0}
    eagle = drivetrain.plan_serve(**many, allow="speculative=eagle")
    assert cost(eagle) == pytest.approx(cost(drivetrain.plan_serve(**many, techniques="speculative=eagle")))
    assert eagle["best"]["with"] == "speculative=eagle"
    assert any(a["what"] == "acceptance of a drafted token" for a in eagle["assumptions"])


def test_of_plans_that_cost_the_same_the_one_that_keeps_most_is_taken():
    """For so few requests one accelerator will do, with any of the smaller models."""
    question = FAST | {"model": "qwen3-32b", "rate": 0.2, "allow": "sibling"}
    best = drivetrain.plan_serve(**question)["best"]
    resolved, _, _, search, chosen = found(**(question | {"workload": "azure-2023-conv"}))
    same = {
        kept_by(resolved, search.outcome.jobs[int(row[0])])
        for row in search.outcome.rows
        if row[2] == 1.0 and row[7] <= chosen.fields["usd_per_hour"] * (1 + 1e-9)
    }
    assert len(same) > 1
    assert best["quality_delta"]["recovery"] == pytest.approx(max(same))


def test_burden_counts_lost_quality_before_changes_before_techniques():
    resolved, _, _, search, _ = found(allow="weights,speculative=eagle,sibling")
    jobs = search.outcome.jobs
    by_changes = {(changes_in(resolved, job), job.deployment.cut.techniques.choice.speculative): burden
                  for job, burden in zip(jobs, burdens(resolved, jobs), strict=True)}  # fmt: skip
    plain = by_changes[(), "off"]
    assert plain == 0 < by_changes[(), "eagle"] < by_changes[("weights=fp8",), "off"]
    assert by_changes[("weights=fp8",), "off"] < by_changes[("weights=int4",), "off"]
    assert by_changes[("weights=int4",), "eagle"] < by_changes[("sibling=llama-3.1-8b",), "off"]


def test_what_only_fits_when_it_is_allowed_is_planned():
    tight = FAST | {"accelerators": ("a100-sxm",), "layouts": "tp1", "slo": "tpot_p95=200ms"}
    with pytest.raises(drivetrain.errors.DoesNotFitError):
        drivetrain.plan_serve(**tight)
    best = drivetrain.plan_serve(**tight, allow="weights")["best"]
    assert best["weight_dtype"] == "int4"


def test_weights_of_another_origin_keep_their_name():
    best = drivetrain.plan_serve(
        **(
            FAST
            | {
                "model": "deepseek-r1",
                "accelerators": ("h200-sxm",),
                "slo": "tpot_p95=50ms",
                "allow": "distilled",
                "min_quality": 0.89,
            }
        )
    )["best"]
    assert best["checkpoint"] == "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"
    assert best["output_changes"] == [f"sibling={best['checkpoint']}"]


def test_what_was_allowed_and_left_out_is_said():
    said = {
        a["what"]: a["value"] for a in drivetrain.plan_serve(**FAST, allow="weights", min_quality="99%")["assumptions"]
    }
    assert said["allowed"] == "weights=fp8"
    assert "weights=int4 (98.93 %)" in said["left out, keep less"]
    assert said["least quality"] == "99 % of the benchmark score"


def test_no_deployment_that_keeps_too_little_is_searched():
    """Alone each is good enough; int4 weights with an FP8 cache are not."""
    choices = {"weights": "any", "allow": "kv,speculative=eagle", "min_quality": 0.965, "rate": 40.0}
    resolved, _, _, search, _ = found(**choices)
    kept = {kept_by(resolved, job) for job in search.jobs}
    assert min(kept) >= 0.965
    seen = {changes_in(resolved, job) for job in search.jobs}
    assert {("weights=int4",), ("kv=fp8",), ("weights=fp8", "kv=fp8")} <= seen
    assert ("weights=int4", "kv=fp8") not in seen


def test_lighter_weights_are_tried_with_the_shipped_cache():
    """FP8 weights keep 99.9 %; the FP8 cache that their first checkpoint asks for does not keep 99 %."""
    stated = drivetrain.plan_serve(**FAST, allow="weights", min_quality="99%", kv="bf16")
    left = drivetrain.plan_serve(**FAST, allow="weights", min_quality="99%")
    assert left["best"]["output_changes"] == stated["best"]["output_changes"] == ["weights=fp8"]
    assert cost(left) == pytest.approx(cost(stated))


def test_a_checkpoint_that_keeps_too_little_with_its_own_cache_is_tried_with_the_shipped_one():
    asked = resolve(ServeScenario(**(FAST | {"weights": "fp8", "min_quality": 0.99})))
    found = permitted(asked).checkpoints
    assert {c.name for c in found} == {c.name for c in asked.checkpoints}
    assert {c.kv_dtype for c in asked.checkpoints} == {"bf16", "fp8"}
    assert {c.kv_dtype for c in found} == {"bf16"}
    enough = resolve(ServeScenario(**(FAST | {"weights": "fp8", "min_quality": 0.9})))
    assert permitted(enough).checkpoints == enough.checkpoints
