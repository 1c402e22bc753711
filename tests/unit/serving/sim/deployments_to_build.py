"""Catalogue models on H100, as pools of the simulator are built from."""

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.techniques.active import activate
from drivetrain.techniques import parse_techniques

HOPPER = hardware_of(loader.load("accelerators", "h100-sxm"))


def deployment(model="llama-3.1-8b", layout=None, engine="vllm", techniques="", kv="bf16"):
    model = loader.load("models", model)
    active = activate(parse_techniques(techniques), model)
    piece = cut(model, model.checkpoints[0], layout or Layout(), kv, active)
    engine = loader.load("engines", engine)
    eff = efficiency(engine.family, "hopper", engine.released)
    return deploy(piece, HOPPER, engine, eff, collective_coefficients(engine.family))
