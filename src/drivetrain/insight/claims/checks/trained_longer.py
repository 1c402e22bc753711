"""Models trained for shorter or longer than the compute optimum, and what serving makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.checks.scaling import budget, law_inputs, law_of
from drivetrain.insight.claims.inputs import choice, claimed, of_economic, stated
from drivetrain.training.scaling.optimum import optimum


def params_of(model: str) -> float:
    """Parameters of a catalogue model."""
    from drivetrain.arch.params import count
    from drivetrain.catalogue import loader

    return float(count(loader.load("models", model)).total)


# A18: what a bigger model costs per pass -------------------------------------------------------------------------


def pass_inputs() -> Mapping[str, Input]:
    """Two models of one family, and how close to proportional the cost must be."""
    return {
        "seq_tokens": choice(8192.0, "tokens", "length of a training sequence", 2048.0, 32768.0),
        "proportional": choice(0.1, "1", "how far from 1 the exponent may lie"),
    }


def cost_exponent(v: Values) -> float:
    """Exponent of a token's training FLOPs in the model's size, between Llama 3.1 8B and 405B, attention counted."""
    from drivetrain.arch.training import counts
    from drivetrain.catalogue import loader

    small, large = "llama-3.1-8b", "llama-3.1-405b"
    flops = [counts(loader.load("models", name), int(v["seq_tokens"])).forward_flops for name in (small, large)]
    return math.log(flops[1] / flops[0]) / math.log(params_of(large) / params_of(small))


def _judge_pass(c: Computed, v: Values) -> Verdict:
    return "holds" if abs(c.value - 1.0) <= v["proportional"] else "too loose"


def _told_pass(c: Computed, v: Values) -> str:
    return (
        f"From Llama 3.1 8B to 405B the FLOPs of a token grow as size to the {c.value:.3f} at {v['seq_tokens']:.0f} "
        "tokens a sequence: attention, which grows more slowly than the weights, is the rest. Compute is proportional "
        "to tokens exactly; more data are more steps, and no second pass over the same data."
    )


register(Check(
    id="A18", quantity="exponent of training FLOPs per token in the size of the model", unit="1",
    inputs=pass_inputs, compute=cost_exponent, judge=_judge_pass, evidence=_told_pass,
    command="drivetrain claims A18 --set seq_tokens=8192", moved={"seq_tokens": 1_000_000.0},
))  # fmt: skip


# A20, A21: ratios of two models ----------------------------------------------------------------------------------


def gpt3_inputs() -> Mapping[str, Input]:
    """GPT-3 as published, and the ratio it is held against with its range at GPT-3's budget."""
    from drivetrain.training.scaling.uncertainty import estimated_optimum

    params, tokens = params_of("gpt-3-175b"), 3e11
    ratio = estimated_optimum(6.0 * params * tokens).tokens_per_param
    return {
        "params": Input(params, "parameters", "catalogue model gpt-3-175b"),
        "tokens": stated(tokens, "tokens", "gpt-3-paper"),
        "best_ratio": Input(20.0, "tokens per parameter", "essay 000; range of our law (chinchilla-refit)",
                            ratio.p10, ratio.p90),
        "many": choice(3.0, "1", "'many times more'"),
    }  # fmt: skip


def data_missing(v: Values) -> float:
    """Tokens that the model should have seen at its size, over those it saw."""
    return v["params"] * v["best_ratio"] / v["tokens"]


def _judge_missing(c: Computed, v: Values) -> Verdict:
    if c.value < v["many"]:
        return "wrong"
    return "holds" if c.low >= v["many"] else "holds under conditions"


def _told_missing(c: Computed, v: Values) -> str:
    return (
        f"{v['tokens']:.3g} tokens over {v['params']:.4g} parameters are {v['tokens'] / v['params']:.2f} per "
        f"parameter; at {v['best_ratio']:g} they would be {c.value:.1f} times as many ({c.low:.1f} to {c.high:.1f})."
    )


register(Check(
    id="A20", quantity="tokens GPT-3 should have seen over those it saw", unit="times the tokens",
    inputs=gpt3_inputs, compute=data_missing, judge=_judge_missing, evidence=_told_missing,
    command="drivetrain claims A20 --set tokens=3e11", moved={"tokens": 3.5e12},
))  # fmt: skip


