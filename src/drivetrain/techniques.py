"""Techniques: what one may do beside choosing hardware, layout and precision; each off unless chosen.

One record, one spelling: ``speculative=mtp,draft-tokens=2,sparsity=2:4,power-cap=0.7`` on the command line, in scenario
files and in answers. :func:`parse_techniques` and :func:`spelled` are inverse to one another. What each does to time,
memory and power is in ``drivetrain.serving.techniques``; sources are in docs/method/techniques.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from drivetrain import units
from drivetrain.errors import BadInputError, UnitError
from drivetrain.registry import suggest

METHODS = ("off", "mtp", "eagle", "ngram")  # and draft:<model>
SPARSITIES = ("none", "2:4")
MAX_DRAFT_TOKENS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Techniques:
    """What is done beside hardware, layout and precision. Defaults change nothing.

    ``speculative`` drafts with the model's own multi-token-prediction layers (``mtp``), an EAGLE layer, a smaller model
    (``draft:NAME``) or by looking repeated text up (``ngram``); ``draft_tokens`` a step (0: what the method is usually
    run with), each accepted with probability ``acceptance`` if all before it were (``None``: the method's sourced
    value).
    ``chunked_prefill`` off runs prompts whole in steps of their own (``None``: as the engine does). ``sparsity`` 2:4
    prunes two of four neighbouring weights. ``kv_compression`` is the share of the prompt's cache entries that is kept.
    ``power_cap`` is the power limit as a share of TDP.

    Where experts are spread over ranks: ``expert_imbalance`` is the busiest rank's load over the mean as observed;
    ``expert_skew`` the exponent of a Zipf popularity of experts, from which load and experts hit are computed;
    ``redundant_experts`` copies of popular experts in each layer; ``two_batch_overlap`` hides the messages of one half
    of the batch behind the computing of the other.

    ``kv_offload_bytes`` is host memory for cache per accelerator. Giving it makes the prefix cache finite: what is
    found there depends on how much it holds (``None``: the stated hit share is reached, 0: device memory alone).
    ``host_hit`` states the share of input tokens found in host memory instead. ``lora_adapters`` adapters of rank
    ``lora_rank`` are resident and chosen uniformly.
    """

    speculative: str = "off"
    draft_tokens: int = 0
    acceptance: float | None = None
    chunked_prefill: bool | None = None
    sparsity: str = "none"
    kv_compression: float = 1.0
    power_cap: float = 1.0
    expert_imbalance: float = 1.0
    expert_skew: float = 0.0
    redundant_experts: int = 0
    two_batch_overlap: bool = False
    kv_offload_bytes: float | None = None
    host_hit: float | None = None
    lora_adapters: int = 0
    lora_rank: int = 0

    def __post_init__(self) -> None:
        _method(self.speculative)
        _one_of("sparsity", self.sparsity, SPARSITIES)
        for name, most in _WHOLE:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
                raise BadInputError(f"{_dashed(name)} must be a whole number from 0 to {most}, not {value!r}.")
        for name, low, high, exclusive in _REAL:
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if not _is_number(value) or not low <= value <= high or (exclusive and value == low):
                above = "above" if exclusive else "from"
                raise BadInputError(f"{_dashed(name)} must be a number {above} {low:g} to {high:g}, not {value!r}.")
        if self.chunked_prefill not in (None, True, False) or not isinstance(self.two_batch_overlap, bool):
            raise BadInputError("chunked-prefill and two-batch-overlap are on or off.")
        self._check_pairs()

    def _check_pairs(self) -> None:
        """Choices that mean nothing, or contradict one another."""
        if self.speculative == "off" and (self.draft_tokens or self.acceptance is not None):
            raise BadInputError("draft-tokens and acceptance need a method: add speculative=mtp, eagle, draft:NAME or "
                                "ngram.")  # fmt: skip
        if self.expert_skew > 0 and self.expert_imbalance > 1:
            raise BadInputError("expert-imbalance is observed, expert-skew computes it: give one of them.")
        if self.host_hit is not None and self.kv_offload_bytes is None:
            raise BadInputError("host-hit needs the memory it is found in: add for example kv-offload=64GB.")
        if (self.lora_adapters == 0) != (self.lora_rank == 0):
            raise BadInputError("adapters need a number and a rank: lora=8:16 is eight of rank 16.")

    @property
    def changes_output(self) -> frozenset[str]:
        """The active techniques after which the model may answer otherwise, by field.

        Speculative decoding with rejection sampling keeps the model's distribution; scheduling, power, placement and
        offload move work about. Adapters are part of the workload.
        """
        active = set()
        if self.sparsity != "none":
            active.add("sparsity")
        if self.kv_compression < 1.0:
            active.add("kv_compression")
        return frozenset(active)

    @property
    def draft_model(self) -> str:
        """The model named by ``draft:NAME``; empty for other methods."""
        return self.speculative.partition(":")[2]

    @property
    def chosen(self) -> dict[str, object]:
        """The fields that are not at their default."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


