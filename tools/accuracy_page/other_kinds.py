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
POWER = {"hopper": ("h100-sxm-80gb", 0.14, 0.12, 0.164), "blackwell": ("b200-sxm-180gb", 0.18, 0.14, 0.249)}

POWER_METRICS = ("power_at_measured_rate", "power", "output_tokens_per_s", "itl")


def mlperf(found: Sequence[Outcome]) -> list[str]:
    """Tokens per second of whole systems."""
    done = [o for o in found if not o.reason]
    fitted = calibration("serving").get("fit", {}).get("accelerators", ())
    steady = [o for o in done if o.keys["scenario"] in ("Offline", "Server")]
    rows = []
    for name, members, target in (
        ("Offline and Server, all systems", steady, MLPERF),
        ("Offline and Server, accelerators of no serving fit",
         [o for o in steady if o.keys["accelerator"] not in fitted], MLPERF_UNSEEN),
    ):  # fmt: skip
        s = _of(members, "output_tokens_per_s")
        rows.append([name, str(s.n if s else 0), against(s.median_abs if s else None, target)])
    return [
        "## MLPerf Inference v5.1: tokens per second of a system",
        "Nothing was fitted on these rows: every submitter and every system is left out. The prediction is the best "
        "layout's capacity within the benchmark's limits; submissions tune layout, batch and kernels by hand. Input "
        "lengths are the data sets' announced means (assumed: the logs do not record them); all requests are taken "
        "to have the mean lengths.",
        table(["", "n", "median"], rows),
        "![MLPerf](../assets/accuracy-mlperf.svg)",
        grid("output_tokens_per_s", done, ("scenario", "benchmark", "accelerator", "engine")),
        "Weak: `llama3.1-8b` (small model; feeding requests and detokenising on the host limit the measured "
        "systems, and are not modelled), `deepseek-r1` (answers from a few hundred to twenty thousand tokens: the "
        "mean hides the long ones that fill the cache), parts never fitted (AMD, Intel), and Server and "
        "Interactive, whose 99th percentiles depend on the spread of lengths.",
        "Not predicted:\n\n" + reasons(found),
    ]


def power(found: Sequence[Outcome]) -> list[str]:
    """Watts while serving."""
    done = [o for o in found if not o.reason]
    raw = calibration("power").get("generation", {})
    rows = []
    for generation, (name, own, given, constant) in POWER.items():
        s = _of([o for o in done if o.keys["accelerator"] == name], "power")
        left_out = raw.get(generation, {}).get("mean_abs_models_left_out")
        rows.append(
            [f"`{name}`", against(left_out, given), against(s.mean_abs if s else None, own), f"{100 * constant:.1f} %"]
        )
    return [
        "## Power",
        "`power at measured rate` tests the power model alone (measured batch and throughput given); `power`, "
        "`output tokens per s` and `itl` come from our own prediction at the measured mean batch. The power "
        "coefficients were fitted on these rows; throughput and gaps were not. Prompt lengths are not recorded; 500 "
        "tokens are assumed, so rows with images and videos (long prompts) suffer most.",
        table(["mean absolute error", "measured rate given, models left out", "from our own rate", "a constant"], rows),
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
        [f"all-reduce of engines from 1 MiB up, {kind.replace('_', ' ')} left out",
         against(meta.get(f"engine_all_reduce_from_1mib_error_{kind}_out"), target)]
        for kind, target in ALL_REDUCE.items()
    ]  # fmt: skip
    return [
        "## Collectives",
        "In sample: the coefficients were fitted on these rows. Errors with a group size, an accelerator or a link "
        "family left out stand in `cost/calibration/collectives.toml` and in [Collectives](collectives.md).",
        table(["", "median"], rows),
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
