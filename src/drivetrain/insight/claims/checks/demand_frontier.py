"""Essay 004, the frontier of training: how fast it gets cheaper, whether it persists (B14, B24, B25)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, of_economic, stated
from drivetrain.insight.claims.outlooks import Floats, median, outlook_inputs, ran, ranges, span

# B14: faster than assumed


def _frontier_inputs() -> Mapping[str, Input]:
    return {
        "flop_before": stated(3.8e25, "FLOP", "llama-3-report"),
        "active_params": of_economic("deepseek_v3_active_params"),
        "tokens": of_economic("deepseek_v3_tokens"),
        "months": choice(5.0, "months", "from July to December 2024", 4.0, 6.0),
        "halving_months": stated(8.0, "months", "algorithmic-progress", 2.0, 22.0),
        "quality_before": stated(73.3, "MMLU-Pro", "quality-of-deepseek-v3"),
        "quality_after": stated(75.9, "MMLU-Pro", "quality-of-deepseek-v3"),
        "as_expected": choice(1.0, "1", "as fast as the trend"),
        "pairs": choice(1, "1", "pairs of models compared"),
        "enough": choice(3, "1", "pairs that make a rate"),
    }


def over_trend(v: Values) -> float:
    """Fall of training compute between two open models over the fall that the trend of before gives."""
    fell = v["flop_before"] / (6.0 * v["active_params"] * v["tokens"])
    return float(fell / 2.0 ** (v["months"] / v["halving_months"]))


def _frontier_verdict(c: Computed, v: Values) -> Verdict:
    if c.low <= v["as_expected"]:
        return "wrong" if c.high <= v["as_expected"] else "too loose"
    as_good = v["quality_after"] >= v["quality_before"]
    return "holds" if as_good and v["pairs"] >= v["enough"] else "holds under conditions"


def _frontier_evidence(c: Computed, v: Values) -> str:
    fell = v["flop_before"] / (6.0 * v["active_params"] * v["tokens"])
    return (
        f"DeepSeek-V3 took {fell:.1f} times less training compute than Llama 3.1 405B {v['months']:.0f} months before "
        f"(MMLU-Pro {v['quality_after']:.1f} against {v['quality_before']:.1f}), where halving every "
        f"{v['halving_months']:.0f} months gives {fell / c.value:.1f} times: {c.value:.1f} times the trend. A "
        "mixture of experts stands against a dense model, and one pair is not yet a rate."
    )


register(Check(
    id="B14", quantity="fall of training compute from Llama 3.1 405B to DeepSeek-V3 over the trend's", unit="1",
    inputs=_frontier_inputs, compute=over_trend, judge=_frontier_verdict, evidence=_frontier_evidence,
    command="drivetrain claims B14 --set months=5", moved={"flop_before": 4e24},
))  # fmt: skip


# B24: a plateau of frontier compute


def _plateau_inputs() -> Mapping[str, Input]:
    return outlook_inputs(
        ranged=("training_growth",),
        plateau_growth=choice(1.0, "1", "training asks for no more compute from year to year"),
        slower=choice(0.9, "1", "a tenth less compute"),
    )


def training_flop(v: Values) -> Floats:
    """Compute of training in the last year over that of the first, by draw."""
    years = ran(v).years
    return np.asarray(years[-1].compute_flop["training"] / years[0].compute_flop["training"])


def plateau_ratio(v: Values) -> float:
    """Training's growth to 2030 on a plateau of demand over that without one."""
    plateau = {**v, "training_growth": v["plateau_growth"]}
    return median(training_flop(plateau) / training_flop(v))


def _plateau_verdict(c: Computed, v: Values) -> Verdict:
    if c.high < v["slower"]:
        return "holds"
    return "holds under conditions" if c.value < v["slower"] else "wrong"


def _plateau_evidence(c: Computed, v: Values) -> str:
    with_it = median(training_flop({**v, "training_growth": v["plateau_growth"]}))
    return (
        f"Where training asks for {v['training_growth']:.1f} times as much compute a year at the start, it uses "
        f"{median(training_flop(v)):.1f} times the compute of 2026 in 2030; where it asks for "
        f"{v['plateau_growth']:.1f} times as much, {with_it:.1f} times: {c.value:.2f} of the growth without a plateau."
    )


register(Check(
    id="B24", quantity="growth of training compute to 2030 on a plateau over that without", unit="1",
    inputs=_plateau_inputs, compute=plateau_ratio, judge=_plateau_verdict, evidence=_plateau_evidence,
    command="drivetrain claims B24 --set plateau_growth=1", moved={"plateau_growth": 3.0},
))  # fmt: skip


# B25: training persists


def _persists_inputs() -> Mapping[str, Input]:
    return outlook_inputs(same=choice(1.0, "1", "as much as in 2026"))


def training_growth(v: Values) -> float:
    """Compute of training in 2030 over that of 2026, the middle draw."""
    return median(training_flop(v))


def _persists_verdict(c: Computed, v: Values) -> Verdict:
    low, _ = span(training_flop(v))
    if low > v["same"] and c.low > v["same"]:
        return "holds"
    return "holds under conditions" if c.value > v["same"] else "wrong"


def _persists_evidence(c: Computed, v: Values) -> str:
    more = float((training_flop(v) > v["same"]).mean())
    return (
        f"Training uses {c.value:.1f} times the compute of 2026 in 2030 ({ranges(c, training_flop(v), '.1f')}; more in "
        f"{more:.0%} of draws) where it asks for {v['training_growth']:.1f} times as much a year at the start, an "
        "assumption and not a finding."
    )


register(Check(
    id="B25", quantity="compute of training in 2030 over that of 2026", unit="1",
    inputs=_persists_inputs, compute=training_growth, judge=_persists_verdict, evidence=_persists_evidence,
    command="drivetrain claims B25", moved={"training_growth": 0.3},
))  # fmt: skip