CHANGES_OUTPUT = frozenset({"sparsity", "kv_compression"})
"""Fields that change the model's answers when they are used."""

# name, most
_WHOLE = (("draft_tokens", MAX_DRAFT_TOKENS), ("redundant_experts", 1024), ("lora_adapters", 1024), ("lora_rank", 1024))
# name, least, most, whether the least itself is excluded
_REAL = (
    ("acceptance", 0.0, 1.0, False), ("kv_compression", 0.0, 1.0, True), ("power_cap", 0.0, 1.0, True),
    ("expert_imbalance", 1.0, 1024.0, False), ("expert_skew", 0.0, 10.0, False),
    ("kv_offload_bytes", 0.0, 1e15, False), ("host_hit", 0.0, 1.0, False),
)  # fmt: skip
_OPTIONAL = ("acceptance", "kv_offload_bytes", "host_hit")


def parse_techniques(text: str) -> Techniques:
    """Read techniques as they are spelled; an empty text means none.

    >>> parse_techniques("speculative=mtp, power-cap=0.7").power_cap
    0.7
    >>> spelled(parse_techniques("lora=8:16,kv-offload=64GB"))
    'kv-offload=64GB,lora=8:16'
    """
    if not isinstance(text, str):
        raise BadInputError(f"techniques must be text such as 'speculative=mtp,power-cap=0.7', not {text!r}.")
    choices: dict[str, Any] = {}
    seen: set[str] = set()
    for term in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in term.partition("="))
        key = name.lower().replace("_", "-")
        if key not in _READERS:
            close = suggest(key, _READERS, 1)
            hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(_READERS)}."
            raise BadInputError(f"there is no technique '{name}'.{hint}")
        if not equals or not value:
            raise BadInputError(f"technique '{name}' needs a value, for example {key}={_EXAMPLES[key]}.")
        if key in seen:
            raise BadInputError(f"technique '{key}' is given twice. Give one value.")
        seen.add(key)
        choices |= _READERS[key](key, value)
    return Techniques(**choices)


def spelled(techniques: Techniques) -> str:
    """The text that :func:`parse_techniques` reads back into the same record; only what is not at its default.

    >>> spelled(Techniques(speculative="mtp", draft_tokens=2, chunked_prefill=False))
    'speculative=mtp,draft-tokens=2,chunked-prefill=off'
    """
    return ",".join(f"{key}={value}" for key, value in _terms(techniques))


def _terms(t: Techniques) -> list[tuple[str, str]]:
    terms = []
    for name, value in t.chosen.items():
        if name == "lora_adapters":
            terms.append(("lora", f"{t.lora_adapters}:{t.lora_rank}"))
        elif name == "kv_offload_bytes":
            terms.append(("kv-offload", _bytes_text(float(value))))  # type: ignore[arg-type]
        elif name != "lora_rank":
            terms.append((_dashed(name), _text(value)))
    return terms


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def _bytes_text(value: float) -> str:
    gigabytes = value / 1e9
    return f"{int(gigabytes)}GB" if gigabytes == int(gigabytes) and gigabytes * 1e9 == value else f"{value!r}B"


