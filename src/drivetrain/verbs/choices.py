"""What could be done otherwise, as levers on a setting: published precisions, techniques, other models.

Those of :func:`output_levers` change what the model answers; those of :func:`exact_levers` do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from drivetrain.arch.params import count
from drivetrain.catalogue import loader
from drivetrain.catalogue.model import Checkpoint, Model, MoE
from drivetrain.catalogue.quality import Sibling, siblings_of
from drivetrain.techniques import Techniques, spelled
from drivetrain.verbs.kept import WIDE
from drivetrain.verbs.setting import Lever, Setting

KEPT_CACHE = 0.5
OFFLOAD_BYTES = 128e9  # a terabyte of host memory among eight
POWER_CAPS = (0.9, 0.8, 0.7)
_DRAFT_SIZE, _LARGEST_DRAFT = 1 / 20, 1 / 5  # of what the model computes a token with
_SPARE_EXPERTS = 1 / 8  # copies, of the experts of a layer


def output_levers(model: Model, setting: Setting) -> list[Lever]:
    """Levers that change outputs: other precisions, a smaller cache, sparse weights."""
    return [*weights_levers(model, setting), *kv_levers(setting), *_compressed(setting), *_sparse(setting)]


def exact_levers(model: Model, setting: Setting) -> list[Lever]:
    """Levers that keep the distribution of outputs: speculation, scheduling, placement and memory of the host."""
    return [*speculation_levers(model, setting), *_scheduling(setting), *_experts(model, setting)]


def weights_levers(model: Model, setting: Setting) -> list[Lever]:
    """Weights of every published precision but the present one; the cache stays as it is.

    Of several checkpoints in one precision that which ships with the cache at hand, else the first.
    """
    found: dict[str, Checkpoint] = {}
    for checkpoint in sorted(model.checkpoints, key=lambda c: c.kv_dtype != setting.kv_dtype):
        found.setdefault(checkpoint.weight_dtype, checkpoint)
    order = dict.fromkeys(c.weight_dtype for c in model.checkpoints)
    return [Lever(f"weights={dtype}", "weights", changes={"checkpoint": found[dtype]}, frees_memory=True)
            for dtype in order if dtype != setting.checkpoint.weight_dtype]  # fmt: skip


def kv_levers(setting: Setting) -> list[Lever]:
    """A cache in eight bits where it has more."""
    return [cache_in("fp8")] if setting.kv_dtype in WIDE else []


def cache_in(dtype: str) -> Lever:
    """A cache in ``dtype``."""
    return Lever(f"kv_dtype={dtype}", "kv", changes={"kv_dtype": dtype}, frees_memory=True)


def technique(text: str, choice: Techniques, kind: str, **more: bool | str | dict[str, object]) -> Lever:
    """The techniques that ``choice`` chooses as a lever called ``text``."""
    return Lever(text, kind, techniques=choice.chosen, **more)  # type: ignore[arg-type]


def speculation_levers(model: Model, setting: Setting) -> list[Lever]:
    """Every other way of drafting, with as many tokens as usual and with one; off where it is on."""
    now = setting.techniques.speculative
    smaller = draft_for(model)
    methods = ["mtp", "eagle", *([f"draft:{smaller.name}"] if smaller else []), "ngram"]
    fresh = {"draft_tokens": 0, "acceptance": None}
    found = []
    if now != "off":
        found.append(Lever("speculative=off", "speculative", techniques={"speculative": "off", **fresh}))
    for method in methods:
        for tokens in (0, 1):
            choice = Techniques(speculative=method, draft_tokens=tokens)
            if method != now:
                found.append(Lever(spelled(choice), "speculative", techniques={**fresh, **choice.chosen},
                                   frees_memory=True))  # fmt: skip
    return found


def draft_for(model: Model) -> Model | None:
    """The catalogued relative nearest to a twentieth of ``model``, at most a fifth, that shares its vocabulary."""
    size = _computed_with(model)
    known: list[Model] = list(loader.load_all("models").values())
    relatives = [
        m for m in known
        if m.family.split("_")[0] == model.family.split("_")[0] and m.vocab == model.vocab
        and _computed_with(m) <= _LARGEST_DRAFT * size
    ]  # fmt: skip
    return min(relatives, key=lambda m: abs(math.log(_computed_with(m) / size / _DRAFT_SIZE)), default=None)


def power_levers(metric: str) -> list[Lever]:
    """Power caps, judged by ``metric``."""
    caps = [Techniques(power_cap=cap) for cap in POWER_CAPS]
    return [technique(spelled(choice), choice, "power-cap", metric=metric) for choice in caps]


def offload_lever(setting: Setting) -> Lever:
    """Host memory for cache, or twice of it: where the setting's prefix cache is finite."""
    now = setting.techniques.kv_offload_bytes
    choice = Techniques(kv_offload_bytes=2 * now if now else OFFLOAD_BYTES)
    return technique(spelled(choice), choice, "kv-offload")


