"""P(grows): paired worlds, with limits and without, and elasticity as an output."""

import numpy as np
import pytest

from drivetrain.demand import question
from drivetrain.demand.outlook import run
from drivetrain.demand.question import answer, elasticities, mean_elasticity
from drivetrain.demand.world import drawn, quantities, world
from drivetrain.demand.yearly import years_of


@pytest.fixture(scope="module")
def asked():
    sample = world(drawn(quantities(), 40, 1), 2028.0)
    quarters = run(sample)
    return sample, quarters, answer(sample, years_of(quarters))


def test_every_measure_is_asked_with_limits_and_without(asked):
    assert {(one.measure, one.limited) for one in asked[2]} == {
        (name, limited) for name in question.MEASURES for limited in (True, False)
    }
    for one in asked[2]:
        assert 0.0 <= one.probability + one.shrinks <= 1.0 + 1e-12
        assert one.p10 <= one.p50 <= one.p90


def test_odds_follow_the_quantiles(asked):
    for one in asked[2]:
        if one.p10 > 1.01:
            assert one.probability >= 0.9
        if one.p90 < 0.99:
            assert one.shrinks >= 0.9


def test_a_world_against_itself_neither_grows_nor_shrinks(asked, monkeypatch):
    sample, quarters, _ = asked
    monkeypatch.setattr(question, "run", lambda *_args, **_more: quarters)
    for one in answer(sample, years_of(quarters)):
        assert (one.probability, one.shrinks) == (0.0, 0.0)
        assert one.p50 == 1.0


def test_without_limits_nothing_binds(asked):
    from dataclasses import replace

    sample = asked[0]
    free = years_of(run(replace(sample, limits=question.unlimited(sample.limits))))
    assert all(share == 0.0 for one in free for share in one.binding_frac.values())


def test_the_mean_elasticity_lies_within_those_of_the_classes(asked):
    sample, quarters, _ = asked
    each, mean = elasticities(sample, quarters[-1]), mean_elasticity(sample, quarters[-1])
    assert each.shape == (len(sample.tasks), sample.n)
    assert np.all((each.min(axis=0) <= mean + 1e-12) & (mean <= each.max(axis=0) + 1e-12))
