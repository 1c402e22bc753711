"""The network of training: what waits for links at which size and on which fabric (A05, A35, A36, A37)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from drivetrain.insight.claims.check import Check, Computed, Input, Values, Verdict, register
from drivetrain.insight.claims.inputs import choice, claimed
from drivetrain.units import SECONDS_PER_DAY

LARGE, SMALL = "llama-3.1-70b", "llama-3.1-8b"
H100, GOOD, ETHERNET, PLAIN = "h100-sxm-80gb", "ib-ndr", "roce-400g", "tcp-100g"
_SEQ = 8192
_NODE = 8  # accelerators of an HGX server share its ports
_MOST = 65_536


def trained(model: str, n: float, fabric: str, bytes_per_s: float | None, batch: float) -> dict[str, Any]:
    """The best training step of ``model`` on ``n`` H100 whose network gives each of them ``bytes_per_s``."""
    text = fabric if bytes_per_s is None else f"{fabric}:{bytes_per_s!r} bytes/s"
    return _trained(model, int(n), text, int(batch))


@lru_cache(maxsize=1024)
def _trained(model: str, n: int, fabric: str, batch: int) -> dict[str, Any]:
    from drivetrain.verbs.predict_train import predict_train

    return predict_train(model=model, accelerator=H100, n=n, fabric=fabric, global_batch=batch, seq=_SEQ,
                         tokens=1e12)  # fmt: skip


def link_input(fabric: str, low: float, high: float) -> Input:
    """Rate of one accelerator's port."""
    from drivetrain.catalogue import loader

    entry = loader.load("fabrics", fabric)
    return Input(entry.link_bytes_per_s, "bytes/s", f"catalogue fabric {fabric}", low, high)


# A05: past one node --------------------------------------------------------------------------------------------------


def past_node_inputs() -> Mapping[str, Input]:
    """A 70B model on some nodes, and a small model on many for comparison."""
    return {
        "n_accelerators": choice(128, "accelerators", "16 nodes", 16, 4096),
        "link_bytes_per_s": link_input(ETHERNET, 12.5e9, 100e9),
        "global_batch": choice(1024, "sequences", "8 million tokens a step, as large runs use", 512, 2048),
        "many": choice(16384, "accelerators", "a run of the largest kind, with the 8B model"),
        "primary": claimed(0.5, "share"),
    }


def network_part(v: Values) -> float:
    """Speed-up from twice the network over that from twice the network and from twice the FLOPs together."""
    return _part(trained(LARGE, v["n_accelerators"], ETHERNET, v["link_bytes_per_s"], v["global_batch"]))


def _many_part(v: Values) -> float:
    return _part(trained(SMALL, v["many"], ETHERNET, v["link_bytes_per_s"], v["global_batch"] / 2))


def _part(step: Mapping[str, Any]) -> float:
    gains = step["gain_if_doubled"]
    return float(gains["network"] / (gains["network"] + gains["compute"]))


def _judge_past(c: Computed, v: Values) -> Verdict:
    if c.value >= v["primary"]:
        return "holds"
    if c.high >= v["primary"]:
        return "holds under conditions"
    return "too loose" if _many_part(v) >= v["primary"] else "wrong"


def _told_past(c: Computed, v: Values) -> str:
    here = trained(LARGE, v["n_accelerators"], ETHERNET, v["link_bytes_per_s"], v["global_batch"])
    gains, exposed = here["gain_if_doubled"], here["exposed_communication_s"]
    nvlink = exposed["tp"] / max(sum(exposed.values()), 1e-300)
    return (
        f"Llama 3.1 70B on {v['n_accelerators']:.0f} H100 with {8 * v['link_bytes_per_s'] / 1e9:.0f} Gbit/s each waits "
        f"{here['waiting_frac']:.1%} of a step for links, {nvlink:.0%} of that for NVLink inside the nodes (tensor "
        f"parallelism); twice the network between them gains {gains['network']:.1%}, twice the FLOPs "
        f"{gains['compute']:.0%}: the network's part is {c.value:.1%} (up to {c.high:.0%}). For an 8B model on "
        f"{v['many']:,.0f} its part is {_many_part(v):.0%}."
    )


register(Check(
    id="A05", quantity="part of the network in what twice the network and twice the FLOPs gain", unit="share",
    inputs=past_node_inputs, compute=network_part, judge=_judge_past, evidence=_told_past,
    command="drivetrain predict train -m llama-3.1-70b -a h100-sxm -n 128 --global-batch 1024 --fabric roce-400g",
    moved={"n_accelerators": 2048, "link_bytes_per_s": 4e8},
))  # fmt: skip


# A35: from which size ------------------------------------------------------------------------------------------------


def growing_inputs() -> Mapping[str, Input]:
    """One job of fixed batch spread over ever more accelerators."""
    return {
        "link_bytes_per_s": link_input(ETHERNET, 25e9, 100e9),
        "global_batch": choice(512, "sequences", "4 million tokens a step", 256, 1024),
        "few": claimed(64.0, "accelerators"),
        "thousands": claimed(8192.0, "accelerators"),
    }


def first_limited(v: Values) -> float:
    """Least power of two of accelerators, from 16 on, at which twice the network gains more than twice the FLOPs."""
    n = 2 * _NODE
    while n < min(_MOST, _SEQ * int(v["global_batch"])):
        gains = trained(SMALL, n, ETHERNET, v["link_bytes_per_s"], v["global_batch"])["gain_if_doubled"]
        if gains["network"] >= gains["compute"]:
            break
        n *= 2
    return float(n)


