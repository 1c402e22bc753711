"""The support matrix as records: what each release of an engine runs, on which hardware, and who says so.

A :class:`Rule` answers one question (does it run this accelerator, these weights, this file format, this cache,
this architecture, this feature?) for part of the matrix; an :class:`EngineSupport` holds the rules of one engine
family. How they combine to an answer is in :mod:`drivetrain.catalogue.support`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["supported", "unverified", "unsupported"]
STATUSES: tuple[Status, ...] = ("supported", "unverified", "unsupported")
Version = tuple[int, ...]

# question -> the field of a rule that names what it is about (accelerators: its scope says it)
QUESTIONS = {
    "accelerators": "",
    "weights": "precisions",
    "formats": "formats",
    "kv": "precisions",
    "families": "families",
    "features": "features",
}

FEATURES = {
    "chunked_prefill": "chunked prefill",
    "prefix_caching": "prefix caching",
    "speculative_mtp": "speculative decoding with multi-token-prediction layers",
    "speculative_eagle": "speculative decoding with EAGLE",
    "speculative_eagle3": "speculative decoding with EAGLE-3",
    "speculative_draft": "speculative decoding with a draft model",
    "speculative_ngram": "speculative decoding with n-grams",
    "disaggregation": "disaggregated prefill and decode",
    "disaggregation_nixl": "KV transfer over NIXL",
    "disaggregation_mooncake": "KV transfer over Mooncake",
    "disaggregation_p2p_nccl": "KV transfer over point-to-point NCCL",
    "disaggregation_lmcache": "KV transfer over LMCache",
    "disaggregation_mori": "KV transfer over MoRI",
    "disaggregation_ucx": "KV transfer over UCX",
    "expert_parallel": "expert parallelism",
    "attention_dp": "data-parallel attention beside expert parallelism",
    "attention_dp_with_tp": "data-parallel attention over groups of tensor-parallel ranks",
    "pipeline_parallel": "pipeline parallelism",
    "expert_balancing": "redundant experts (expert-parallel load balancing)",
    "two_batch_overlap": "two-batch overlap",
    "kv_offload": "KV offload to host memory",
    "kv_compression": "KV-cache compression",
    "sparse_2_4": "2:4 sparse weights",
    "lora": "LoRA adapters",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One statement about a part of the matrix.

    It is about the accelerators whose name or generation is in ``on`` (empty: all), the ``values`` of its question
    (precisions, formats, families or features) and, where ``families`` is not empty, only those architectures; from
    version ``since`` up to, not including, ``until``. A *supported* rule also says that other versions do not run
    what it is about; the other two say nothing outside their versions.
    """

    question: str
    status: Status
    source: str
    seen: str
    on: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    note: str = ""

    def holds_in(self, version: Version) -> bool:
        """Whether the rule speaks about ``version``."""
        return self.begun(version) and not (self.until and reached(version, version_of(self.until)))

    def begun(self, version: Version) -> bool:
        """Whether ``version`` is at or after ``since``."""
        return not self.since or reached(version, version_of(self.since))

    def covers(self, accelerator: str, generation: str, family: str) -> bool:
        """Whether the rule is about this accelerator and architecture."""
        return (not self.on or accelerator in self.on or generation in self.on) and (
            not self.families or family in self.families
        )


@dataclass(frozen=True, slots=True, eq=False)
class EngineSupport:
    """All rules of one file about an engine family. ``releases`` are the lines (0.9, 0.10) that versions begin with.

    Rules are in order: the first that covers a question in a version answers it.
    """

    name: str
    aliases: tuple[str, ...]
    family: str
    title: str
    releases: tuple[str, ...]
    rules: tuple[Rule, ...]
    notes: str = ""


def version_of(text: str) -> Version:
    """Read a version: numbers with dots; empty where it is not one.

    >>> version_of("0.10.2"), version_of("nightly")
    ((0, 10, 2), ())
    """
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def reached(version: Version, bound: Version) -> bool:
    """Whether ``version`` is at or after ``bound``; a line such as 0.10 stands for its last release.

    >>> reached((0, 10), (0, 10, 2)), reached((0, 10, 1), (0, 10, 2)), reached((0, 9), (0, 10))
    (True, False, False)
    """
    return version >= bound[: len(version)]
