"""Software that does more with a given system, at what price in quality (A64 to A68).

Quality is recovery on benchmarks, from the rows of the quality catalogue; speed and memory come from the serving model.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median, quantiles

from drivetrain.errors import DoesNotFitError
from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, of_economic
from drivetrain.insight.claims.replica import cost, full_rate, replica, tpot_s
from drivetrain.insight.claims.sourced import price_input

SMALL, LARGE, H100, H200 = "llama-3.1-8b", "llama-3.1-70b", "h100-sxm-80gb", "h200-sxm-141gb"
SLO = "tpot_p95=50ms"
EIGHT_BIT, FOUR_BIT = (
    ("weights=fp8", "weights=fp8_block", "weights=int8"),
    ("weights=int4", "weights=nvfp4", "weights=mxfp4"),
)
STUDENTS = ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B")


def recoveries(*techniques: str, stand_ins: tuple[str, ...] = ()) -> list[float]:
    """Shares of the score that are left, of every row of the quality catalogue on ``techniques``, in order."""
    from drivetrain.catalogue import loader

    rows = loader.load_all("quality").values()
    return sorted(row.recovery for row in rows
                  if row.technique in techniques and (not stand_ins or row.stand_in in stand_ins))  # fmt: skip


def kept(found: list[float], what: str) -> Input:
    """Median of recoveries as an input, between their tenths (their ends where there are few)."""
    ends = quantiles(found, n=10) if len(found) > 10 else [found[0], found[-1]]
    return Input(median(found), "1", f"catalogue: quality, {len(found)} rows on {what}", min(ends[0], median(found)),
                 max(ends[-1], median(found)))  # fmt: skip


# A64: quantisation


def _bits_inputs() -> Mapping[str, Input]:
    return {
        "kept_4_bit": kept(recoveries(*FOUR_BIT), "4-bit weights"),
        "kept_8_bit": kept(recoveries(*EIGHT_BIT), "8-bit weights"),
        "minimal": choice(0.01, "1", "a hundredth of the score is minimal"),
    }


def lost_to_4_bit(v: Values) -> float:
    """Share of the score that 4-bit weights lose, median over models and benchmarks."""
    return 1.0 - v["kept_4_bit"]


def _bits_verdict(c: Computed, v: Values) -> Verdict:
    if c.high <= v["minimal"]:
        return "holds"
    lost_8_bit = 1.0 - v["kept_8_bit"]
    return "holds under conditions" if min(c.value, lost_8_bit) <= v["minimal"] else "too loose"


def _bits_evidence(c: Computed, v: Values) -> str:
    low, all_4 = recoveries(*EIGHT_BIT)[0], recoveries(*FOUR_BIT)
    gain = full_rate(replica(LARGE, H100, "tp4", 1000.0, 500.0, weights="fp8"), SLO) / full_rate(
        replica(LARGE, H100, "tp4", 1000.0, 500.0), SLO
    )
    return (
        f"Over {len(recoveries(*EIGHT_BIT))} rows 8-bit weights lose {1 - v['kept_8_bit']:.1%} of the score in the "
        f"median, over {len(all_4)} rows 4-bit ones {c.value:.1%}; one in ten loses more than {c.high:.1%}, the worst "
        f"{1 - all_4[0]:.0%} (8-bit {1 - low:.0%}). FP8 lets four H100 serve {gain:.1f} times the requests of Llama "
        "3.1 70B. It depends on model and task."
    )


register(Check(
    id="A64", quantity="share of the score lost to 4-bit weights, median", unit="share",
    inputs=_bits_inputs, compute=lost_to_4_bit, judge=_bits_verdict, evidence=_bits_evidence,
    command="drivetrain claims A64", moved={"kept_4_bit": 0.95, "kept_8_bit": 0.97},
))  # fmt: skip


# A65: pruning


def _pruned_inputs() -> Mapping[str, Input]:
    return {
        "kept_untrained": kept(recoveries("sparsity=2:4-oneshot"), "half the weights cut, no training after"),
        "kept_trained": kept(recoveries("sparsity=2:4"), "half the weights cut, trained after"),
        "essential": choice(0.03, "1", "what costs more of the score was essential"),
    }


def lost_to_cutting(v: Values) -> float:
    """Share of the score lost when half the weights are cut and nothing is trained afterwards."""
    return 1.0 - v["kept_untrained"]


def _pruned_verdict(c: Computed, v: Values) -> Verdict:
    if c.value <= v["essential"]:
        return "holds"
    return "holds under conditions" if 1.0 - v["kept_trained"] <= v["essential"] else "wrong"


def _pruned_evidence(c: Computed, v: Values) -> str:
    dense, cut = (replica(SMALL, H100, "tp1", 500.0, 500.0, engine="vllm-0.18", techniques=text)
                  for text in ("", "sparsity=2:4"))  # fmt: skip
    few, many = (tpot_s(dense, n) / tpot_s(cut, n) for n in (8.0, 256.0))
    pruned = recoveries("pruned")
    return (
        f"Cutting half the weights of Llama 3.1 8B loses {c.value:.0%} of the MMLU score (what is left is near "
        f"chance), {1 - v['kept_trained']:.0%} of scores after training anew; models made smaller and distilled keep "
        f"{median(pruned):.0%} (median of {len(pruned)} rows). Speed comes only from regular patterns: 2:4 makes "
        f"tokens {few:.2f} times as fast at batch 8, {many:.2f} at 256, with vLLM 0.18; 0.19 runs it no longer."
    )


register(Check(
    id="A65", quantity="share of the score lost with half the weights, without training after", unit="share",
    inputs=_pruned_inputs, compute=lost_to_cutting, judge=_pruned_verdict, evidence=_pruned_evidence,
    command="drivetrain claims A65", moved={"kept_untrained": 0.99},
))  # fmt: skip


# A66: distillation


def _student_inputs() -> Mapping[str, Input]:
    return {
        "kept": kept(recoveries("distilled", stand_ins=STUDENTS), "the two largest students of DeepSeek R1"),
        "mimics": choice(0.95, "1", "nineteen of twenty points"),
        "useful": choice(0.8, "1", "four of five points"),
        "usd_per_hour": price_input(H200),
    }


def score_of_students(v: Values) -> float:
    """Share of the teacher's score that its students keep."""
    return v["kept"]


