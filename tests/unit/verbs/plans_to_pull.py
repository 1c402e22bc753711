"""A plan on few accelerators, as the record that levers start from."""

from drivetrain.scenario import scenario_of
from drivetrain.serving.search import Traffic
from drivetrain.serving.slo import parse_slo
from drivetrain.verbs.allowed import allowed_levers, permitted
from drivetrain.verbs.pulled import ranked_rows, searched
from drivetrain.verbs.ranking import Chosen
from drivetrain.verbs.resolve import resolve
from drivetrain.verbs.standing import Standing

DENSE = {"model": "llama-3.1-70b", "workload": "azure-2023-conv", "rate": 5.0, "slo": "ttft_p95=2s,tpot_p95=50ms",
         "accelerators": ("h100-sxm",), "engines": ("vllm",)}  # fmt: skip
MIXTURE = DENSE | {"model": "deepseek-v3", "accelerators": ("b200-sxm",)}


def found(**choices):
    """(resolved, traffic, targets, search, the chosen row) of a plan."""
    scenario = scenario_of(DENSE | choices)
    resolved = permitted(resolve(scenario))
    allowed = allowed_levers(resolved)
    peak = scenario.rate * resolved.workload.peak_to_mean * (1 + scenario.headroom)
    traffic, targets = Traffic(resolved.lengths, scenario.rate, peak), parse_slo(scenario.slo)
    search = searched(resolved, traffic, targets, allowed)
    outcome = search.outcome
    rows = ranked_rows(resolved, outcome, allowed)
    return resolved, traffic, targets, search, Chosen(resolved, outcome, rows[0], traffic, targets)


def standing(**choices):
    resolved, _, targets, _, chosen = found(**choices)
    return Standing(resolved, targets, chosen)
