"""The input record of training: spellings, units, and what contradicts itself."""

import pytest

from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.training_scenario import TrainScenario, field_called, train_scenario


@pytest.mark.parametrize(
    ("spelled", "text", "field", "value"),
    [
        ("budget", "$2.5M", "budget_usd", 2.5e6),
        ("budget", "750k", "budget_usd", 7.5e5),
        ("days", "3 weeks", "days", 21.0),
        ("days", "720 h", "days", 30.0),
        ("days", "45", "days", 45.0),
        ("days", "1e2", "days", 100.0),
        ("days", ".5 weeks", "days", 3.5),
        ("mtbf", "50,700 h", "mtbf_hours", 50_700.0),
        ("mtbf", "10 days", "mtbf_hours", 240.0),
        ("price", "$2.10", "usd_per_hour", 2.1),
        ("price", "$1460/month", "usd_per_hour", 2.0),
        ("unique-tokens", "500B", "unique_tokens", 5e11),
        ("power", "10 MW", "power_w", 1e7),
        ("tokens", "1.3T", "tokens", 1.3e12),
        ("tokens", "15e12", "tokens", 15e12),
        ("seq", "8k", "seq", 8000.0),
        ("flops", "5.76e23", "flops", 5.76e23),
        ("store", "50 GB/s", "store_bytes_per_s", 5e10),
        ("restart", "5 min", "restart_s", 300.0),
        ("mtbf", "20000", "mtbf_hours", 2e4),
        ("global-batch", "2048", "global_batch", 2048.0),
        ("batch", "512", "global_batch", 512.0),
        ("accelerator", "h100-sxm", "accelerators", ("h100-sxm",)),
        ("fabrics", "ib-ndr, efa", "fabric", ("ib-ndr", "efa")),
        ("sizes", [8, 64], "sizes", ("8", "64")),
    ],
)
def test_texts_become_fields(spelled, text, field, value):
    assert getattr(train_scenario({spelled: text}), field) == value


@pytest.mark.parametrize(
    ("choices", "match"),
    [
        ({"flops": -1.0}, "flops is -1;"),
        ({"flops": float("nan")}, "finite number"),
        ({"days": 0.0}, "above 0"),
        ({"budget": "two dollars"}, "money. For example"),
        ({"power": "10 GB"}, "needed here"),
        ({"n": 2.5}, "whole number"),
        ({"n": 1e9}, "at most 1,000,000"),
        ({"days": True}, "must be a number"),
        ({"model": 7}, "must be text"),
        ({"precision": "fp9"}, "precision 'fp9' is not known"),
        ({"objective": "speed"}, "Choose cost"),
        ({"flops": 1e23, "target_loss": 2.0}, "each fix how much"),
        ({"tokens": 1e12, "target_loss": 2.0}, "together fix the model"),
        ({"model": "m", "tokens": 1e12, "flops": 1e23}, "Give one"),
        ({"budget": "$1", "budget_usd": 1.0}, "given twice"),
        ({"bugdet": 1.0}, "Did you mean 'budget_usd'"),
        ({"budget": "-5"}, "budget is -5; it must be a finite number above 0"),
        ({"days": "-3"}, "days is -3;"),
        ({"days": "nan"}, "days is nan; it must be a finite number"),
        ({"power": "inf"}, "power is inf;"),
        ({"global_batch": 0.0}, "global-batch is 0;"),
        ({"price": "cheap"}, r"price = 'cheap': .* For example '\$2.10/h'"),
        ({"pricing": "spot"}, "Choose reserved, on-demand, hyperscaler, neocloud, own"),
    ],
)
def test_what_makes_no_sense_is_told(choices, match):
    with pytest.raises(BadInputError, match=match):
        train_scenario(choices)


def test_the_same_choices_have_the_same_fingerprint():
    a, b = train_scenario({"flops": 1e23, "days": "30"}), TrainScenario(days=30.0, flops=1e23)
    assert a.fingerprint("x") == b.fingerprint("x")
    assert a.fingerprint("x") != a.fingerprint("y")
    assert a.fingerprint() != TrainScenario(flops=1e23).fingerprint()


def test_what_is_none_says_nothing():
    assert train_scenario({"flops": 1e23, "model": None}) == TrainScenario(flops=1e23)
    assert field_called("power_w") == field_called("Power") == "power_w"


def test_unknown_names_are_the_catalogues(monkeypatch):
    from drivetrain.verbs.train_resolve import resolve

    with pytest.raises(UnknownNameError, match="h100-sxm"):
        resolve(train_scenario({"flops": 1e23, "accelerator": "h100sxm-x"}))
    with pytest.raises(BadInputError, match="framework 'torch'"):
        resolve(train_scenario({"flops": 1e23, "framework": "torch"}))