def _student_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["mimics"]:
        return "holds"
    return "holds under conditions" if c.value >= v["useful"] else "too loose"


def _student_evidence(c: Computed, v: Values) -> str:
    teacher = cost("deepseek-r1", H200, "tp8", 1000.0, 2000.0, SLO, v["usd_per_hour"])
    student = cost("qwen2.5-32b", H200, "tp1", 1000.0, 2000.0, SLO, v["usd_per_hour"])
    all_ = recoveries("distilled")
    return (
        f"Students of 32 and 70 billion parameters keep {c.value:.0%} of DeepSeek R1's scores; over all sizes from 1.5 "
        f"billion {all_[0]:.0%} to {all_[-1]:.0%} (vendor's figures). On H200 a token of the 32B student costs "
        f"{student / teacher:.2f} of the teacher's. They imitate on what they were taught, less on the rest."
    )


register(Check(
    id="A66", quantity="share of the teacher's score that large students keep", unit="share",
    inputs=_student_inputs, compute=score_of_students, judge=_student_verdict, evidence=_student_evidence,
    command="drivetrain claims A66", moved={"kept": 0.5},
))  # fmt: skip


# A67: KV-cache compression


def _cache_inputs() -> Mapping[str, Input]:
    return {
        "input_tokens": choice(1000, "tok", "a chat with some history", 300, 8000),
        "sequences": choice(8, "1", "users at once"),
        "kept_frac": choice(0.33, "1", "a third of the cache kept, the mildest that is published"),
    }


def accelerators_saved(v: Values) -> float:
    """H100 that hold Llama 3.1 70B and its users without compression over those with it."""
    return _fewest(v, 1.0) / _fewest(v, v["kept_frac"])


