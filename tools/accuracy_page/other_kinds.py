"""MLPerf, power and collectives: the parts of the page that are not load tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accuracy_page.regimes import reasons
from accuracy_page.text import ERRORS, against, errors, inside, table
from drivetrain.cost.efficiency import calibration
from drivetrain.measure.outcome import Outcome
from drivetrain.measure.score import Score, grouped, score

# What the project set itself to reach, as median (MLPerf, collectives) or mean (power) absolute errors.
MLPERF, MLPERF_UNSEEN = 0.12, 0.20
ALL_REDUCE = {"group_size": 0.08, "accelerator": 0.22}
MLPERF_LEFT_OUT = {"submitters": MLPERF, "systems": MLPERF, "accelerators": MLPERF_UNSEEN, "benchmarks": None}
POWER = {"hopper": ("h100-sxm-80gb", 0.14, 0.12, 0.164), "blackwell": ("b200-sxm-180gb", 0.18, 0.14, 0.249)}

POWER_METRICS = ("power_at_measured_rate", "power", "output_tokens_per_s", "itl")


def mlperf(found: Sequence[Outcome]) -> list[str]:
    """Tokens per second of whole systems."""
    done = [o for o in found if not o.reason]
    recorded = calibration("mlperf")["error"]
    rows = []
    for kind, target in MLPERF_LEFT_OUT.items():
        by_scenario = recorded[f"{kind}_left_out"]
        s = by_scenario["offline_and_server"]
        median = f"{100 * s['median_abs']:.1f} %" if target is None else against(s["median_abs"], target)
        rows.append([f"whole {kind}", str(s["n"]), median, f"{100 * s['mean_abs']:.1f} %",
                     f"{100 * by_scenario['interactive']['median_abs']:.1f} %"])  # fmt: skip
    return [
        "## MLPerf Inference v5.1: tokens per second of a system",
        "Submissions are tuned by hand. Four coefficients say what that makes of the serving calibration "
        "(`cost/calibration/mlperf.toml`): faster kernels under TensorRT-LLM, what a node's host can feed, and the "
        "share of the capacity within the limits that is claimed in Server and Interactive. They are fitted on these "
        "rows; this table is of fits that had not seen the submitter, the machine, the accelerator or the benchmark. "
        "Lengths follow the data sets' distributions ([MLPerf](mlperf.md)).",
        table(["left out", "n", "Offline and Server, median", "mean", "Interactive, median"], rows),
        "In sample, by group:",
        "![MLPerf](../assets/accuracy-mlperf.svg)",
        grid("output_tokens_per_s", done, ("scenario", "benchmark", "accelerator", "engine")),
        "Weak: `deepseek-r1` Server (answers of a few hundred to twenty thousand tokens decide it), "
        "`llama3.1-405b` on Blackwell, parts never fitted (AMD, Intel), and Server and Interactive in general, whose "
        "99th percentiles are closed-form approximations.",
        "Not predicted:\n\n" + reasons(found),
    ]


def power(found: Sequence[Outcome]) -> list[str]:
    """Watts while serving."""
    done = [o for o in found if not o.reason]
    raw = calibration("power").get("generation", {})
    rows = []
    for generation, (name, own, given, constant) in POWER.items():
        table_of = raw.get(generation, {})
        at_rate, by_us = (table_of.get(f"mean_abs_{kind}models_left_out") for kind in ("", "own_"))
        rows.append([f"`{name}`", against(at_rate, given), against(by_us, own), f"{100 * constant:.1f} %"])
    return [
        "## Power",
        "`power at measured rate` tests the power model alone (measured batch and throughput given); `power`, "
        "`output tokens per s` and `itl` come from our own prediction at the measured mean batch. The power "
        "coefficients were fitted on these rows, and so is what the servers' hosts add to a step; the first table "
        "is of fits that had not seen the model. Prompt lengths are not recorded; they are assumed by task. On "
        "one-GPU B200 servers the host starves the accelerator, which is most of what remains unexplained there.",
        table(["mean absolute error, models left out", "measured rate given", "from our own rate", "a constant"], rows),
        "![Power](../assets/accuracy-power.svg)",
        *(grid(metric, done, ("accelerator", "task")) for metric in POWER_METRICS),
        f"{sum(bool(o.unscored) for o in found)} rows are not steady (batch against throughput and gap disagree) and "
        "are predicted but not scored.",
    ]  # fmt: skip


def collectives(found: Sequence[Outcome]) -> list[str]:
    """Seconds of collectives."""
    done = [o for o in found if not o.reason]
    meta = calibration("collectives").get("meta", {})
    rows = [
        [f"all-reduce from 1 MiB up, library known, {kind.replace('_', ' ')} left out",
         against(meta.get(f"library_known_all_reduce_from_1mib_error_{kind}_out"), target)]
        for kind, target in ALL_REDUCE.items()
    ]  # fmt: skip
    nvlink = meta["library_known_all_reduce_from_1mib_error_group_size_out_nvlink"]
    rows.append(["the same on NVLink alone, group size left out", f"{100 * nvlink:.1f} %"])
    return [
        "## Collectives",
        "In sample: the coefficients were fitted on these rows. Errors with a group size, an accelerator or a link "
        "family left out stand in `cost/calibration/collectives.toml` and in [Collectives](collectives.md).",
        table(["", "median"], rows),
        "What keeps the first above its bar is PCIe: three group sizes were measured, and the two that a fit is left "
        "with do not tell how sharing a host bridge goes on ([figures](collectives.md#validity-and-known-weaknesses)).",
        "![Collectives](../assets/accuracy-collectives.svg)",
        grid("seconds", done, ("op", "library", "accelerator", "n_gpus")),
        "Not predicted or not scored:\n\n" + reasons(found),
    ]


def grid(metric: str, outcomes: Sequence[Outcome], by: Iterable[str]) -> str:
    """Errors of a metric, overall and by group."""
    rows = [_row("all", _of(outcomes, metric))]
    for name in by:
        groups = grouped([o for o in outcomes if metric in o.pairs], lambda o, name=name: o.keys.get(name, ""))
        rows += [_row(f"{name} `{key}`", _of(members, metric)) for key, members in groups.items() if key]
    return table([metric.replace("_", " "), *ERRORS, "in 80 %"], rows)


def _row(name: str, found: Score | None) -> list[str]:
    return [name, *errors(found), inside(found)]


def _of(outcomes: Iterable[Outcome], metric: str) -> Score | None:
    return score(o.pairs[metric] for o in outcomes if metric in o.pairs)
