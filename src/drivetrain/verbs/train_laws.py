"""``predict loss``: what the scaling laws of the catalogue make of a budget, a model, a stock of data or a loss.

Two of parameters, tokens and FLOPs (``C = 6 N D``) fix a run; one of them, or a target loss, is completed by the law to
its best. ``served_tokens`` makes a target loss cheapest over training and serving (Sardana et al. 2024). Losses of laws
fitted on different texts do not compare; what each was fitted on stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from drivetrain import __version__
from drivetrain.catalogue import loader, scaling
from drivetrain.catalogue.scaling import MIXTURE, ScalingLaw
from drivetrain.errors import BadInputError, InfeasibleError
from drivetrain.training.scaling.gain import Gain, gain_of
from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN, Law
from drivetrain.training.scaling.lifetime import Serving, cheapest_for_loss
from drivetrain.training.scaling.optimum import loss_exponent, marginal_return, optimum, ratio_exponent
from drivetrain.training.scaling.uncertainty import Estimate, decades_beyond, estimated_optimum
from drivetrain.training_scenario import train_scenario
from drivetrain.units import number, show
from drivetrain.verbs.plan_serve import CATALOGUE_DATE
from drivetrain.verbs.train_data import check_data, flops_of_tokens, least_flops, optimal_params, tokens_to_reach
from drivetrain.verbs.train_loss import loss_under
from drivetrain.verbs.train_resolve import law_with
from drivetrain.verbs.train_size import optimal_tokens

_FIXES = ("params", "tokens", "flops", "target_loss")


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of every law; ``None`` where nothing is said."""

    params: float | None
    tokens: float | None
    flops: float | None
    target_loss: float | None
    unique: float | None
    served: float | None
    gain: Gain


def predict_loss(
    *, laws: Sequence[str] = (), params: float | str | None = None, experts: float | str = 1.0, **choices: Any,  # noqa: ANN401
) -> dict[str, Any]:  # fmt: skip
    """The loss that a budget, a model or a stock of data reaches under each law; none of them: the laws themselves.

    ``choices``: ``tokens``, ``flops``, ``target_loss``, ``unique_tokens``, ``served_tokens``, as in ``plan train``.

    >>> got = predict_loss(flops=5.88e23)
    >>> row = got["laws"][0]
    >>> round(row["params"] / 1e9, 1), round(row["tokens"] / 1e12, 3), round(row["loss"]["value"], 4)
    (74.0, 1.325, 1.9733)
    """
    started = time.perf_counter()
    s = train_scenario({**choices, "experts": experts})
    asked = _Question(_params(params), s.tokens, s.flops, s.target_loss, s.unique_tokens, s.served_tokens,
                      gain_of(s.experts))  # fmt: skip
    _check(asked)
    names = [scaling.law(name).name for name in laws] or [*scaling.laws()]
    rows, refused = [], {}
    for name in dict.fromkeys(names):
        try:
            check_data(name, asked.unique, asked.served)
            rows.append(_row(scaling.law(name), asked))
        except (BadInputError, InfeasibleError) as error:
            refused[name] = str(error.args[0])
    if not rows:
        raise BadInputError(next(iter(refused.values())))
    return {
        "verdict": _verdict(rows[0]), "laws": rows, "not_possible": refused, "sources": _sources(rows),
        "elapsed_s": time.perf_counter() - started, "meta": {"version": __version__, "catalogue": CATALOGUE_DATE},
    }  # fmt: skip


def _params(value: float | str | None) -> float | None:
    """Parameters as they are spelled: ``70B``."""
    if value is None:
        return None
    try:
        return train_scenario({"tokens": value}).tokens
    except BadInputError as error:
        raise BadInputError(str(error.args[0]).replace("tokens", "params", 1)) from None


def _check(q: _Question) -> None:
    given = [name for name in _FIXES if getattr(q, name) is not None]
    if len(given) > 2 or ("target_loss" in given and {"tokens", "flops"} & set(given)):
        told = " and ".join(name.replace("_", "-") for name in given)
        raise BadInputError(f"{told} together fix more than there is. Give two of params, tokens and flops, or one.")
    if q.served and given != ["target_loss"]:
        raise BadInputError("--served-tokens chooses a size for a target loss: give --target-loss alone with it.")


