"""Speed of training predictions, one JSON object a line: name, value, unit, conditions (python benchmarks/training.py).

CPU seconds of one core in a warm process, the median of several runs. Peers, measured on other machines with their own
settings (shared/design/peers.md): 8 ms for a layout, 84 CPU-s for a search of 8,112 candidates.
"""

from __future__ import annotations

from run import cpu_seconds, report

import drivetrain.verbs.plan_train as plans
from drivetrain.arch.training import counts
from drivetrain.catalogue import loader
from drivetrain.cost.hardware import hardware_of
from drivetrain.training.cases import Cluster, Job
from drivetrain.training.coefficients import coefficients
from drivetrain.training.layout import parse_layout
from drivetrain.training.predict import predict
from drivetrain.training.search import search

QUESTION = {"flops": 5.76e23, "n": 2048, "fabric": "ib-ndr", "accelerator": "h100-sxm"}


def one_layout() -> None:
    hardware = hardware_of(loader.load("accelerators", "h100-sxm"))
    model, layout = counts(loader.load("models", "llama-3.1-70b"), 8192), parse_layout("tp8pp4vp4dp32")
    job, cluster = Job(1024), Cluster(hardware, 1024)

    def run() -> object:
        return predict(model, job, cluster, layout, framework="megatron", must_fit=False)

    run()
    what = "Llama 3.1 70B, 1,024 H100, one layout with parts, memory, MFU and range; warm, CPU time"
    report("training.layout", 1e3 * cpu_seconds(run, 101), "ms", what)


def layout_search() -> None:
    hardware = hardware_of(loader.load("accelerators", "h100-sxm"))
    rates, _ = coefficients("megatron", hardware.generation)
    for name, n, batch in (("gpt-3-175b", 4096, 1536), ("deepseek-v3", 2048, 8192)):
        model = counts(loader.load("models", name), 8192)
        found = search(model, Job(batch), Cluster(hardware, n), rates)
        seconds = cpu_seconds(
            lambda model=model, n=n, batch=batch: search(model, Job(batch), Cluster(hardware, n), rates), 5
        )
        what = f"{name} on {n} H100: all {found.n_valid} valid layouts timed and ranked; warm, CPU time, one core"
        report(f"training.search.{name}", seconds, "s", what)


def whole_plans() -> None:
    plans.plan_train(**QUESTION)
    report("plan_train", cpu_seconds(lambda: plans.plan_train(**QUESTION), 5), "s",
           "5.76e23 FLOP on 2,048 H100: size, tokens, loss, best layouts, cost; warm, CPU time")  # fmt: skip
    everything = {"budget": "$2M", "days": 60}
    n = plans.plan_train(**everything)["n_layouts"]
    report("plan_train.catalogue", cpu_seconds(lambda: plans.plan_train(**everything), 3), "s",
           f"$2M on any accelerator of the catalogue, {n} layouts; warm, CPU time")  # fmt: skip
    report("plan_train.fabrics", cpu_seconds(lambda: plans.plan_train(**QUESTION, compare_fabrics=True), 3), "s",
           "the same job on five networks at 12 sizes from 8 to 16,384, best layout each; warm, CPU time")  # fmt: skip


if __name__ == "__main__":
    one_layout()
    layout_search()
    whole_plans()
