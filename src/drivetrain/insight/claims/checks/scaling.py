"""Scaling laws: the best ratio of data to size, diminishing returns, how far models were trained from the optimum."""

from __future__ import annotations

from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, claimed, stated
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.optimum import loss_exponent, marginal_loss, marginal_return, optimum

CHINCHILLA_FLOPS = 5.88e23  # 70e9 parameters on 1.4e12 tokens
_COEFFICIENTS = ("e", "a", "b", "alpha", "beta")


def law_inputs() -> dict[str, Input]:
    """Coefficients of the default law. They err together: their joint range enters as that of a law's answer."""
    from drivetrain.catalogue import scaling

    facts = scaling.law().coefficients
    return {name: Input(facts[name].value, "1", f"{facts[name].source}, {facts[name].seen}") for name in _COEFFICIENTS}


def law_of(values: Values) -> Law:
    """The law that the inputs of :func:`law_inputs` make."""
    return Law(**{name: values[name] for name in _COEFFICIENTS})


def budget(low: float, high: float) -> Input:
    """Training compute: Chinchilla's, or anything between ``low`` and ``high``."""
    return stated(CHINCHILLA_FLOPS, "FLOP", "chinchilla-2022", low, high)


# A02: tokens per parameter at the optimum ------------------------------------------------------------------------


def ratio_inputs() -> Mapping[str, Input]:
    """The law, a budget from a small lab's to today's largest, and what bootstrap draws make of the ratio."""
    from drivetrain.training.scaling.uncertainty import estimated_optimum

    ratio = estimated_optimum(CHINCHILLA_FLOPS).tokens_per_param
    low, high = (None if end is None else end / ratio.value for end in (ratio.p10, ratio.p90))
    return {
        "compute_flop": budget(1e21, 5e26),
        **law_inputs(),
        "fit_factor": Input(1.0, "1", "chinchilla-refit: draws of the law over its best fit", low, high),
        "claimed_ratio": claimed(20.0, "tokens per parameter"),
        "about": choice(1.5, "1", "a factor that 'roughly' may hide"),
    }


def tokens_per_param(v: Values) -> float:
    """D*/N* of the budget."""
    return float(optimum(law_of(v), v["compute_flop"]).tokens_per_param) * v["fit_factor"]


def _judge_ratio(c: Computed, v: Values) -> Verdict:
    low, high = v["claimed_ratio"] / v["about"], v["claimed_ratio"] * v["about"]
    if not low <= c.value <= high:
        return "too loose"
    return "holds" if low <= c.low and c.high <= high else "holds under conditions"


def _told_ratio(c: Computed, v: Values) -> str:
    larger = tokens_per_param({**v, "compute_flop": v["compute_flop"] * 1e3})
    return (
        f"The law's optimum at {v['compute_flop']:.3g} FLOP is {c.value:.1f} tokens per parameter, 80 % range "
        f"{c.low:.1f} to {c.high:.1f}; at a thousand times the compute it is {larger:.1f}. The ratio is constant only "
        f"where both exponents are equal (here {v['alpha']:.3f} and {v['beta']:.3f})."
    )


register(Check(
    id="A02", quantity="training tokens per parameter at the compute optimum", unit="tokens per parameter",
    inputs=ratio_inputs, compute=tokens_per_param, judge=_judge_ratio, evidence=_told_ratio,
    command="drivetrain claims A02 --set compute_flop=5.88e23", moved={"beta": 0.28, "b": 411.0},
))  # fmt: skip


# A03, A24: diminishing returns -----------------------------------------------------------------------------------


def returns_inputs() -> Mapping[str, Input]:
    """The law and how its exponent errs."""
    from drivetrain.training.scaling.uncertainty import estimated_optimum

    gamma = estimated_optimum(CHINCHILLA_FLOPS).loss_exponent
    low, high = (None if end is None else end / gamma.value for end in (gamma.p10, gamma.p90))
    return {
        **law_inputs(), "compute_flop": budget(1e21, 5e26),
        "exponent_factor": Input(1.0, "1", "chinchilla-refit: draws of the exponent over its best fit", low, high),
        "sharply": choice(10.0, "1", "'sharply': half of what can be gained costs ten times the compute or more"),
    }  # fmt: skip


def compute_to_halve(v: Values) -> float:
    """Factor of compute that halves the loss above the floor: 2^(1/gamma)."""
    return float(2.0 ** (1.0 / (loss_exponent(law_of(v)) * v["exponent_factor"])))


def _judge_returns(c: Computed, v: Values) -> Verdict:
    if c.value < v["sharply"]:
        return "too loose"
    return "holds" if c.low >= v["sharply"] else "holds under conditions"