def sibling_levers(model: Model) -> list[tuple[Sibling, Lever | None]]:
    """Models that were compared with ``model`` as levers; ``None`` for those the catalogue has not."""
    return [(sibling, _sibling(sibling)) for sibling in siblings_of(model)]


def _sibling(sibling: Sibling) -> Lever | None:
    if sibling.model not in loader.names("models"):
        return None
    other: Model = loader.load("models", sibling.model)
    first, own = other.checkpoints[0], "/" in sibling.checkpoint  # weights of their own in a known model's shape
    first = replace(first, name=sibling.checkpoint) if own else first
    shaped = f"has the shape of {sibling.model}" if own else ""
    fields = {"model": other, "checkpoint": first, "kv_dtype": first.kv_dtype}
    return Lever(
        f"{sibling.relation}={sibling.checkpoint}", "model",
        changes=fields | {"stand_in": f"sibling={sibling.checkpoint}"}, pairs=False, note=shaped,
    )  # fmt: skip


def _compressed(setting: Setting) -> Iterator[Lever]:
    if setting.techniques.kv_compression > KEPT_CACHE:
        choice = Techniques(kv_compression=KEPT_CACHE)
        yield technique(spelled(choice), choice, "kv-compression", frees_memory=True)


def _sparse(setting: Setting) -> Iterator[Lever]:
    if setting.techniques.sparsity == "none":
        choice = Techniques(sparsity="2:4")
        yield technique(spelled(choice), choice, "sparsity", frees_memory=True)


def _scheduling(setting: Setting) -> Iterator[Lever]:
    """Prompts in chunks beside decoding, or whole in steps of their own."""
    stated = setting.techniques.chunked_prefill
    chunks = stated is None or stated  # plans cut prompts wherever the engine can
    choice = Techniques(chunked_prefill=not chunks)
    yield technique(spelled(choice), choice, "chunked-prefill")


def _experts(model: Model, setting: Setting) -> Iterator[Lever]:
    """Copies of popular experts, and messages of one half of the batch behind the computing of the other."""
    mixtures = [group.ffn for group in model.layers if isinstance(group.ffn, MoE)]
    if not mixtures:
        return
    ep = max((layout.ep for layout in setting.layouts), default=0)
    if setting.techniques.redundant_experts == 0 and ep != 1:
        ep = max(ep, 1)
        copies = ep * max(1, round(mixtures[0].n_experts * _SPARE_EXPERTS / ep))
        choice = Techniques(redundant_experts=copies)
        yield technique(spelled(choice), choice, "redundant-experts")
    if not setting.techniques.two_batch_overlap:
        yield overlap_lever()


def overlap_lever() -> Lever:
    """Two-batch overlap."""
    choice = Techniques(two_batch_overlap=True)
    return technique(spelled(choice), choice, "two-batch-overlap")


def _computed_with(model: Model) -> float:
    """Parameters that a token is computed with."""
    return float(model.published.active or model.published.total or count(model).active)
