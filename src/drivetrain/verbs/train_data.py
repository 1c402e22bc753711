"""What a stock of unique tokens makes of a run: tokens beyond it are seen again and count for less.

Where a run trains on more tokens than differ, the law asked for counts ``D'`` tokens and ``N'`` parameters
(:mod:`drivetrain.training.scaling.repeated`), with the halflives of :data:`HALFLIVES`, fitted on other text. Where
nothing is repeated, nothing changes. ``unique`` is ``None`` where data are without end.
"""

from __future__ import annotations

from drivetrain.catalogue import scaling
from drivetrain.catalogue.scaling import MIXTURE
from drivetrain.errors import BadInputError
from drivetrain.training.scaling.known import repeated
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.optimum import flops_for_loss, flops_for_tokens, optimum
from drivetrain.training.scaling.repeated import (
    Repeated,
    repeated_flops_for_loss,
    repeated_flops_for_tokens,
    repeated_optimum,
)
from drivetrain.units import number, show

HALFLIVES = "muennighoff-2023"


def check_data(law: str, unique: float | None, served: float | None) -> None:
    """Refuse what has no law: repetition under a law of mixtures, or with a size chosen for serving."""
    if unique is None:
        return
    if served:
        raise BadInputError("unique-tokens and served-tokens together have no law here. Drop one.")
    if scaling.law(law).form == MIXTURE:
        raise BadInputError(f"the law '{law}' says nothing of tokens seen again. Choose --law chinchilla.")


def optimal_params(law: Law, unique: float | None, flops: float) -> float:
    """Parameters of the best model of a budget."""
    best = optimum(law, flops)
    if unique is None or float(best.tokens) <= unique:
        return float(best.params)
    return repeated_optimum(_stock(law), flops, unique).params


def least_flops(law: Law, unique: float | None, loss: float) -> float:
    """FLOPs of the cheapest training that reaches ``loss``."""
    once = float(flops_for_loss(law, loss))
    if unique is None or float(optimum(law, once).tokens) <= unique:
        return once
    return repeated_flops_for_loss(_stock(law), loss, unique)


def flops_of_tokens(law: Law, unique: float | None, tokens: float) -> float:
    """FLOPs whose best training passes ``tokens`` tokens."""
    if unique is None or tokens <= unique:
        return float(flops_for_tokens(law, tokens))
    return repeated_flops_for_tokens(_stock(law), tokens, unique)


def tokens_to_reach(law: Law, unique: float | None, loss: float, params: float) -> float:
    """Tokens that bring a model to ``loss``; infinite where none do."""
    if unique is None:
        return float(law.tokens_for(loss, params))
    return _stock(law).tokens_for(loss, params, unique)


def counted(law: Law, unique: float | None, params: float, tokens: float) -> tuple[float, float]:
    """Parameters and tokens as the law counts them: fewer where tokens are seen again."""
    if unique is None or tokens <= unique:
        return params, tokens
    stock = _stock(law)
    return float(stock.effective_params(params, unique)), float(stock.effective_tokens(tokens, unique))


def data_note(law: Law, unique: float | None, params: float, tokens: float) -> str:
    """What to tell of tokens seen again, empty where none are."""
    if unique is None or tokens <= unique:
        return ""
    _, worth = counted(law, unique, params, tokens)
    return (
        f"{show(unique, 'params')} unique tokens are seen {number(tokens / unique, 2)} times: "
        f"{show(tokens, 'params')} count as {show(worth, 'params')} ('{HALFLIVES}', fitted on C4 up to 9B parameters)"
    )


def _stock(law: Law) -> Repeated:
    known = repeated(HALFLIVES)
    return Repeated(law, known.token_halflife, known.param_halflife)
