from dataclasses import replace

import pytest

from drivetrain.catalogue import loader
from drivetrain.econ.lifetime import (
    MEASURES,
    Site,
    bill,
    deepseek_v3,
    serving_bill,
    serving_shares,
    tokens_for,
    training_bill,
)
from drivetrain.errors import BadInputError

TRAIN = Site(peak_flops=989e12, mfu=0.36, watts=1250.0, usd_per_hour=2.0)
SERVE = replace(TRAIN, mfu=0.12)
PARAMS, TOKENS = 37e9, 14.8e12


@pytest.mark.parametrize(("share", "ratio"), [(0.8, 12.0), (0.9, 27.0)])
def test_by_flops_alone_serving_is_most_from_12_to_27_tokens_a_training_token(share, ratio):
    found = tokens_for(share, training_bill(PARAMS, TOKENS, TRAIN), serving_bill(PARAMS, TRAIN))
    assert found["flop"] / TOKENS == pytest.approx(ratio)
    assert found["accelerator_s"] / TOKENS == pytest.approx(ratio)


@pytest.mark.parametrize(("share", "ratio"), [(0.8, 4.0), (0.9, 9.0)])
def test_with_a_third_of_the_utilisation_from_4_to_9(share, ratio):
    found = tokens_for(share, training_bill(PARAMS, TOKENS, TRAIN), serving_bill(PARAMS, SERVE))
    for measure in ("accelerator_s", "joules", "usd"):
        assert found[measure] / TOKENS == pytest.approx(ratio)
    assert found["flop"] / TOKENS == pytest.approx(3 * ratio)


def test_development_moves_the_point_in_proportion():
    one = tokens_for(0.8, training_bill(PARAMS, TOKENS, TRAIN), serving_bill(PARAMS, SERVE))
    more = tokens_for(0.8, training_bill(PARAMS, TOKENS, TRAIN, 3.3), serving_bill(PARAMS, SERVE))
    assert all(more[m] == pytest.approx(3.3 * one[m]) for m in MEASURES)


def test_the_share_at_those_tokens_is_the_share_asked_for():
    training, per_token = training_bill(PARAMS, TOKENS, TRAIN, 2.0), serving_bill(PARAMS, SERVE)
    for measure, tokens in tokens_for(0.85, training, per_token).items():
        assert serving_shares(training, per_token, tokens)[measure] == pytest.approx(0.85)
    assert set(serving_shares(training, per_token, 0.0).values()) == {0.0}


def test_where_serving_takes_no_money_no_number_of_tokens_is_enough():
    free = serving_bill(PARAMS, replace(SERVE, usd_per_hour=0.0))
    assert tokens_for(0.8, training_bill(PARAMS, TOKENS, TRAIN), free)["usd"] == float("inf")


def test_deepseek_v3_s_bill_follows_from_its_parts():
    peak = loader.load("accelerators", "h800-sxm-80gb").flops["bf16"]
    found = deepseek_v3(loader.economics(), peak, 36_000.0)
    assert found.reported_hours == pytest.approx(2.788e6)
    assert found.reported_usd == pytest.approx(5.576e6)
    assert found.total_hours == pytest.approx(2.788e6, rel=0.02)
    assert found.usd == pytest.approx(5.576e6, rel=0.02)
    assert found.pretraining_hours == pytest.approx(2.664e6, rel=0.02)
    assert found.days * 2048 * 24 == pytest.approx(found.pretraining_hours)
    assert found.cluster_usd == pytest.approx(2048 * 36_000)
    assert found.development_usd["low"] < found.development_usd["mid"] < found.development_usd["high"]


def test_the_bill_moves_with_its_parts():
    peak = loader.load("accelerators", "h800-sxm-80gb").flops["bf16"]
    economics = loader.economics()
    half = deepseek_v3(economics, 2 * peak, 0.0).pretraining_hours
    assert half == pytest.approx(deepseek_v3(economics, peak, 0.0).pretraining_hours / 2)


@pytest.mark.parametrize("change", [{"mfu": 1.2}, {"mfu": 0.0}, {"peak_flops": 0.0}, {"watts": -1.0},
                                    {"usd_per_hour": float("nan")}])  # fmt: skip
def test_sites_that_cannot_be_are_named(change):
    with pytest.raises(BadInputError, match=next(iter(change))):
        replace(TRAIN, **change)


def test_questions_that_make_no_sense_are_refused():
    with pytest.raises(BadInputError, match="total_over_final"):
        training_bill(PARAMS, TOKENS, TRAIN, 0.5)
    with pytest.raises(BadInputError, match="share"):
        tokens_for(1.0, training_bill(PARAMS, TOKENS, TRAIN), serving_bill(PARAMS, TRAIN))
    with pytest.raises(BadInputError, match="flop"):
        bill(-1.0, TRAIN)
    with pytest.raises(BadInputError, match="tokens"):
        training_bill(PARAMS, -TOKENS, TRAIN)
