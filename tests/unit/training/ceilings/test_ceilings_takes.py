"""What the largest run takes never exceeds what there is."""

import numpy as np
import pytest

from drivetrain.training.ceilings.largest import paths, span
from drivetrain.training.ceilings.limits import chips, flops_per_h100, power, power_w, watts_per_h100
from drivetrain.training.ceilings.takes import taken


@pytest.mark.parametrize("year", [2026, 2030, 2035])
def test_power_money_and_chips_suffice(year):
    found = paths([year], n=2000)
    takes, d, kept = taken(found, 0), found.draws, found.kept
    there = {
        "power_w": power_w(d, year),
        "usd": np.minimum(d["spend.usd"] * d["spend.growth"] ** (year - 2025), d["spend.most_usd"]),
        "h100_equivalents": chips(d, year) / flops_per_h100(d, year),
    }
    for name, most in there.items():
        limit = span(most[kept])
        for end in ("p10", "p50", "p90"):
            assert getattr(takes[name], end) <= getattr(limit, end) * (1 + 1e-9), name
    assert takes["days"].p90 <= 365.0 * 1.1


def test_where_power_alone_binds_the_run_takes_all_of_it():
    """By hand: the least limit is that of power, read backwards it is the power there is."""
    found = paths([2030], scaled={"spend.usd": 1e6, "spend.most_usd": 1e6, "chips.stock": 1e6, "data.text": 1e6,
                                  "data.all": 1e6, "latency.wall": 1e9}, n=500)  # fmt: skip
    d, kept = found.draws, found.kept
    assert np.allclose(found.least()[:, 0], power(d, 2030)[kept])
    assert taken(found, 0)["power_w"].p50 == pytest.approx(span(power_w(d, 2030)[kept]).p50)
    flops = found.least()[:, 0]
    by_hand = flops / flops_per_h100(d, 2030)[kept] * watts_per_h100(d, 2030)[kept]
    assert taken(found, 0)["power_w"].p90 == pytest.approx(span(by_hand).p90)
