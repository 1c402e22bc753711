"""Fields of an answer in the words and units that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.arch.pools import spell_pools
from drivetrain.units import JOULES_PER_KWH, number, show

# Path of a number -> what it is called, and the dimension it is shown in ("$" and "" are plain numbers).
NUMBERS: dict[str, tuple[str, str]] = {
    "usd_per_million_output_tokens": ("$ per million output tokens", "$"),
    "usd_per_million_tokens_full_load": ("$ per million tokens, full load", "$"),
    "usd_per_hour": ("$ per hour", "$"),
    "joules_per_output_token": ("energy per output token", "J"),
    "power_w": ("power at the wall", "W"),
    "n_accelerators": ("accelerators", ""),
    "replicas": ("replicas", ""),
    "output_tokens_per_s": ("output tokens per second", ""),
    "tokens_per_s_per_user": ("tokens per second per user", ""),
    "carbon_g_per_million_output_tokens": ("g CO2e per million tokens", ""),
    "loss.value": ("loss, nats per token", ""),
    "params": ("parameters", "params"),
    "active_params": ("active parameters", "params"),
    "tokens": ("training tokens", "params"),
    "usd": ("cost", "$"),
    "energy_j": ("energy", "MWh"),
    "accelerator_hours": ("accelerator-hours", ""),
    "tokens_per_s_per_accel": ("tokens per second each", ""),
    "mfu": ("MFU", "%"),
    "waiting_frac": ("time waiting for links", "%"),
    "effective_time_frac": ("time that trains", "%"),
}
RESOURCE = {
    "hbm_bandwidth": "HBM bandwidth",
    "compute": "compute",
    "network": "interconnect",
    "overhead": "engine overhead",
    "kv_capacity": "KV-cache capacity",
    "hbm_capacity": "HBM capacity",
    "engine_overhead": "engine overhead",
}
_DIGITS = {"loss.value": 4}  # where three figures would hide what differs
_FACTOR = {"%": 100.0, "MWh": 1e-3 / JOULES_PER_KWH}
_LATENCY = {"ttft_s": "TTFT", "tpot_s": "TPOT", "itl_s": "ITL", "e2e_s": "end to end"}


def name_of(path: str) -> str:
    """What the number at ``path`` is called.

    >>> name_of("tpot_s.p95"), name_of("power_w"), name_of("memory_bytes.kv_cache")
    ('TPOT p95', 'power at the wall', 'memory bytes kv cache')
    """
    head, _, statistic = path.partition(".")
    if head in _LATENCY and statistic:
        return f"{_LATENCY[head]} {statistic}"
    return NUMBERS[path][0] if path in NUMBERS else path.replace("_", " ").replace(".", " ")


def value_of(path: str, value: float | None) -> str:
    """A number in its unit.

    >>> value_of("tpot_s.p95", 0.0335), value_of("usd_per_hour", 10.4), value_of("mbu", None)
    ('33.5 ms', '$10.4', '–')
    """
    if value is None:
        return "–"
    unit = _dimension(path)
    if unit == "$":
        return f"{'−' if value < 0 else ''}${number(abs(value))}"
    if unit in _FACTOR:
        text = f"{number(abs(value) * _FACTOR[unit])} {unit}"
    else:
        text = show(abs(value), unit) if unit else number(abs(value), _DIGITS.get(path, 3))
    return f"−{text}" if value < 0 and text != "0" else text


def change_of(path: str, value: float | None) -> str:
    """A signed change of a number in its unit.

    >>> change_of("usd_per_hour", -2.5), change_of("ttft_s.p50", 0.25), change_of("mfu", 0.03)
    ('−$2.5', '+250 ms', '+3 points')
    """
    text = value_of(path, value)
    if value is not None and _dimension(path) == "%":
        text = text.replace(" %", " points")
    return text if value is None or value <= 0 else f"+{text}"


def layout_of(row: Mapping[str, Any]) -> str:
    """The layout of a configuration as it is typed.

    >>> layout_of({"layout": {"prefill": {"layout": "tp4", "replicas": 2}, "decode": {"layout": "tp8", "replicas": 1}}})
    'prefill: tp4 x2, decode: tp8 x1'
    """
    layout = row["layout"]
    return spell_pools(layout) if isinstance(layout, Mapping) else str(layout)


def fleet_of(row: Mapping[str, Any]) -> str:
    """Replicas and layout of a configuration, both pools of a disaggregated one.

    >>> fleet_of({"layout": {"prefill": {"layout": "tp4", "replicas": 2}, "decode": {"layout": "tp8", "replicas": 1}}})
    '2x tp4 + 1x tp8'
    """
    layout = row["layout"]
    if isinstance(layout, Mapping):
        return " + ".join(f"{layout[role]['replicas']}x {layout[role]['layout']}" for role in ("prefill", "decode"))
    return f"{row['replicas']}x {layout}"


def deployment_of(row: Mapping[str, Any]) -> str:
    """A predicted configuration and its load in one sentence."""
    pools = isinstance(row["layout"], Mapping)
    n = row["n_accelerators"] if pools else row["accelerators_per_replica"]
    return (
        f"{n}x {row['accelerator']} as {layout_of(row)} ({row['engine']}, {row['weight_dtype']}): "
        f"{number(row['output_tokens_per_s'])} output tok/s at {number(row['concurrency_mean'])} requests in flight."
    )


def _dimension(path: str) -> str:
    if path in NUMBERS:
        return NUMBERS[path][1]
    head = path.partition(".")[0]
    ends = {"_s": "s", "_bytes": "bytes", "_w": "W"}
    return next((unit for end, unit in ends.items() if head.endswith(end) and not head.endswith("_per_s")), "")
