"""Drivetrain: AI infrastructure as one system.

Model, accelerator, memory, interconnect, power, software, workload, price.

>>> import drivetrain
>>> answer = drivetrain.predict_serve(model="llama-3.1-8b", accelerators=("h100-sxm",), layouts=("tp1",),
...                                   engines=("vllm",), isl=1024, osl=256, concurrency=8)
>>> answer["bottleneck"]
'hbm_bandwidth'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "DrivetrainError",
    "ServeScenario",
    "TrainScenario",
    "__version__",
    "ceilings",
    "compare",
    "cost_hourly",
    "cost_lifetime",
    "cost_plan",
    "cost_serve",
    "import_model",
    "outlook",
    "plan_serve",
    "plan_train",
    "predict_loss",
    "predict_serve",
    "predict_train",
    "simulate",
    "validate",
]

_HOME = {
    "DrivetrainError": "drivetrain.errors",
    "ServeScenario": "drivetrain.scenario",
    "TrainScenario": "drivetrain.training_scenario",
    "ceilings": "drivetrain.verbs.ceilings",
    "compare": "drivetrain.verbs.compare",
    "cost_hourly": "drivetrain.verbs.cost",
    "cost_lifetime": "drivetrain.verbs.cost_lifetime",
    "cost_plan": "drivetrain.verbs.cost",
    "cost_serve": "drivetrain.verbs.cost",
    "import_model": "drivetrain.verbs.import_model",
    "outlook": "drivetrain.verbs.outlook",
    "plan_serve": "drivetrain.verbs.plan_serve",
    "plan_train": "drivetrain.verbs.plan_train",
    "predict_loss": "drivetrain.verbs.train_laws",
    "predict_serve": "drivetrain.verbs.predict_serve",
    "predict_train": "drivetrain.verbs.predict_train",
    "simulate": "drivetrain.verbs.simulate",
    "validate": "drivetrain.verbs.validate",
}

if TYPE_CHECKING:
    from drivetrain.errors import DrivetrainError
    from drivetrain.scenario import ServeScenario
    from drivetrain.training_scenario import TrainScenario
    from drivetrain.verbs.ceilings import ceilings
    from drivetrain.verbs.compare import compare
    from drivetrain.verbs.cost import cost_hourly, cost_plan, cost_serve
    from drivetrain.verbs.cost_lifetime import cost_lifetime
    from drivetrain.verbs.import_model import import_model
    from drivetrain.verbs.outlook import outlook
    from drivetrain.verbs.plan_serve import plan_serve
    from drivetrain.verbs.plan_train import plan_train
    from drivetrain.verbs.predict_serve import predict_serve
    from drivetrain.verbs.predict_train import predict_train
    from drivetrain.verbs.simulate import simulate
    from drivetrain.verbs.train_laws import predict_loss
    from drivetrain.verbs.validate import validate


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used, so that ``import drivetrain`` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'drivetrain' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
