"""What each pool of servers of a plan must be told, in no engine's words: the step between ``best`` and a flag."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.arch.layout import Layout, parse_layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.market import Engine
from drivetrain.deploy.argument_list import ArgumentList
from drivetrain.deploy.cluster import host_accelerators
from drivetrain.errors import BadInputError, UnsupportedError
from drivetrain.techniques import parse_techniques

DEFAULT_PORT = 8000
EAGLE_PLACEHOLDER = "REPLACE-WITH-THE-EAGLE-HEAD"


@dataclass(frozen=True, slots=True)
class Speculative:
    """``method`` mtp, eagle, eagle3, ngram or draft; ``tokens`` drafted a step."""

    method: str
    tokens: int
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One pool: ``replicas`` copies of ``layout`` over ``nodes`` hosts each.

    ``role`` is "" or, where prefill and decode are apart, one of them. ``max_seqs`` is of a replica, ``step_tokens``
    of a data-parallel rank. ``None`` leaves a choice to the engine. ``quantization`` is what the engine must do to
    the weights on loading; checkpoints that are quantised need none. ``shipped_kv`` is the cache precision that the
    checkpoint asks for by itself.
    """

    engine: Engine
    accelerator: str
    model: str
    layout: Layout
    replicas: int
    nodes: int
    role: str = ""
    weight_dtype: str = "bf16"
    quantization: str = ""
    kv_dtype: str = "bf16"
    shipped_kv: str = "bf16"
    max_seqs: int | None = None
    step_tokens: int | None = None
    max_model_len: int | None = None
    memory_frac: float | None = None
    prefix_caching: bool | None = None
    chunked_prefill: bool | None = None
    speculative: Speculative | None = None
    kv_offload_bytes: float = 0.0
    redundant_experts: int = 0
    two_batch_overlap: bool = False
    lora_adapters: int = 0
    lora_rank: int = 0
    port: int = DEFAULT_PORT

    @property
    def per_node(self) -> int:
        """Accelerators that one replica uses on one host."""
        return self.layout.n_accelerators // self.nodes

    @property
    def whole_prompt_tokens(self) -> int | None:
        """Tokens of a step where prompts are not cut: the longest request must fit into one."""
        return None if self.step_tokens is None else max(self.step_tokens, self.max_model_len or 0)

    @property
    def seqs_per_rank(self) -> int | None:
        """Sequences of one data-parallel rank, rounded up."""
        return None if self.max_seqs is None else math.ceil(self.max_seqs / self.layout.dp)


def setups(
    best: Mapping[str, Any], model: str, *, max_model_len: int | None = None, prefix_caching: bool | None = None
) -> tuple[Setup, ...]:
    """The pools of a plan's ``best``: one, or prefill and decode. ``model`` is what the user called the model."""
    engine: Engine = loader.load("engines", best["engine"])
    techniques = techniques_of(best)
    common: dict[str, Any] = {
        "engine": engine,
        "model": weights_of(best, model),
        "weight_dtype": best["weight_dtype"],
        "kv_dtype": best["kv_dtype"],
        "shipped_kv": _shipped_kv(best, model),
        "max_model_len": max_model_len,
        "memory_frac": best.get("memory_frac") or engine.memory_frac,
        "prefix_caching": prefix_caching,
        "chunked_prefill": _chunked(best, techniques, engine),
        "speculative": speculative_of(techniques),
        "kv_offload_bytes": float(techniques.get("kv_offload_bytes") or 0.0),
        "redundant_experts": int(techniques.get("redundant_experts") or 0),
        "two_batch_overlap": bool(techniques.get("two_batch_overlap")),
        "lora_adapters": int(techniques.get("lora_adapters") or 0),
        "lora_rank": int(techniques.get("lora_rank") or 0),
    }
    return tuple(_pool(role, pool, best, common) for role, pool in _pools(best, techniques))


def techniques_of(best: Mapping[str, Any]) -> dict[str, Any]:
    """The techniques of a plan as a mapping, from a mapping or from their spelling."""
    given = best.get("techniques") or {}
    found: dict[str, Any] = dict(parse_techniques(given).chosen if isinstance(given, str) else given)
    if found.get("kv_offload_gib"):
        found["kv_offload_bytes"] = float(found["kv_offload_gib"]) * 2**30
    return found


