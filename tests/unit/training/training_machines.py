"""An ideal machine and coefficients that lose nothing, so that times can be worked out by hand."""

from dataclasses import fields, replace

import numpy as np

from drivetrain.arch.training import counts
from drivetrain.catalogue import loader
from drivetrain.cost.hardware import hardware_of
from drivetrain.training.cases import Cluster, Job, lay_out
from drivetrain.training.coefficients import Coefficients
from drivetrain.training.layout import TrainingLayout, side_by_side
from drivetrain.training.timing import step_times

IDEAL = Coefficients(
    gemm=1.0, narrow=1.0, four_bit=1.0, experts=1.0, attention=1.0, attention_backward=1.0, scan=1.0, bandwidth=1.0,
    moved=1.0, overlap=0.0, tile_k=0.0, unfused=0.0, host_layer_s=0.0, host_moe_s=0.0, tp_exposed=1.0, ep_exposed=1.0,
    pp_exposed=0.0, dp_overlap=0.0, shard_overlap=0.0, jitter=0.0, step_s=0.0, grad_bytes=2.0, pace=1.0,
    again=1.0, selected=0.0, ramp=0.0,
)  # fmt: skip
H100 = hardware_of(loader.load("accelerators", "h100-sxm-80gb"))
FAST_MEMORY = replace(H100, hbm_bytes_per_s=1e30, memory_bytes=1e15)
LLAMA_8B = counts(loader.load("models", "llama-3-8b"), 8192)
LLAMA_70B = counts(loader.load("models", "llama-3-70b"), 8192)
MIXTRAL = counts(loader.load("models", "mixtral-8x7b"), 4096)


def cases(model, layout, hardware=H100, batch=64, rates=IDEAL, **job):
    return lay_out(model, Job(batch, **job), Cluster(hardware, layout.n_accelerators), side_by_side([layout]), rates)


def times(model, layout, hardware=H100, batch=64, rates=IDEAL, **job):
    found = step_times(cases(model, layout, hardware, batch, rates, **job))
    return {f.name: float(np.broadcast_to(getattr(found, f.name), (1,))[0]) for f in fields(found)}


def layout(**values):
    return TrainingLayout(**values)