def _judge_growing(c: Computed, v: Values) -> Verdict:
    if c.value <= v["few"]:
        return "holds"
    return "holds under conditions" if c.value <= v["thousands"] else "too loose"


def _told_growing(c: Computed, v: Values) -> str:
    shares = ", ".join(
        f"{trained(SMALL, n, ETHERNET, v['link_bytes_per_s'], v['global_batch'])['waiting_frac']:.0%} on {n:,}"
        for n in (64, 512, 4096)
    )
    return (
        f"Llama 3.1 8B with {v['global_batch']:.0f} sequences a step on {8 * v['link_bytes_per_s'] / 1e9:.0f} Gbit/s a "
        f"GPU: time waiting is {shares}; links become the first limit at {c.value:,.0f} accelerators ({c.low:,.0f} to "
        f"{c.high:,.0f})."
    )


register(Check(
    id="A35", quantity="accelerators from which the network is the first limit, batch kept", unit="accelerators",
    inputs=growing_inputs, compute=first_limited, judge=_judge_growing, evidence=_told_growing,
    command="drivetrain predict train -m llama-3.1-8b -a h100-sxm -n 4096 --global-batch 512 --fabric roce-400g "
    "--sizes 64,512,4096,16384", moved={"link_bytes_per_s": 200e9, "global_batch": 4096},
))  # fmt: skip


# A36, A37: without a network made for it ----------------------------------------------------------------------------


def plain_inputs() -> Mapping[str, Input]:
    """A general-purpose network: one Ethernet port a server, no RDMA."""
    return {
        "server_bytes_per_s": choice(12.5e9, "bytes/s", "100 Gbit/s for a server of eight", 3.125e9, 50e9),
        "n_accelerators": choice(1024, "accelerators", "128 servers", 64, 4096),
        "global_batch": choice(512, "sequences", "4 million tokens a step", 256, 1024),
    }


def waiting_inputs() -> Mapping[str, Input]:
    """The plain network, and how long is longer than computing."""
    return {**plain_inputs(), "half": claimed(0.5, "share")}


def waiting_frac(v: Values) -> float:
    """Share of a step spent waiting for links."""
    each = v["server_bytes_per_s"] / _NODE
    return float(trained(LARGE, v["n_accelerators"], PLAIN, each, v["global_batch"])["waiting_frac"])


def _judge_waiting(c: Computed, v: Values) -> Verdict:
    if c.value > v["half"]:
        return "holds"
    return "holds under conditions" if c.high > v["half"] else "too loose"


def _told_waiting(c: Computed, v: Values) -> str:
    good = trained(LARGE, v["n_accelerators"], GOOD, None, v["global_batch"])
    return (
        f"Llama 3.1 70B on {v['n_accelerators']:,.0f} H100 over {8 * v['server_bytes_per_s'] / 1e9:.0f} Gbit/s "
        f"Ethernet a server without RDMA waits {c.value:.0%} of a step ({c.low:.0%} to {c.high:.0%} by port, size and "
        f"batch) in the layout that suits it best; on InfiniBand NDR {good['waiting_frac']:.0%}."
    )


register(Check(
    id="A36", quantity="share of a step spent waiting for links without a network made for it", unit="share",
    inputs=waiting_inputs, compute=waiting_frac, judge=_judge_waiting, evidence=_told_waiting,
    command="drivetrain predict train -m llama-3.1-70b -a h100-sxm -n 1024 --global-batch 512 "
    "--fabric tcp-100g:12.5Gbit/s", moved={"server_bytes_per_s": 3.125e9},
))  # fmt: skip


def mediocre_inputs() -> Mapping[str, Input]:
    """The plain network, and what counts as a fraction."""
    return {**plain_inputs(), "fraction": choice(0.75, "share", "less than three quarters of what the chips could do")}


def kept_frac(v: Values) -> float:
    """Throughput on the plain network over that on InfiniBand NDR."""
    each = v["server_bytes_per_s"] / _NODE
    plain = trained(LARGE, v["n_accelerators"], PLAIN, each, v["global_batch"])
    good = trained(LARGE, v["n_accelerators"], GOOD, None, v["global_batch"])
    return float(plain["tokens_per_s"] / good["tokens_per_s"])


def _judge_kept(c: Computed, v: Values) -> Verdict:
    if c.value > v["fraction"]:
        return "too loose"
    return "holds" if c.high <= v["fraction"] else "holds under conditions"


def _told_kept(c: Computed, v: Values) -> str:
    each = v["server_bytes_per_s"] / _NODE
    plain = trained(LARGE, v["n_accelerators"], PLAIN, each, v["global_batch"])
    good = trained(LARGE, v["n_accelerators"], GOOD, None, v["global_batch"])
    trillion = 1e12 / SECONDS_PER_DAY
    return (
        f"The same {v['n_accelerators']:,.0f} H100 train a 70B model at {c.value:.0%} ({c.low:.0%} to {c.high:.0%}) of "
        f"the speed on InfiniBand NDR: {plain['mfu']:.0%} of peak against {good['mfu']:.0%}, "
        f"{trillion / plain['tokens_per_s']:.1f} against {trillion / good['tokens_per_s']:.1f} days a trillion tokens."
    )


register(Check(
    id="A37", quantity="throughput on a plain network over that on InfiniBand NDR", unit="share",
    inputs=mediocre_inputs, compute=kept_frac, judge=_judge_kept, evidence=_told_kept,
    command="drivetrain predict train -m llama-3.1-70b -a h100-sxm -n 1024 --global-batch 512 "
    "--fabric ib-ndr,tcp-100g:12.5Gbit/s", moved={"server_bytes_per_s": 100e9},
))  # fmt: skip
