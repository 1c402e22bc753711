"""A frontier design starved of compute against a simpler one on a well-built system."""

import pytest

from drivetrain.errors import BadInputError
from drivetrain.training.ceilings.contest import Architecture, Cluster, Pair, cluster, contest, law_of
from drivetrain.training.scaling.known import mixture, parametric
from drivetrain.training.scaling.mixture import compute_gain
from drivetrain.training.scaling.optimum import optimum

WELL_BUILT = cluster("built well", peak_flops_per_s=989e12, mfu=0.42, usd_per_hour=2.0, power_w=1400.0,
                     effective_time_frac=0.95)  # fmt: skip
STARVED = cluster("starved", peak_flops_per_s=989e12, mfu=0.08, usd_per_hour=2.0, power_w=1400.0,
                  effective_time_frac=0.8)  # fmt: skip
DENSE, EXPERTS = Architecture("dense", "moe"), Architecture("32 experts", "moe", n_experts=32)


def test_a_cluster_from_its_parts():
    assert WELL_BUILT.flops_per_usd == pytest.approx(989e12 * 0.42 * 0.95 * 3600 / 2.0)
    assert WELL_BUILT.flops_per_joule == pytest.approx(989e12 * 0.42 * 0.95 / 1400.0)


def test_the_case_of_the_essay():
    """32 experts at a sixth of the effective FLOPs lose to a dense model; at the same FLOPs they win."""
    found = contest(Pair(EXPERTS, STARVED), Pair(DENSE, WELL_BUILT), usd=3e3)
    assert found.winner == "dense on built well"
    assert found.lead < 0
    assert 1.0 < found.to_tie < 989 * 0.42 * 0.95 / (989 * 0.08 * 0.8)
    fair = contest(Pair(EXPERTS, WELL_BUILT), Pair(DENSE, WELL_BUILT), usd=3e3)
    assert fair.winner == "32 experts on built well"
    assert fair.first.params < fair.second.params


def test_the_gain_of_an_architecture_is_what_a_cluster_may_lose():
    flops = WELL_BUILT.flops_per_usd * 3e3
    gain = compute_gain(mixture("moe"), 32, flops)
    fair = contest(Pair(EXPERTS, WELL_BUILT), Pair(DENSE, WELL_BUILT), usd=3e3)
    assert fair.to_tie == pytest.approx(gain, rel=1e-9)


def test_the_same_power_as_well_as_the_same_money():
    hungry = Cluster("hungry", WELL_BUILT.flops_per_usd, WELL_BUILT.flops_per_joule / 3)
    plain = Architecture("plain")
    by_money = contest(Pair(plain, WELL_BUILT), Pair(plain, hungry), usd=1e6)
    by_energy = contest(Pair(plain, WELL_BUILT), Pair(plain, hungry), energy_j=1e6 * 3600 * 24)
    assert by_money.winner == "a tie"
    assert by_energy.winner == "plain on built well"
    assert by_energy.to_tie == pytest.approx(3.0, rel=1e-6)


def test_ranges_where_the_law_has_them():
    found = contest(Pair(Architecture("a", compute_gain=3.0), STARVED), Pair(Architecture("b"), WELL_BUILT), usd=1e6)
    assert found.lead_p10 < found.lead < found.lead_p90 < 0  # sure, though either loss alone is not
    assert found.first.loss_p10 < found.first.loss < found.first.loss_p90
    assert found.first.loss_p90 - found.first.loss_p10 > found.lead_p90 - found.lead_p10
    unknown = contest(Pair(EXPERTS, STARVED), Pair(DENSE, WELL_BUILT), usd=3e3)
    assert unknown.lead_p10 is unknown.first.loss_p10 is None
    assert "unverified" in unknown.first.notes[0]


def test_a_loss_below_the_others_floor_cannot_be_tied():
    low, high = Architecture("corrected"), Architecture("published", "hoffmann-2022")
    rich, poor = Cluster("rich", 1e30, 1e20), Cluster("poor", 1e10, 1e10)
    found = contest(Pair(high, rich), Pair(low, poor), usd=1e6)
    assert found.first.loss < parametric().e
    assert found.to_tie == float("inf")
    assert found.lead_p10 is None  # two laws, two sets of draws


def test_laws_of_architectures():
    assert law_of(Architecture("x", "moe", 8)) == mixture("moe").at(8)
    assert law_of(Architecture("x")) == parametric()
    assert optimum(law_of(EXPERTS), 1e21).loss < optimum(law_of(DENSE), 1e21).loss


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: contest(Pair(DENSE, STARVED), Pair(Architecture("x"), STARVED), usd=1.0), "not comparable"),
        (lambda: contest(Pair(DENSE, STARVED), Pair(DENSE, STARVED)), "usd or energy_j"),
        (lambda: contest(Pair(DENSE, STARVED), Pair(DENSE, STARVED), usd=1.0, energy_j=1.0), "usd or energy_j"),
        (lambda: contest(Pair(DENSE, STARVED), Pair(DENSE, STARVED), usd=-1.0), "budget in dollars"),
        (lambda: contest(Pair(DENSE, STARVED), Pair(DENSE, STARVED), energy_j=float("nan")), "budget in joules"),
        (lambda: law_of(Architecture("x", n_experts=8)), "knows no experts"),
        (lambda: Architecture("x", compute_gain=0.0), "compute gain"),
        (lambda: Cluster("x", 0.0, 1.0), "FLOP per dollar"),
        (lambda: cluster("x", peak_flops_per_s=1e15, mfu=1.2, usd_per_hour=1.0, power_w=1.0), "mfu"),
        (lambda: cluster("x", peak_flops_per_s=1e15, mfu=0.4, usd_per_hour=0.0, power_w=1.0), "price"),
    ],
)
def test_contests_that_mean_nothing(ask, told):
    with pytest.raises(BadInputError, match=told):
        ask()
