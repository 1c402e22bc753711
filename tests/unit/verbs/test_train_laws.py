"""``predict loss``: every law asked the same, what completes a question, what cannot be."""

import pytest

from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.training.scaling.known import parametric
from drivetrain.training.scaling.lifetime import Serving, cheapest_for_loss
from drivetrain.verbs.train_laws import predict_loss


def test_the_budget_of_gopher():
    """Hoffmann et al.'s budget under the corrected law: 74.0B, 1.325T, 17.9 tokens a parameter, loss 1.9733."""
    answer = predict_loss(flops=5.88e23)
    row = answer["laws"][0]
    assert row["law"] == "chinchilla"
    assert (row["params"], row["tokens"]) == pytest.approx((74.0e9, 1.325e12), rel=1e-3)
    assert row["loss"]["value"] == pytest.approx(1.9733, abs=5e-5)
    ratio = row["optimum"]["tokens_per_param"]
    assert (ratio["p10"], ratio["value"], ratio["p90"]) == pytest.approx((9.86, 17.9, 29.0), rel=0.02)
    assert ratio["wide_p10"] < ratio["p10"]
    assert row["ratio_exponent_p10"] < 0 < row["ratio_exponent_p90"]
    assert {one["law"] for one in answer["laws"]} >= {"hoffmann-2022", "muennighoff-2023", "ludziejewski-2025"}
    for one in answer["laws"]:
        assert one["flops"] == pytest.approx(5.88e23)
        assert one["loss"]["p10"] < one["loss"]["value"] < one["loss"]["p90"]
        assert one["loss"]["value"] == pytest.approx(one["optimum"]["loss"], rel=1e-9)
        assert one["ten_times_loss"] < one["loss"]["value"]


@pytest.mark.parametrize(
    ("choices", "params", "tokens"),
    [
        ({"params": "70B", "tokens": "1.4T"}, 70e9, 1.4e12),
        ({"params": 70e9, "flops": 5.88e23}, 70e9, 1.4e12),
        ({"tokens": "1.4T", "flops": 5.88e23}, 70e9, 1.4e12),
    ],
)
def test_two_of_three_fix_the_run(choices, params, tokens):
    row = predict_loss(laws=["chinchilla"], **choices)["laws"][0]
    assert (row["params"], row["tokens"]) == pytest.approx((params, tokens))
    assert row["loss"]["value"] == pytest.approx(parametric().loss(70e9, 1.4e12))


def test_one_is_completed_to_the_best():
    budget = predict_loss(laws=["chinchilla"], flops=1e23)["laws"][0]
    for name in ("params", "tokens"):
        assert predict_loss(laws=["chinchilla"], **{name: budget[name]})["laws"][0]["flops"] == pytest.approx(1e23)
    found = predict_loss(laws=["chinchilla"], target_loss=budget["loss"]["value"])["laws"][0]
    assert found["flops"] == pytest.approx(1e23, rel=1e-6)


def test_a_model_served_later_is_smaller():
    plain, served = (
        predict_loss(laws=["chinchilla"], target_loss=2.0, served_tokens=t)["laws"][0] for t in (None, "10T")
    )
    best = cheapest_for_loss(parametric(), 2.0, Serving(output_tokens=1e13))
    assert served["params"] == pytest.approx(best.params)
    assert served["params"] < plain["params"]
    assert served["loss"]["value"] == pytest.approx(2.0)


def test_a_law_that_cannot_answer_is_told_apart():
    answer = predict_loss(flops=1e23, unique_tokens="50B")
    assert "ludziejewski-2025" in answer["not_possible"]
    assert answer["laws"][0]["epochs"] > 1.0
    with pytest.raises(BadInputError, match="says nothing of tokens seen again"):
        predict_loss(laws=["moe"], flops=1e23, unique_tokens="50B")


def test_nothing_asked_shows_the_laws():
    answer = predict_loss()
    assert "loss" not in answer["laws"][0]
    assert answer["laws"][0]["coefficients"]["e"]["value"] == pytest.approx(1.8172, abs=1e-4)
    assert answer["laws"][0]["fitted"]["n_runs"] == 240
    assert any("Besiroglu" in text for text in answer["sources"])


@pytest.mark.parametrize(
    ("choices", "error", "match"),
    [
        ({"params": 1e9, "tokens": 1e9, "flops": 1e20}, BadInputError, "more than there is"),
        ({"target_loss": 2.0, "flops": 1e20}, BadInputError, "each fix how much"),
        ({"flops": 1e20, "served_tokens": 1e12}, BadInputError, "target-loss alone"),
        ({"target_loss": 1.5, "laws": ["chinchilla"]}, BadInputError, "out of reach"),
        ({"params": "8B", "target_loss": 1.9, "laws": ["chinchilla"]}, BadInputError, "on no amount"),
        ({"params": "many"}, BadInputError, "params = 'many'"),
        ({"flops": -1.0}, BadInputError, "flops is -1"),
        ({"flops": 1e20, "laws": ["nobody"]}, UnknownNameError, "unknown scaling law"),
    ],
)
def test_what_makes_no_sense_is_told(choices, error, match):
    with pytest.raises(error, match=match):
        predict_loss(**choices)
