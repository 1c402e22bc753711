"""Training against serving over a model's life, in compute, accelerator time, energy and money.

With N active parameters, D training tokens, T tokens served, K development over the final run::

    training = K * 6 N D / (peak * MFU_train)        serving = 2 N T / (peak * MFU_serve)      accelerator-seconds
    share s of serving needs   T / D = 3 K s / (1 - s) * (MFU_serve / MFU_train)               on equal accelerators

FLOPs alone (K = 1, no MFU): 80 to 90 % from T = 12 to 27 D; with a training MFU three times the serving one, from 4 to
9 D. Energy and money follow accelerator time at each side's watts and dollars. Tokens served count input and output
alike; where a serving model says what one really takes, give that (:class:`PerToken`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from drivetrain.catalogue.market import Economic
from drivetrain.econ.numbers import above_zero, at_least_zero
from drivetrain.errors import BadInputError
from drivetrain.units import SECONDS_PER_HOUR

TRAIN_FLOPS, SERVE_FLOPS = 6.0, 2.0  # per active parameter and token


@dataclass(frozen=True, slots=True)
class Bill:
    """What something takes: FLOPs, accelerator-seconds, joules at the meter, USD."""

    flop: float
    accelerator_s: float
    joules: float
    usd: float

    @property
    def parts(self) -> Mapping[str, float]:
        """Amounts by name, in the order of the record."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Site:
    """Accelerators somewhere: peak FLOP/s each, share of it used, watts at the meter and USD an hour for each."""

    peak_flops: float
    mfu: float
    watts: float
    usd_per_hour: float

    def __post_init__(self) -> None:
        for name in ("peak_flops", "mfu"):
            above_zero(name, getattr(self, name))
        for name in ("watts", "usd_per_hour"):
            at_least_zero(name, getattr(self, name))
        if self.mfu > 1:
            raise BadInputError(f"mfu must be a share from 0 to 1, not {self.mfu:g}.")


MEASURES = ("flop", "accelerator_s", "joules", "usd")


def bill(flop: float, site: Site) -> Bill:
    """What ``flop`` operations take on ``site``.

    >>> bill(3.6e15, Site(peak_flops=1e12, mfu=0.5, watts=1000.0, usd_per_hour=2.0)).parts
    {'flop': 3600000000000000.0, 'accelerator_s': 7200.0, 'joules': 7200000.0, 'usd': 4.0}
    """
    at_least_zero("flop", flop)
    seconds = flop / (site.peak_flops * site.mfu)
    return Bill(flop, seconds, seconds * site.watts, seconds / SECONDS_PER_HOUR * site.usd_per_hour)


def training_bill(active_params: float, tokens: float, site: Site, total_over_final: float = 1.0) -> Bill:
    """A model's development: ``total_over_final`` times its final run of ``tokens``, research and failed runs included.

    >>> training_bill(1e9, 2e10, Site(1e15, 0.4, 1000.0, 2.0)).flop
    1.2e+20
    """
    above_zero("active_params", active_params)
    above_zero("tokens", tokens)
    if not (math.isfinite(total_over_final) and total_over_final >= 1):
        raise BadInputError(f"total_over_final must be at least 1 (the final run itself), not {total_over_final:g}.")
    return bill(TRAIN_FLOPS * active_params * tokens * total_over_final, site)


def serving_bill(active_params: float, site: Site) -> Bill:
    """One token served, by FLOPs and a share of peak."""
    above_zero("active_params", active_params)
    return bill(SERVE_FLOPS * active_params, site)


def serving_shares(training: Bill, per_token: Bill, tokens: float) -> dict[str, float]:
    """Serving's share of the whole after ``tokens`` served, by measure; 0 where neither takes anything."""
    at_least_zero("tokens", tokens)
    found = {}
    for name in MEASURES:
        served, trained = getattr(per_token, name) * tokens, getattr(training, name)
        found[name] = served / (served + trained) if served + trained > 0 else 0.0
    return found


def tokens_for(share: float, training: Bill, per_token: Bill) -> dict[str, float]:
    """Tokens from which on serving is ``share`` of the whole, by measure; infinite where serving takes nothing."""
    if not 0 < share < 1:
        raise BadInputError(f"a share must lie between 0 and 1, not {share:g}.")
    odds = share / (1.0 - share)
    return {
        name: odds * getattr(training, name) / getattr(per_token, name) if getattr(per_token, name) > 0 else math.inf
        for name in MEASURES
    }


@dataclass(frozen=True, slots=True)
class DeepSeekV3:
    """DeepSeek-V3's training bill from its parts, beside what its report says.

    Pre-training is FLOPs over peak and MFU; extension and post-training are as reported. What the bill leaves out
    is priced where it can be: ``cluster_usd`` buys the GPUs, ``development_usd`` multiplies the run by what other
    laboratories spend on a model's whole development.
    """

    flop: float
    pretraining_hours: float
    total_hours: float
    usd: float
    reported_hours: float
    reported_usd: float
    days: float
    cluster_usd: float
    development_usd: Mapping[str, float]


def deepseek_v3(economics: Mapping[str, Economic], peak_flops: float, capital_usd: float) -> DeepSeekV3:
    """The bill at ``peak_flops`` of an H800 in 16 bit; ``capital_usd`` is what one costs with server and network."""

    def mid(name: str) -> float:
        return economics[f"deepseek_v3_{name}"].mid.value

    flop = TRAIN_FLOPS * mid("active_params") * mid("tokens") * (1.0 + mid("attention_frac"))
    hours = flop / (peak_flops * mid("mfu")) / SECONDS_PER_HOUR
    others = mid("extension_hours") + mid("post_training_hours")
    usd = (hours + others) * mid("usd_per_gpu_hour")
    reported = mid("pretraining_hours") + others
    multiple = economics["training_total_over_final"]
    ends = {"low": multiple.low or multiple.mid, "mid": multiple.mid, "high": multiple.high or multiple.mid}
    return DeepSeekV3(
        flop=flop,
        pretraining_hours=hours,
        total_hours=hours + others,
        usd=usd,
        reported_hours=reported,
        reported_usd=reported * mid("usd_per_gpu_hour"),
        days=hours / mid("gpus") / 24.0,
        cluster_usd=mid("gpus") * capital_usd,
        development_usd={name: usd * fact.value for name, fact in ends.items()},
    )
