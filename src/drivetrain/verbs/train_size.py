"""What is trained, where that follows from the question alone: a model and its tokens.

By FLOPs (``C = 6 N D``), tokens, both, a target loss or a model alone (its compute-optimal tokens). A free size follows
the scaling law and becomes a model that can be built.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivetrain.catalogue.model import Model
from drivetrain.errors import BadInputError, InfeasibleError
from drivetrain.training.family import LEAST, MOST, mixture_model
from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN, Law
from drivetrain.training.scaling.lifetime import Serving, cheapest_for_loss
from drivetrain.training.scaling.optimum import balance
from drivetrain.units import show
from drivetrain.verbs.train_data import check_data, flops_of_tokens, least_flops, optimal_params, tokens_to_reach
from drivetrain.verbs.train_resolve import Asked, active_params


@dataclass(frozen=True, slots=True, eq=False)
class Size:
    """A model and the tokens it is trained on."""

    model: Model
    tokens: float


def fixed_size(asked: Asked) -> Size | None:
    """What is trained, where that follows from the question alone; ``None`` where limits decide how much."""
    s = asked.scenario
    check_data(s.law, s.unique_tokens, s.served_tokens)
    if asked.model is not None:
        return _of_model(asked, asked.model)
    if s.flops is not None and s.tokens is not None:
        return _shaped(asked, s.flops / (FLOPS_PER_PARAM_TOKEN * s.tokens), s.flops)
    if s.flops is not None:
        return split(asked, s.flops)
    if s.target_loss is not None:
        if s.served_tokens:
            best = cheapest_for_loss(asked.law, s.target_loss, Serving(output_tokens=s.served_tokens))
            return _shaped(asked, best.params, best.training_flops)
        return split(asked, least_flops(asked.law, s.unique_tokens, s.target_loss))
    if s.tokens is not None:
        return split(asked, flops_of_tokens(asked.law, s.unique_tokens, s.tokens))
    return None


def split(asked: Asked, flops: float) -> Size:
    """The compute-optimal model of a budget, as a model that can be built."""
    return _shaped(asked, optimal_params(asked.law, asked.scenario.unique_tokens, flops), flops)


def _of_model(asked: Asked, model: Model) -> Size | None:
    s, size = asked.scenario, active_params(model)
    if s.tokens is not None:
        return Size(model, s.tokens)
    if s.lora_rank:
        raise BadInputError("fine-tuning with adapters (--lora-rank) needs --tokens: scaling laws are of pre-training.")
    if s.flops is not None:
        return Size(model, s.flops / (FLOPS_PER_PARAM_TOKEN * size))
    law = asked.law
    if s.target_loss is not None:
        tokens = tokens_to_reach(law, s.unique_tokens, s.target_loss, size)
        if not math.isfinite(tokens):
            least = float(law.e + law.a * size**-law.alpha)
            data = "however often its unique tokens are seen" if least < s.target_loss else "on any amount of data"
            limit = "" if least < s.target_loss else f": {least:.3f} is its limit under '{s.law}'"
            raise InfeasibleError(
                f"{model.name} cannot reach a loss of {s.target_loss:g} {data}{limit}. Ask for a higher loss, or leave "
                "out --model."
            )
        return Size(model, tokens)
    bounded = s.budget_usd is not None or (s.days is not None and (s.n is not None or s.power_w is not None))
    return None if bounded else Size(model, optimal_tokens(law, size))


def optimal_tokens(law: Law, params: float) -> float:
    """Tokens of the compute-optimal run whose model has ``params`` parameters.

    >>> law = Law(e=1.0, a=4.0, b=4.0, alpha=0.5, beta=0.5)
    >>> round(optimal_tokens(law, 16.0), 6)
    16.0
    """
    product = (params / balance(law)) ** ((law.alpha + law.beta) / law.beta)
    return float(product / params)


def _shaped(asked: Asked, params: float, flops: float) -> Size:
    if not LEAST <= params <= MOST:
        more, given = ("more", "small") if params < LEAST else ("less", "large")
        edge = optimal_tokens(asked.law, LEAST if params < LEAST else MOST)
        bound = FLOPS_PER_PARAM_TOKEN * (LEAST if params < LEAST else MOST) * edge
        wanted = asked.scenario.target_loss
        what = f"{flops:.2g} FLOPs" if wanted is None else f"{flops:.2g} FLOPs, all that a loss of {wanted:g} takes,"
        raise BadInputError(
            f"{what} are too {given} a budget: their model would have {show(params, 'params')} parameters, "
            f"outside what can be planned ({show(LEAST, 'params')} to {show(MOST, 'params')}; about {bound:.1g} FLOPs "
            f"at that end). Give {more}, or name a --model."
        )
    model = mixture_model(params, int(asked.scenario.experts))
    return Size(model, flops / (FLOPS_PER_PARAM_TOKEN * active_params(model)))
