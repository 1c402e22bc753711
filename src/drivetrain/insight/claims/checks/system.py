"""The system as a whole: how far fast links reach, what orchestration is worth, what bounds it (A38, A40, A71)."""

from __future__ import annotations

from collections.abc import Mapping

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice
from drivetrain.insight.claims.replica import changed, full_rate, replica, tpot_s
from drivetrain.insight.claims.sourced import part_input
from drivetrain.units import show

LARGE, H100, B200 = "llama-3.1-70b", "h100-sxm-80gb", "b200-sxm-180gb"
RACK, HOST = "gb200-nvl72", "bm.gpu.gb200.4"
SLO = "tpot_p95=50ms"


# A38: how far NVLink reaches


def _domain_inputs() -> Mapping[str, Input]:
    from drivetrain.catalogue import loader

    return {
        "domain": part_input(RACK, "scaleup.domain", "accelerators"),
        "per_host": Input(loader.load("instances", HOST).n_accelerators, "accelerators", f"catalogue: instance {HOST}"),
    }


def hosts_per_domain(v: Values) -> float:
    """Nodes, each with an operating system of its own, that one NVLink domain spans."""
    return v["domain"] / v["per_host"]


def _domain_verdict(c: Computed, _v: Values) -> Verdict:
    return "holds" if c.value <= 1.0 else "outdated"


def _domain_evidence(c: Computed, v: Values) -> str:
    from drivetrain.catalogue import loader
    from drivetrain.comms.collectives import all_reduce
    from drivetrain.cost.efficiency import collective_coefficients
    from drivetrain.cost.hardware import hardware_of

    inside, across = (
        all_reduce(16, hardware_of(loader.load("accelerators", part)).topology, collective_coefficients()).seconds(1e6)
        for part in (RACK, B200)
    )
    return (
        f"One NVLink domain of a GB200 rack joins {v['domain']:.0f} accelerators of nodes with {v['per_host']:.0f} "
        f"each: {c.value:.0f} nodes. In eight-GPU servers node and domain are the same. Summing 1 MB over sixteen "
        f"accelerators takes {show(inside, 's')} inside the rack and {show(across, 's')} over two B200 servers."
    )


register(Check(
    id="A38", quantity="nodes that one NVLink domain spans in a GB200 rack", unit="nodes",
    inputs=_domain_inputs, compute=hosts_per_domain, judge=_domain_verdict, evidence=_domain_evidence,
    command="drivetrain claims A38 --set domain=72", moved={"domain": 4},
))  # fmt: skip


# A40: orchestration against more accelerators


def _reuse_inputs() -> Mapping[str, Input]:
    from drivetrain.catalogue import loader

    hits = {name: loader.load("workloads", name).prefix_hit_frac for name in ("rag", "mooncake-conversation", "agent")}
    return {
        "hit_frac": Input(hits["mooncake-conversation"], "1", "catalogue: mooncake-conversation; rag, agent",
                          hits["rag"], hits["agent"]),
        "input_tokens": choice(8000, "tok", "a conversation with documents"),
        "rival": choice(1.25, "1", "a rival with a quarter more accelerators"),
    }  # fmt: skip


def worth_of_reuse(v: Values) -> float:
    """Requests/s of a replica that finds prefixes in its cache over one that computes them again."""
    return _served(v, v["hit_frac"]) / _served(v, 0.0)


def _served(v: Values, hit: float) -> float:
    return full_rate(replica(LARGE, H100, "tp4", v["input_tokens"], 500.0, prefix_hit=hit), f"{SLO},ttft_p95=3s")


def _reuse_verdict(c: Computed, v: Values) -> Verdict:
    if c.low >= v["rival"]:
        return "holds"
    return "holds under conditions" if c.high >= v["rival"] else "too loose"


def _reuse_evidence(c: Computed, v: Values) -> str:
    return (
        f"Sending requests to where their prefix is cached makes a replica of Llama 3.1 70B serve {c.value:.2f} times "
        f"the requests when {v['hit_frac']:.0%} of the input is found ({c.low:.2f} to {c.high:.2f} over workloads from "
        "retrieval to agents). It is worth as many more accelerators; which firms win it does not say."
    )


register(Check(
    id="A40", quantity="requests/s with prefixes found where requests are sent over without", unit="1",
    inputs=_reuse_inputs, compute=worth_of_reuse, judge=_reuse_verdict, evidence=_reuse_evidence,
    command="drivetrain claims A40", moved={"hit_frac": 0.02},
))  # fmt: skip


# A71: the bound and how much of it is reached


def _bound_inputs() -> Mapping[str, Input]:
    return {
        "batch": choice(8, "requests", "an interactive load", 1, 32),
        "mended": choice(0, "1", "share of the gap to the datasheet that software closes", 0, 0.2),
        "nothing_left": choice(0.95, "1", "what is above has reached its bound"),
    }


def reached_frac(v: Values) -> float:
    """Speed of a replica over that of the same with datasheet rates and no overhead: Llama 3.1 70B on four H100."""
    return _seconds(v, H100, 1.0) / _seconds(v, H100, v["mended"])


def _seconds(v: Values, part: str, mended: float) -> float:
    from drivetrain.cost.efficiency import SHARES

    plain = replica(LARGE, part, "tp4", 500.0, 500.0)
    eff = plain.deployment.efficiency
    shares = {name: (share := getattr(eff, name)) + (1.0 - share) * mended for name in SHARES}
    shares |= {"exposed": eff.exposed * (1.0 - mended)}
    return tpot_s(changed(plain, overhead=1.0 - mended, shares=shares), v["batch"])


def _bound_verdict(c: Computed, v: Values) -> Verdict:
    if c.value >= v["nothing_left"]:
        return "too loose"
    same_bound = _seconds(v, H100, 1.0) * v["nothing_left"] <= _seconds(v, B200, 1.0)
    return "holds" if same_bound else "holds under conditions"


def _bound_evidence(c: Computed, v: Values) -> str:
    h100, b200 = (_seconds(v, part, 1.0) for part in (H100, B200))
    return (
        f"Llama 3.1 70B on four H100 at batch {v['batch']:g} reaches {c.value:.0%} of the speed that its bytes and "
        "FLOPs allow at the datasheet's rates; software and launches keep the rest. The bound itself is "
        f"{show(h100, 's')} a token there and {show(b200, 's')} on B200: hardware sets it together with the "
        "architecture."
    )


register(Check(
    id="A71", quantity="share of the speed that architecture and datasheet allow which is reached", unit="share",
    inputs=_bound_inputs, compute=reached_frac, judge=_bound_verdict, evidence=_bound_evidence,
    command="drivetrain claims A71 --set batch=8", moved={"mended": 0.97},
))  # fmt: skip