def _row(entry: ScalingLaw, q: _Question) -> dict[str, Any]:
    law = law_with(entry.name, q.gain)
    row: dict[str, Any] = {
        "law": entry.name, "title": entry.title, "form": entry.form, "data": entry.data, "notes": [],
        "irreducible_loss": float(law.e), "ratio_exponent": float(ratio_exponent(law)),
        "loss_exponent": float(loss_exponent(law)),
        "coefficients": {name: {"value": fact.value, "source": fact.source, "unverified": fact.unverified}
                         for name, fact in entry.coefficients.items()},
        "fitted": None if entry.fitted is None else {
            "params": entry.fitted.params, "tokens": entry.fitted.tokens, "flops": entry.fitted.flops,
            "tokens_per_param": entry.fitted.tokens_per_param, "n_runs": entry.fitted.n_runs,
        },
    }  # fmt: skip
    run = _completed(law, q)
    if run is None:
        return row
    params, tokens = run
    flops = FLOPS_PER_PARAM_TOKEN * params * tokens
    loss, notes = loss_under(entry.name, q.gain, params, tokens, q.unique)
    best, ten = optimum(law, flops), marginal_return(law, flops)
    ratio = Estimate(float(best.tokens_per_param), None, None, None, None)
    if entry.form != MIXTURE and q.gain.value == 1.0:
        estimated = estimated_optimum(flops, entry.name)
        ratio = estimated.tokens_per_param
        row["ratio_exponent_p10"], row["ratio_exponent_p90"] = (
            estimated.ratio_exponent.p10,
            estimated.ratio_exponent.p90,
        )
    return row | {
        "params": params, "tokens": tokens, "flops": flops, "tokens_per_param": tokens / params,
        "epochs": max(1.0, tokens / q.unique) if q.unique else 1.0, "loss": loss.fields(),
        "optimum": {"params": float(best.params), "tokens": float(best.tokens), "loss": float(best.loss),
                    "tokens_per_param": asdict(ratio)},
        "ten_times_loss": float(optimum(law, 10.0 * flops).loss), "excess_kept_frac": float(ten.excess_kept),
        "decades_beyond": decades_beyond(entry, params, tokens), "notes": list(notes),
    }  # fmt: skip


def _completed(law: Law, q: _Question) -> tuple[float, float] | None:
    """Parameters and tokens of the run; ``None`` where nothing is asked."""
    if q.params is not None:
        return q.params, _tokens_of(law, q, q.params)
    if q.flops is not None and q.tokens is not None:
        return q.flops / (FLOPS_PER_PARAM_TOKEN * q.tokens), q.tokens
    if q.target_loss is not None and q.served:
        best = cheapest_for_loss(law, q.target_loss, Serving(output_tokens=q.served))
        return best.params, best.training_flops / (FLOPS_PER_PARAM_TOKEN * best.params)
    if q.target_loss is not None:
        flops = least_flops(law, q.unique, q.target_loss)
    elif q.tokens is not None:
        flops = flops_of_tokens(law, q.unique, q.tokens)
    elif q.flops is not None:
        flops = q.flops
    else:
        return None
    params = optimal_params(law, q.unique, flops)
    return params, flops / (FLOPS_PER_PARAM_TOKEN * params)


def _tokens_of(law: Law, q: _Question, params: float) -> float:
    """Tokens of a model of a given size."""
    if q.tokens is not None:
        return q.tokens
    if q.flops is not None:
        return q.flops / (FLOPS_PER_PARAM_TOKEN * params)
    if q.target_loss is None:
        return optimal_tokens(law, params)
    tokens = tokens_to_reach(law, q.unique, q.target_loss, params)
    if not np.isfinite(tokens):
        raise InfeasibleError(
            f"{show(params, 'params')} parameters reach a loss of {q.target_loss:g} on no amount of such data. Ask for "
            "a higher loss, or more parameters."
        )
    return tokens


def _verdict(row: dict[str, Any]) -> str:
    if "loss" not in row:
        return f"{row['law']}: {row['title']}. No budget gets below {row['irreducible_loss']:.4g} nats per token."
    loss = row["loss"]
    known = "" if loss["p10"] is None else f" ({loss['p10']:.4g}–{loss['p90']:.4g})"
    return (
        f"{show(row['params'], 'params')} parameters on {show(row['tokens'], 'params')} tokens "
        f"({number(row['tokens_per_param'])} each, {row['flops']:.3g} FLOP) reach {loss['value']:.4g} nats per "
        f"token{known} under '{row['law']}'."
    )


def _sources(rows: Sequence[dict[str, Any]]) -> list[str]:
    ids = dict.fromkeys(fact["source"] for row in rows for fact in row["coefficients"].values())
    known = loader.sources()
    return [known[i].title if i in known else i for i in ids]
