"""The linear program on the demand of the sequence: same loads, same limits, contracts that cannot be met."""

import re

import numpy as np
import pytest

from drivetrain.demand.horizon import asked, planned
from drivetrain.demand.limits import LIMITS
from drivetrain.demand.outlook import run
from drivetrain.demand.world import central, quantities, world
from drivetrain.errors import InfeasibleError


@pytest.fixture(scope="module")
def path():
    middle = world(central(quantities()), 2027.0)
    return middle, run(middle)


def test_every_class_and_training_and_other_work_is_a_load(path):
    middle, quarters = path
    problem = asked(middle, quarters)
    assert [one.name for one in problem.loads] == [*(task.name for task in middle.tasks), "training", "other"]
    assert problem.budget_usd_per_year.tolist() == [float(one.budget_usd_per_year[0]) for one in quarters]


def test_the_program_asks_for_what_the_sequence_served_at_its_price(path):
    """Blocks that are worth at least the sequence's rent add up to the units that it had, to a block."""
    middle, quarters = path
    problem = asked(middle, quarters)
    for c, task in enumerate(middle.tasks):
        load = problem.loads[c]
        worth = load.usd_per_unit_year[:, :, 0] >= float(quarters[0].rent_usd_per_unit_year[0])
        above = float((load.units[:, :, 0] * worth).sum())
        served = float(quarters[0].asked.units[c, 0]) * float(middle.at["serving.utilisation_frac"][0])
        assert above == pytest.approx(served, rel=0.25), task.name


def test_shadow_prices_are_not_negative(path):
    found = planned(*path)
    assert found.objective_usd > 0
    assert all(np.all(np.asarray(found.shadow[name]) >= 0) for name in LIMITS)


def test_contracts_beyond_the_limits_name_limit_amount_and_quarter(path):
    with pytest.raises(InfeasibleError) as told:
        planned(*path, contracted_frac=1.0)
    assert re.search(
        r"(power|budget|hbm|packaging|capacity)[\w\s-]* short by [\d.,e+]+ .* in 202\dQ\d", str(told.value)
    )
