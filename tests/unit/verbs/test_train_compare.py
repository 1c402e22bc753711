"""Two training questions side by side."""

import json

import pytest

import drivetrain
from drivetrain.errors import BadInputError, FileError
from drivetrain.training_scenario import TrainScenario
from drivetrain.verbs.train_compare import compare_training, training_differences
from drivetrain.verbs.train_question import is_training, train_question

BASE = {"budget": "$50k", "days": 30, "accelerator": "h100-sxm", "fabric": "ib-ndr"}


def test_what_is_a_training_question():
    assert is_training(BASE)
    assert is_training({"verb": "predict train", "model": "llama-3.1-8b"})
    assert not is_training({"model": "llama-3.1-8b", "workload": "chat", "rate": 5})
    assert not is_training("nowhere.toml")


def test_a_mix_of_training_and_serving_is_refused():
    with pytest.raises(BadInputError, match="one asks about training"):
        drivetrain.compare(BASE, {"model": "llama-3.1-8b", "workload": "chat", "rate": 5})
    with pytest.raises(BadInputError, match="say what to compare with"):
        drivetrain.compare(BASE)
    with pytest.raises(BadInputError, match="Ask both with the same verb"):
        compare_training(BASE, BASE | {"verb": "predict train", "model": "llama-3.1-8b"})
    with pytest.raises(BadInputError, match="verb 'simulate' is not known"):
        compare_training(BASE | {"verb": "simulate"}, BASE)


def test_effects_sum_and_the_lead_is_that_of_the_losses():
    answer = drivetrain.compare(BASE, BASE | {"pricing": "on-demand", "fabric": "tcp-100g"})
    assert answer["metric"] == "loss.value"
    assert {d["field"] for d in answer["differences"]} == {"pricing", "fabric"}
    assert sum(d["effect"]["delta"] for d in answer["differences"]) == pytest.approx(answer["total_delta"])
    losses = [answer[side]["best"]["loss"]["value"] for side in "ab"]
    assert answer["total_delta"] == pytest.approx(losses[1] - losses[0])
    assert answer["lead"]["value"] == pytest.approx(losses[0] - losses[1])
    assert answer["lead"]["to_tie"] > 1.0
    assert answer["contest"] is None  # the architecture is the same


def test_the_same_question_has_no_difference_and_a_lead_of_none():
    answer = compare_training(BASE, dict(BASE))
    assert answer["differences"] == []
    assert answer["lead"]["value"] == 0.0
    assert answer["lead"]["to_tie"] is None


def test_a_common_law_makes_the_lead_surer_than_the_losses():
    answer = compare_training(BASE, BASE | {"budget": "$100k"})
    a, b = (answer[side]["best"]["loss"] for side in "ab")
    assert answer["lead"]["p90"] - answer["lead"]["p10"] < min(one["p90"] - one["p10"] for one in (a, b))
    assert answer["notes"] == ["not the same money: B costs 2 times what A costs"]


def test_the_architecture_counts_apart_from_the_system():
    answer = compare_training(BASE | {"compute_gain": 3, "pricing": "on-demand"}, BASE)
    on, effects = answer["contest"]["architecture_on_system"], answer["contest"]["effects"]
    assert on["a_on_b"] < on["b_on_b"]
    assert on["a_on_a"] < on["b_on_a"]
    assert effects["architecture"] + effects["system"] == pytest.approx(answer["total_delta"])


def test_where_the_amount_is_fixed_money_is_compared():
    fixed = {"flops": 1e22, "accelerator": "h100-sxm", "n": 64}
    assert compare_training(fixed, fixed | {"fabric": "tcp-100g"})["metric"] == "usd"
    assert compare_training(fixed, fixed | {"fabric": "tcp-100g"}, metric="speed")["metric"] == "tokens_per_s_per_accel"
    with pytest.raises(BadInputError, match="there is no number 'lossy'"):
        compare_training(fixed, fixed | {"n": 128}, metric="lossy")


def test_what_is_not_possible_is_an_answer():
    answer = compare_training({"flops": 1e22, "accelerator": "h100-sxm", "n": 64},
                              {"flops": 1e24, "accelerator": "h100-sxm", "n": 8, "days": 2})  # fmt: skip
    assert answer["a"]["feasible"]
    assert not answer["b"]["feasible"]
    assert answer["total_delta"] is None


def test_saved_answers_are_questions_and_say_what_moved(tmp_path):
    plan = drivetrain.plan_train(**BASE)
    plan["usd"] *= 2
    (tmp_path / "plan.json").write_text(json.dumps(plan, default=str))
    question = train_question(tmp_path / "plan.json")
    assert question.verb == "plan train"
    assert train_question(tmp_path).choices == question.choices
    answer = compare_training(tmp_path / "plan.json", changes={"pricing": "on-demand"})
    assert [row["field"] for row in answer["a"]["moved"]] == ["usd"]


def test_spellings_of_one_part_are_no_difference():
    one = TrainScenario(model="llama-3.1-8b", accelerators=("h100",))
    two = TrainScenario(model="llama-3.1-8b", accelerators=("h100-sxm",))
    assert training_differences(one, two) == []


def test_changes_give_way_to_what_replaces_them():
    question = train_question({"flops": 1e22, "experts": 8}).changed({"target-loss": 2.1, "model": "llama-3.1-8b"})
    assert set(question.choices) == {"target_loss", "model"}


def test_errors_name_the_file(tmp_path):
    (tmp_path / "a.toml").write_text('verb = "plan train"\nbudgett = "$5M"\n')
    with pytest.raises(FileError, match=r"a\.toml: there is no choice 'budgett'"):
        drivetrain.compare(tmp_path / "a.toml", BASE)