def _told_returns(c: Computed, v: Values) -> str:
    loss = float(optimum(law_of(v), v["compute_flop"]).loss)
    kept = marginal_return(law_of(v), v["compute_flop"]).excess_kept
    return (
        f"The floor is {v['e']:.3f} of a loss of {loss:.3f} nats at {v['compute_flop']:.3g} FLOP. Halving the rest "
        f"takes {c.value:.0f} times the compute ({c.low:.0f} to {c.high:.0f}); ten times leaves {100 * kept:.0f} % of "
        "it, at any scale. This is the loss, not what a model is worth."
    )


register(Check(
    id="A03", quantity="factor of compute that halves the loss above its floor", unit="times the compute",
    inputs=returns_inputs, compute=compute_to_halve, judge=_judge_returns, evidence=_told_returns,
    command="drivetrain claims A03 --set sharply=10", moved={"alpha": 0.9, "beta": 0.9},
))  # fmt: skip


def marginal_inputs() -> Mapping[str, Input]:
    """The law, a budget and what counts as shrinking."""
    base = dict(returns_inputs())
    del base["sharply"]
    return {
        **base, "factor": choice(10.0, "1", "the next step of compute, as a factor"),
        "shrinks": choice(0.9, "1", "the next step gains at most this share of the one before"),
    }  # fmt: skip


def next_step_gain(v: Values) -> float:
    """What one step of compute takes off the loss, over what the step before took off."""
    law = law_of(v)
    law = Law(law.e, law.a, law.b, law.alpha * v["exponent_factor"], law.beta * v["exponent_factor"])
    return float(marginal_loss(law, v["compute_flop"] * v["factor"]) / marginal_loss(law, v["compute_flop"]))


def _judge_marginal(c: Computed, v: Values) -> Verdict:
    if c.value > v["shrinks"]:
        return "too loose"
    return "holds" if c.high <= v["shrinks"] else "holds under conditions"


def _told_marginal(c: Computed, v: Values) -> str:
    gain = -float(marginal_loss(law_of(v), v["compute_flop"]))
    return (
        f"At {v['compute_flop']:.3g} FLOP the loss falls by {gain:.4f} nats per decade of compute; after "
        f"{v['factor']:g} times the compute by {100 * c.value:.0f} % of that. Per FLOP the return falls to "
        f"{100 * c.value / v['factor']:.2g} %."
    )


register(Check(
    id="A24", quantity="gain of the next step of compute over the step before", unit="1",
    inputs=marginal_inputs, compute=next_step_gain, judge=_judge_marginal, evidence=_told_marginal,
    command="drivetrain claims A24 --set factor=10", moved={"factor": 1.5},
))  # fmt: skip


# A23: how far a budget fixes the model ---------------------------------------------------------------------------


def budget_inputs() -> Mapping[str, Input]:
    """A budget, and how closely it would have to fix the model."""
    return {
        "compute_flop": budget(1e22, 1e25),
        "determined": choice(1.5, "1", "highest over lowest size that still counts as determined"),
        "about": choice(4.0, "1", "and as determined to an order of magnitude"),
    }


def size_width(v: Values) -> float:
    """Highest over lowest compute-optimal size of the 80 % range, what the law errs beyond its runs included."""
    from drivetrain.training.scaling.uncertainty import estimated_optimum

    size = estimated_optimum(v["compute_flop"]).params
    return (size.wide_p90 or size.value) / (size.wide_p10 or size.value)


def _judge_width(c: Computed, v: Values) -> Verdict:
    if c.value <= v["determined"]:
        return "holds"
    return "holds under conditions" if c.value <= v["about"] else "too loose"


def _told_width(c: Computed, v: Values) -> str:
    from drivetrain.training.scaling.uncertainty import estimated_optimum

    best = estimated_optimum(v["compute_flop"])
    loss = best.loss
    return (
        f"At {v['compute_flop']:.3g} FLOP the law asks for {best.params.value / 1e9:.0f}e9 parameters and reaches "
        f"{loss.value:.3f} nats ({loss.wide_p10:.3f} to {loss.wide_p90:.3f}): the loss is known well, the size within "
        f"a factor of {c.value:.1f}, {best.decades_beyond:.1f} decades beyond the runs of the fit. Data and "
        "architecture move both at the same budget."
    )


register(Check(
    id="A23", quantity="highest over lowest best size for one budget, 80 % range", unit="1",
    inputs=budget_inputs, compute=size_width, judge=_judge_width, evidence=_told_width,
    command="drivetrain claims A23 --set compute_flop=5.88e23", moved={"compute_flop": 1e27},
))  # fmt: skip
