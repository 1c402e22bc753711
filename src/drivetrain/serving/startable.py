"""Would this deployment start? What a layout asks of the engine, put to the support matrix."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.arch.layout import Layout
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.model import Checkpoint, Model
from drivetrain.catalogue.support import Support, support_of
from drivetrain.techniques import Techniques

# how each technique is called in the support matrix; EAGLE heads published today are of its third version
_SPECULATIVE = {"mtp": "speculative_mtp", "eagle": "speculative_eagle3", "ngram": "speculative_ngram"}


def features_of(layout: Layout, choice: Techniques | None = None) -> tuple[str, ...]:
    """Engine features that a layout, and the techniques chosen, need.

    >>> features_of(Layout(tp=8)), features_of(Layout(dp=8, ep=8))
    ((), ('expert_parallel', 'attention_dp'))
    """
    needed = [name for name, degree in
              (("pipeline_parallel", layout.pp), ("expert_parallel", layout.ep), ("attention_dp", layout.dp))
              if degree > 1]  # fmt: skip
    if layout.dp > 1 and layout.tp > 1:
        needed.append("attention_dp_with_tp")
    if choice is not None:
        needed += _technique_features(choice)
    return tuple(needed)


def _technique_features(choice: Techniques) -> list[str]:
    method = "speculative_draft" if choice.draft_model else _SPECULATIVE.get(choice.speculative, "")
    wanted = (
        (method, bool(method)),
        ("chunked_prefill", choice.chunked_prefill is True),
        ("sparse_2_4", choice.sparsity == "2:4"),
        ("expert_balancing", choice.redundant_experts > 0),
        ("two_batch_overlap", choice.two_batch_overlap),
        ("kv_offload", bool(choice.kv_offload_bytes)),
        ("kv_compression", choice.kv_compression < 1.0),
        ("lora", choice.lora_adapters > 0),
    )
    return [name for name, used in wanted if used]


def support(
    engine: Engine,
    accelerator: Accelerator,
    model: Model,
    checkpoint: Checkpoint,
    kv_dtype: str,
    features: tuple[str, ...] = (),
) -> Support:
    """Whether ``engine`` runs this checkpoint of ``model`` with a cache in ``kv_dtype`` on ``accelerator``."""
    return support_of(
        engine, accelerator, weight_dtype=checkpoint.weight_dtype, kv_dtype=kv_dtype or checkpoint.kv_dtype,
        family=model.family, features=features, weight_format=checkpoint.written_as,
    )  # fmt: skip


def chunks_prompts(
    engine: Engine, accelerator: Accelerator, model: Model, checkpoint: Checkpoint, choice: Techniques,
    allow_unverified: bool = False,
) -> bool:  # fmt: skip
    """Whether a plan cuts prompts into chunks: as chosen, else wherever the engine does or can be told to."""
    if choice.chunked_prefill is not None:
        return choice.chunked_prefill
    if engine.chunked_prefill:
        return True
    status = support(engine, accelerator, model, checkpoint, "bf16", ("chunked_prefill",)).status
    return status in (("supported", "unverified") if allow_unverified else ("supported",))


def starting_checkpoint(
    model: Model, checkpoint: Checkpoint, accelerator: Accelerator, engines: Sequence[Engine], kv_dtype: str,
    choice: Techniques, allow_unverified: bool,
) -> Checkpoint:  # fmt: skip
    """``checkpoint`` where one of ``engines`` starts it, else the first in its precision that one of them starts."""
    starters = Starters(model, engines, kv_dtype, allow_unverified, choice)
    same = model.alike(checkpoint)
    return next((c for c in same if starters.of(accelerator, c, Layout())), checkpoint)


class Starters:
    """The engines that start a checkpoint with the techniques of ``choice``.

    Of ``checkpoints`` that are the same but for the format of their files, each engine takes one: the first that is
    known to start, else the first of which nobody knows. Asked once for each accelerator, checkpoint and set of
    features.
    """

    def __init__(
        self, model: Model, engines: Sequence[Engine], kv_dtype: str, allow_unverified: bool,
        choice: Techniques | None = None, checkpoints: Sequence[Checkpoint] = (),
    ) -> None:  # fmt: skip
        self._model, self._engines, self._kv_dtype, self._choice = model, engines, kv_dtype, choice
        self._enough = ("supported", "unverified") if allow_unverified else ("supported",)
        self._same = {c.name: [o for o in checkpoints if self._bytes(o) == self._bytes(c)] for c in checkpoints}
        self._known: dict[tuple[str, str, tuple[str, ...]], tuple[Engine, ...]] = {}

    def of(self, accelerator: Accelerator, checkpoint: Checkpoint, layout: Layout) -> tuple[Engine, ...]:
        """Engines that start ``checkpoint`` cut as ``layout`` on ``accelerator``, in the order they were given."""
        features = features_of(layout, self._choice)
        key = (accelerator.name, checkpoint.name, features)
        if key not in self._known:
            same = self._same.get(checkpoint.name, [checkpoint])
            self._known[key] = tuple(
                e for e in self._engines if self._taken(e, accelerator, same, features) is checkpoint
            )
        return self._known[key]

    def _taken(
        self, engine: Engine, accelerator: Accelerator, same: Sequence[Checkpoint], features: tuple[str, ...]
    ) -> Checkpoint | None:
        """Which of checkpoints that are the same the engine is given."""
        status = [support(engine, accelerator, self._model, c, self._kv_dtype, features).status for c in same]
        return next((same[status.index(enough)] for enough in self._enough if enough in status), None)

    def _bytes(self, checkpoint: Checkpoint) -> tuple[object, ...]:
        """What of a checkpoint decides memory and speed."""
        kv = self._kv_dtype or checkpoint.kv_dtype
        return checkpoint.weight_dtype, kv, tuple(sorted(checkpoint.dtypes.items()))