def llama_inputs() -> Mapping[str, Input]:
    """LLaMA-3 8B as published."""
    return {
        "tokens": stated(15e12, "tokens", "llama-3-report", 15e12, 15.6e12),
        "params": Input(params_of("llama-3-8b"), "parameters", "catalogue model llama-3-8b"),
        "claimed_ratio": claimed(1800.0, "tokens per parameter"),
    }


def trained_ratio(v: Values) -> float:
    """Training tokens per parameter."""
    return v["tokens"] / v["params"]


def _judge_trained(c: Computed, v: Values) -> Verdict:
    return "holds" if c.value >= v["claimed_ratio"] else "wrong"


def _told_trained(c: Computed, v: Values) -> str:
    return (
        f"{v['tokens']:.3g} tokens over {v['params']:.4g} parameters are {c.value:.0f} per parameter, against "
        f"{v['claimed_ratio']:.0f} claimed. The model is of April 2024, so 'by 2025' is safe."
    )


register(Check(
    id="A21", quantity="training tokens per parameter of LLaMA-3 8B", unit="tokens per parameter",
    inputs=llama_inputs, compute=trained_ratio, judge=_judge_trained, evidence=_told_trained,
    command="drivetrain claims A21 --set tokens=15e12", moved={"tokens": 1.4e12},
))  # fmt: skip


# A22: training longer because the model will be served -----------------------------------------------------------


def serving_inputs() -> Mapping[str, Input]:
    """A model of the loss of Chinchilla's budget that answers requests over its life."""
    return {
        "compute_flop": budget(5.88e22, 5.88e24),
        "requests": claimed(5e9, "requests"),
        "input_tokens": choice(1500.0, "tokens per request", "a chat turn with its history", 500.0, 8000.0),
        "output_tokens": choice(300.0, "tokens per request", "a chat answer", 150.0, 1000.0),
        "training_mfu": of_economic("training_mfu_frac"),
        "prefill_mfu": choice(0.3, "1", "share of peak when reading prompts", 0.2, 0.5),
        "decode_mfu": choice(0.1, "1", "share of peak when writing, in batches", 0.03, 0.2),
        "worth": choice(0.05, "1", "share of the lifetime cost that is worth the trouble"),
        **law_inputs(),
    }


def saved_by_longer_training(v: Values) -> float:
    """Share of training and serving that the best smaller model of the same loss saves."""
    return _best(v)[0]


def _best(v: Values) -> tuple[float, float, float]:
    """(saved share, tokens per parameter of the cheapest model, of the compute optimum)."""
    from drivetrain.training.scaling.lifetime import Serving, cheapest_for_loss

    law = law_of(v)
    plain = optimum(law, v["compute_flop"])
    serving = Serving(v["requests"] * v["input_tokens"], v["requests"] * v["output_tokens"],
                      v["training_mfu"] / v["prefill_mfu"], v["training_mfu"] / v["decode_mfu"])  # fmt: skip
    best = cheapest_for_loss(law, float(plain.loss), serving)
    return best.saved_frac, best.tokens_per_param, float(plain.tokens_per_param)


def _judge_longer(c: Computed, v: Values) -> Verdict:
    if c.value < v["worth"]:
        return "wrong"
    return "holds" if c.low >= v["worth"] else "holds under conditions"


def _told_longer(c: Computed, v: Values) -> str:
    _, best, plain = _best(v)
    return (
        f"For {v['requests']:.3g} requests of {v['input_tokens']:.0f} + {v['output_tokens']:.0f} tokens the cheapest "
        f"model of the loss that {v['compute_flop']:.3g} FLOP reach is trained on {best:.0f} tokens per parameter, not "
        f"{plain:.0f}, and saves {100 * c.value:.0f} % of training and serving ({100 * c.low:.0f} to "
        f"{100 * c.high:.0f} %)."
    )


register(Check(
    id="A22", quantity="lifetime cost saved by a smaller model trained for longer", unit="share",
    inputs=serving_inputs, compute=saved_by_longer_training, judge=_judge_longer, evidence=_told_longer,
    command="drivetrain claims A22 --set requests=5e9", moved={"requests": 1e7},
))  # fmt: skip