def _read_text(key: str, value: str) -> dict[str, Any]:
    if key == "speculative" and value.lower().startswith("draft:"):
        return {"speculative": "draft:" + value[len("draft:") :].strip()}
    return {key: value.lower()}


def _read_number(key: str, value: str) -> dict[str, Any]:
    try:
        number = units.parse(value, "1")
    except UnitError:
        raise BadInputError(f"{key} needs a number, for example {key}={_EXAMPLES[key]}, not '{value}'.") from None
    return {key.replace("-", "_"): number}


def _read_whole(key: str, value: str) -> dict[str, Any]:
    if not value.isdecimal():
        raise BadInputError(f"{key} needs a whole number, for example {key}={_EXAMPLES[key]}, not '{value}'.")
    return {key.replace("-", "_"): int(value)}


def _read_switch(key: str, value: str) -> dict[str, Any]:
    known = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
    if value.lower() not in known:
        raise BadInputError(f"{key} is on or off, not '{value}'.")
    return {key.replace("-", "_"): known[value.lower()]}


def _read_bytes(key: str, value: str) -> dict[str, Any]:
    if value.lower() == "off":
        return {"kv_offload_bytes": None}
    if re.fullmatch(r"[\d._]*[1-9][\d._]*", value):
        raise BadInputError(f"{key}={value} has no unit. Write {key}={value}GB.")
    try:
        return {"kv_offload_bytes": units.parse(value, "bytes")}
    except UnitError as error:
        raise BadInputError(f"{key}: {error.args[0]} For example {key}={_EXAMPLES[key]}.") from None


def _read_lora(key: str, value: str) -> dict[str, Any]:
    adapters, _, rank = (part.strip() for part in value.partition(":"))
    if not (adapters.isdecimal() and rank.isdecimal()):
        raise BadInputError(f"{key} needs adapters and rank, for example lora=8:16, not '{value}'.")
    return {"lora_adapters": int(adapters), "lora_rank": int(rank)}


_READERS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "speculative": _read_text, "draft-tokens": _read_whole, "acceptance": _read_number,
    "chunked-prefill": _read_switch, "sparsity": _read_text, "kv-compression": _read_number,
    "power-cap": _read_number, "expert-imbalance": _read_number, "expert-skew": _read_number,
    "redundant-experts": _read_whole, "two-batch-overlap": _read_switch, "kv-offload": _read_bytes,
    "host-hit": _read_number, "lora": _read_lora,
}  # fmt: skip
_EXAMPLES = {
    "speculative": "mtp", "draft-tokens": "2", "acceptance": "0.8", "chunked-prefill": "off", "sparsity": "2:4",
    "kv-compression": "0.5", "power-cap": "0.7", "expert-imbalance": "1.3", "expert-skew": "0.5",
    "redundant-experts": "32", "two-batch-overlap": "on", "kv-offload": "64GB", "host-hit": "0.3", "lora": "8:16",
}  # fmt: skip


def _method(value: object) -> None:
    if isinstance(value, str):
        head, colon, model = value.partition(":")
        if head == "draft" and colon and model.strip():
            if "," in model or model != model.strip():
                raise BadInputError(f"draft model '{model}': a name or path without commas is needed.")
            return
        if head == "draft":
            raise BadInputError("a draft model needs a name: speculative=draft:llama-3.2-1b.")
        if value in METHODS:
            return
    close = suggest(str(value), METHODS, 1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise BadInputError(f"speculative '{value}' is not known.{hint} Choose {', '.join(METHODS)} or draft:NAME.")


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInputError(f"{name} '{value}' is not known. Choose {', '.join(known)}.")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _dashed(name: str) -> str:
    return {"kv_offload_bytes": "kv-offload"}.get(name, name.replace("_", "-"))
