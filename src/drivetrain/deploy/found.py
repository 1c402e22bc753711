"""What a command line says, in no engine's words: the step between flags and a scenario."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One server as its command line describes it.

    ``copies`` are independent servers behind one address (data parallelism that shares nothing). ``max_seqs`` is of
    all data-parallel ranks, ``step_tokens`` of one. ``None`` and "" mean the engine's default. ``speculative`` is the
    technique as drivetrain spells it (``mtp``, ``eagle``, ``ngram``, ``draft:NAME``). ``used`` are the flags that
    were read; ``notes`` what the reader should know.
    """

    used: frozenset[str]
    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    copies: int = 1
    kv_dtype: str = ""
    quantization: str = ""
    max_seqs: int | None = None
    step_tokens: int | None = None
    max_model_len: int | None = None
    memory_frac: float | None = None
    prefix_caching: bool | None = None
    chunked_prefill: bool | None = None
    speculative: str = ""
    draft_tokens: int = 0
    kv_offload_bytes: float = 0.0
    redundant_experts: int = 0
    two_batch_overlap: bool = False
    lora_adapters: int = 0
    lora_rank: int = 0
    role: str = ""
    notes: tuple[str, ...] = ()
