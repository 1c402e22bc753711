"""Choosing a deployment by left-out predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from accuracy_page.runs import Run
from accuracy_page.text import against, percent, table
from drivetrain.measure.choice import SLOS_S, Candidate, candidate, choose
from drivetrain.measure.score import Pair

BREAKS, REGRET = 0.07, 0.03  # what the project set itself to reach
PEER_BREAKS, PEER_REGRET = 0.14, 0.055
LOOSENED = (0.0, 0.02, 0.04, 0.06)


def section(runs: Sequence[Run], odd: Sequence[Run]) -> list[str]:
    """Broken limits and regret by what was left out, with and without the rows that contradict themselves."""
    rest = [run for run in runs if run not in odd]
    lines = []
    for kind, name in (("curve", "curves"), ("deployment", "deployments"), ("model", "models"),
                       ("accelerator", "accelerators"), ("", "nothing (in sample)")):  # fmt: skip
        lines.append(_row(name, candidates(runs, kind)))
        if kind in ("curve", "deployment", "model"):
            lines.append(_row(f"{name}, without the {len(odd)} rows", candidates(rest, kind)))
    trade = []
    for share in LOOSENED:
        found = choose(_loosened(candidates(rest, "curve"), share))
        trade.append(
            [percent(share), *(percent(v or 0.0) for v in (found.broken_frac, found.mean_regret)), str(found.missed)]
        )
    limits = ", ".join(f"{1e3 * slo:g}" for slo in SLOS_S)
    return [
        "### Choosing a deployment",
        "For each model, accelerator, engine and lengths with at least three measured configurations and each limit "
        f"on TPOT ({limits} ms): the configuration that is *predicted* to make most output tokens per second and "
        "accelerator while it keeps the limit. *Broken*: its measured TPOT is more than 5 % above the limit. "
        "*Regret* of the others: the share of measured tokens per second and accelerator that they lack to the best "
        "configuration that keeps the limit in the measurement (one within the 5 % that makes more has none; *net* "
        "counts that as a gain). *Missed*: none was predicted to keep the limit though one does.",
        table(["left out", "cases", "broken", "mean regret", "net", "missed", "none keeps it"],
              [*lines, ["the same peer", "", percent(PEER_BREAKS), percent(PEER_REGRET), "", "", ""]]),
        "Regret has two sources. The rows that contradict themselves look like the best deployment of their case "
        "and no honest prediction picks them. And measured loads stand a factor of two apart: where the right one "
        "is predicted a few percent above the limit, the next one below makes much less. Broken limits and regret "
        "can be had for each other: if curve-left-out predictions may pass the limit by a little (without the "
        f"{len(odd)} rows):",
        table(["may pass by", "broken", "mean regret", "missed"], trade),
    ]  # fmt: skip


def candidates(runs: Sequence[Run], kind: str) -> list[Candidate]:
    """Configurations with left-out predictions (the shipped ones where ``kind`` is empty)."""
    found = []
    for run in runs:
        values = run.outcome.values
        tpot, ttft = run.left_out.get(kind, (0.0, 0.0)) if kind else (float(values["tpot_s"]), float(values["ttft_s"]))
        if tpot > 0 and (one := candidate(run.raw, tpot, ttft)) is not None:
            found.append(one)
    return found


def _loosened(found: Sequence[Candidate], share: float) -> list[Candidate]:
    return [replace(c, tpot=Pair(c.tpot.predicted / (1.0 + share), c.tpot.measured)) for c in found]


def _row(name: str, found: Sequence[Candidate]) -> list[str]:
    c = choose(found)
    net = "–" if c.mean_regret_net is None else percent(c.mean_regret_net)
    return [name, f"{c.cases:,}", against(c.broken_frac, BREAKS), against(c.mean_regret, REGRET), net, str(c.missed),
            str(c.none_keeps)]  # fmt: skip