def speculative_of(techniques: Mapping[str, Any]) -> Speculative | None:
    """How tokens are drafted, or None."""
    method = str(techniques.get("speculative") or "off")
    if method in ("off", "none"):
        return None
    head, _, named = method.partition(":")
    named = named or str(techniques.get("draft_model") or "")
    if head in ("eagle", "eagle3") and not named:
        named = EAGLE_PLACEHOLDER  # the catalogue lists no heads: the person must name one
    usual = loader.techniques()[f"draft_tokens_{head.rstrip('3')}"].mid.value
    tokens = int(techniques.get("draft_tokens") or round(usual))
    return Speculative(head, tokens, _repository(named) if named else "")


def _repository(model: str) -> str:
    """Where to load a model of the catalogue from; other names stay as they are."""
    try:
        first = str(loader.load("models", model).checkpoints[0].name)
    except BadInputError:
        return model
    return first if "/" in first else model


def weights_of(best: Mapping[str, Any], model: str) -> str:
    """What to load: the checkpoint's repository where it has one, else what the user called the model."""
    checkpoint = str(best.get("checkpoint") or "")
    return checkpoint if "/" in checkpoint else model


def _shipped_kv(best: Mapping[str, Any], model: str) -> str:
    for checkpoint in loader.load("models", model).checkpoints:
        if checkpoint.name == best.get("checkpoint"):
            return str(checkpoint.kv_dtype)
    return str(best["kv_dtype"])


def _chunked(best: Mapping[str, Any], techniques: Mapping[str, Any], engine: Engine) -> bool | None:
    """Whether prompts are cut: as chosen; as planned, where the engine by itself does not; else left to the engine."""
    stated = techniques.get("chunked_prefill")
    if stated is None and not engine.chunked_prefill:
        stated = best.get("chunked_prefill")
    return None if stated is None else bool(stated)


def _pools(best: Mapping[str, Any], techniques: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(role, its fields); fields of a pool win over those of the plan."""
    apart = best["layout"] if isinstance(best["layout"], Mapping) else techniques.get("disaggregated")
    if not apart:
        return [("", {})]
    missing = [role for role in ("prefill", "decode") if role not in apart]
    if missing:
        raise UnsupportedError(f"a disaggregated layout needs prefill and decode; {missing[0]} is missing.")
    return [(role, apart[role]) for role in ("prefill", "decode")]


def _pool(role: str, pool: Mapping[str, Any], best: Mapping[str, Any], common: Mapping[str, Any]) -> Setup:
    layout = parse_layout(str(pool.get("layout") or best["layout"]))
    accelerator = str(pool.get("accelerator") or best["accelerator"])
    seqs, tokens = (pool.get(name, best.get(name)) for name in ("max_concurrency", "max_batched_tokens"))
    return Setup(
        **common,
        role=role,
        layout=layout,
        replicas=int(pool.get("replicas", best.get("replicas", 1))),
        accelerator=accelerator,
        nodes=nodes_of(layout, accelerator),
        max_seqs=None if seqs is None else int(seqs),
        step_tokens=None if tokens is None else int(tokens),
    )


def cache_flag(setup: Setup, known: ArgumentList, spelled: Mapping[str, str], engine: str) -> list[str]:
    """``--kv-cache-dtype`` as ``engine`` spells it, where the checkpoint would not have that precision by itself."""
    if setup.kv_dtype != "fp8" and setup.kv_dtype == setup.shipped_kv:
        return []
    wanted = spelled.get(setup.kv_dtype, setup.kv_dtype)
    choices = known.arguments["kv-cache-dtype"].choices
    if wanted not in choices and setup.kv_dtype in ("bf16", "fp16") and setup.shipped_kv != "fp8":
        wanted = "auto"  # releases without a name for it take the model's own, one of these two
    if wanted not in choices:
        raise UnsupportedError(f"{engine} {known.version} keeps no {setup.kv_dtype} cache: --kv {', '.join(spelled)}.")
    return ["--kv-cache-dtype", wanted]


def nodes_of(layout: Layout, accelerator: str) -> int:
    """Hosts that one replica needs, each giving the same number of accelerators."""
    n, host = layout.n_accelerators, host_accelerators(accelerator)
    return next(k for k in range(math.ceil(n / host), n + 1) if n % k == 0)
