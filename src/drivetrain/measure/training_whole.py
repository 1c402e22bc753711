"""What published whole runs ran on, where their totals do not say: cluster, batch, layout.

As remembered, no copy being at hand: Llama 3 405B (arXiv:2407.21783, table 4: 16,384 H100, tp8 pp16 dp128, 16 M tokens
a step), DeepSeek-V3 (arXiv:2412.19437: 2,048 H800, pp16 ep64 ZeRO-1, DualPipe, 15,360 sequences a step), Llama 2
(arXiv:2307.09288: 4 M tokens a step, 2,000 A100 at most; weights published in 1, 2 and 8 tensor slices for 7B, 13B
and 70B, taken as tp).

Assumed, after the published hours were seen: that Llama 3 8B and 70B trained on all of a 16,384-part cluster with
8 M tokens a step. Their hours imply 17 and 27 % MFU, and for 3.1 hold post-training; only a batch small for its
cluster explains so little. On 2,048 parts the 70B run would take a bit over half of its hours.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.training.layout import TrainingLayout


@dataclass(frozen=True, slots=True)
class Whole:
    """Cluster, sequences per step and, where published, the layout of one run."""

    n: int
    sequences: int
    layout: TrainingLayout | None = None


WHOLE: dict[tuple[str, str], Whole] = {
    ("llama-2-7b", "a100-sxm-80gb"): Whole(1024, 1024, TrainingLayout(dp=1024, zero=3)),
    ("llama-2-13b", "a100-sxm-80gb"): Whole(1024, 1024, TrainingLayout(tp=2, dp=512)),
    ("llama-2-70b", "a100-sxm-80gb"): Whole(2048, 1024, TrainingLayout(tp=8, dp=256)),
    ("llama-3-8b", "h100-sxm-80gb"): Whole(16_384, 1024),
    ("llama-3-70b", "h100-sxm-80gb"): Whole(16_384, 1024),
    ("llama-3.1-405b", "h100-sxm-80gb"): Whole(
        16_384, 2048, TrainingLayout(tp=8, pp=16, vp=8, dp=128, schedule="interleaved")
    ),
    ("deepseek-v3", "h800-sxm-80gb"): Whole(
        2048, 15_360, TrainingLayout(pp=16, dp=128, ep=64, schedule="dualpipe", recompute="selective")
    ),
    ("opt-175b", "a100-sxm-80gb"): Whole(1024, 1024),
}
