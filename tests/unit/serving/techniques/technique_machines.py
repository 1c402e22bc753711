"""Deployments with techniques, on fixed hardware: what the tests of this folder evaluate."""

from functools import cache

from drivetrain.arch.layout import parse_layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.steady import prepare
from drivetrain.serving.techniques.active import activate
from drivetrain.techniques import parse_techniques

DENSE = ("llama-3.1-70b", "h100-sxm", "tp4")
MIXTURE = ("deepseek-v3", "h200-sxm", "dp8ep8")
NODES = ("deepseek-v3", "h100-sxm", "dp32ep32")


@cache
def hardware(name):
    return hardware_of(loader.load("accelerators", name))


def active(text, model, accelerator):
    return activate(parse_techniques(text), loader.load("models", model)).on(hardware(accelerator))


@cache
def deployment(text, where, engine="vllm", checkpoint=0):
    name, accelerator, layout = where
    model, e, hw = loader.load("models", name), loader.load("engines", engine), hardware(accelerator)
    chosen = model.checkpoints[checkpoint]
    piece = cut(model, chosen, parse_layout(layout), chosen.kv_dtype, active(text, name, accelerator))
    eff = efficiency(e.family, hw.generation)
    return deploy(piece, hw, e, eff, collective_coefficients(e.family))


def prepared(text, where, isl=2048, osl=256, hit=0.0, budget=8192.0, max_seqs=1e9, **other):
    workload = fixed(isl, osl) if isinstance(isl, int) else loader.load("workloads", isl)
    return prepare(deployment(text, where, **other), lengths_of(workload, hit), budget, max_seqs)