def _fewest(v: Values, kept_frac: float) -> float:
    """Fewest H100, up to a server of eight, that hold the weights and the users' cache; sixteen where none do."""
    techniques = f"kv-compression={kept_frac}" if kept_frac < 1.0 else ""
    for n in (1, 2, 4, 8):
        try:
            ready = replica(LARGE, H100, f"tp{n}", v["input_tokens"], 500.0, techniques=techniques)
        except DoesNotFitError:
            continue
        if ready.memory.fits >= v["sequences"]:
            return float(n)
    return 16.0


def _cache_verdict(c: Computed, _v: Values) -> Verdict:
    if c.value > 1.0:
        return "holds"
    return "holds under conditions" if c.high > 1.0 else "too loose"


def _cache_evidence(c: Computed, v: Values) -> str:
    n = int(_fewest(v, 1.0))
    plain, lean = (replica(LARGE, H100, f"tp{min(n, 8)}", v["input_tokens"], 500.0, techniques=text)
                   for text in ("", f"kv-compression={v['kept_frac']}"))  # fmt: skip
    rate = full_rate(lean, SLO) / full_rate(plain, SLO)
    few = int(_fewest(v, v["kept_frac"]))
    with_it = f"still {few}" if few == n else f"{few} ({c.value:g} to 1)"
    return (
        f"Llama 3.1 70B for {v['sequences']:g} users with {v['input_tokens']:,.0f} tokens each takes {n} H100; with "
        f"{v['kept_frac']:.0%} of the cache kept {with_it}. Weights "
        f"of {plain.memory.weights * min(n, 8) / 1e9:.0f} GB do not shrink. What grows is how many fit at once, "
        f"{plain.memory.fits:.0f} to {lean.memory.fits:.0f}, and requests/s, {rate:.1f} times."
    )


register(Check(
    id="A67", quantity="accelerators needed without KV compression over those with it", unit="1",
    inputs=_cache_inputs, compute=accelerators_saved, judge=_cache_verdict, evidence=_cache_evidence,
    command="drivetrain claims A67 --set input_tokens=1000", moved={"input_tokens": 60000},
))  # fmt: skip


# A68: hybrid architectures


def _hybrid_inputs() -> Mapping[str, Input]:
    return {
        "input_tokens": choice(1000, "tok", "a chat with some history", 300, 8000),
        "measured_short": of_economic("hybrid_joules_ratio_short", "1"),
        "measured_long": of_economic("hybrid_joules_ratio_long", "1"),
    }


def hybrid_over_attention(v: Values) -> float:
    """Cost of a token of a hybrid of 9 billion parameters over that of an attention model of 8 billion, on one H200."""
    return _of(v, "nvidia-nemotron-nano-9b-v2") / _of(v, "qwen3-8b")


def _of(v: Values, model: str) -> float:
    return cost(model, H200, "tp1", v["input_tokens"], 1000.0, SLO, 1.0)


def _hybrid_verdict(c: Computed, _v: Values) -> Verdict:
    if c.high < 1.0:
        return "holds"
    return "holds under conditions" if c.low < 1.0 else "wrong"


def _hybrid_evidence(c: Computed, v: Values) -> str:
    long = hybrid_over_attention({**v, "input_tokens": 30000.0})
    return (
        f"Nemotron Nano 9B v2 (Mamba with a little attention) against Qwen3 8B on an H200: a token costs {c.value:.2f} "
        f"times as much with {v['input_tokens']:,.0f} tokens in, {long:.2f} with 30,000. Measured energy of a token on "
        f"H100 (ML.ENERGY): {v['measured_short']:.2f} times with short answers, {v['measured_long']:.2f} with long "
        "ones. The gain is in context; whether accuracy is the same no source says for this pair."
    )


register(Check(
    id="A68", quantity="cost of a token of a hybrid over an attention model of like size", unit="1",
    inputs=_hybrid_inputs, compute=hybrid_over_attention, judge=_hybrid_verdict, evidence=_hybrid_evidence,
    command="drivetrain claims A68 --set input_tokens=1000", moved={"input_tokens": 30000},
))  # fmt: skip
