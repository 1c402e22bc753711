"""Quantities with units: the only home of 1e9 and 1024.

Inside Drivetrain every number is an SI float whose unit is in its name (``step_time_s``, ``weights_bytes``,
``hbm_bytes_per_s``). Human units live at the edge: ``parse("3.35 TB/s", "bytes/s")`` on the way in,
``show(3.35e12, "bytes/s")`` on the way out. Decimal prefixes are powers of 1000, GiB and its kin powers of 1024.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from drivetrain.errors import UnitError

KIB, MIB, GIB = 1024.0, 1024.0**2, 1024.0**3
SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0
HOURS_PER_YEAR = 8760.0
JOULES_PER_KWH = 3.6e6
MILLION = 1e6

_PREFIX = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
           "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9, "p": 1e-12}  # fmt: skip
_BINARY = {"Ki": KIB, "Mi": MIB, "Gi": GIB, "Ti": 1024.0**4}

# unit -> (dimension, factor to SI); prefixes are tried when the plain name is not found.
_BASE: dict[str, tuple[str, float]] = {
    "": ("1", 1.0), "%": ("1", 0.01), "x": ("1", 1.0),
    "s": ("s", 1.0), "min": ("s", 60.0), "h": ("s", 3600.0), "d": ("s", 86400.0), "day": ("s", 86400.0),
    "yr": ("s", 31536000.0), "year": ("s", 31536000.0),
    "B": ("bytes", 1.0), "byte": ("bytes", 1.0), "bytes": ("bytes", 1.0),
    "bit": ("bytes", 0.125), "b": ("bytes", 0.125),
    "B/s": ("bytes/s", 1.0), "bytes/s": ("bytes/s", 1.0), "bit/s": ("bytes/s", 0.125), "b/s": ("bytes/s", 0.125),
    "bps": ("bytes/s", 0.125),
    "FLOP/s": ("FLOP/s", 1.0), "FLOPS": ("FLOP/s", 1.0), "OP/s": ("FLOP/s", 1.0), "OPS": ("FLOP/s", 1.0),
    "FLOP": ("FLOP", 1.0), "W": ("W", 1.0), "J": ("J", 1.0), "Wh": ("J", 3600.0), "Hz": ("1/s", 1.0),
    "1/s": ("1/s", 1.0), "/s": ("1/s", 1.0), "req/s": ("1/s", 1.0), "rps": ("1/s", 1.0),
    "req/min": ("1/s", 1 / 60.0), "req/h": ("1/s", 1 / 3600.0), "req/day": ("1/s", 1 / 86400.0),
    "tok/s": ("tok/s", 1.0), "tokens/s": ("tok/s", 1.0), "tok": ("tok", 1.0), "tokens": ("tok", 1.0),
    "$": ("USD", 1.0), "USD": ("USD", 1.0), "$/h": ("USD/h", 1.0), "USD/h": ("USD/h", 1.0),
    "$/kWh": ("USD/kWh", 1.0), "USD/kWh": ("USD/kWh", 1.0), "EUR/kWh": ("EUR/kWh", 1.0),
    "gCO2e/kWh": ("gCO2e/kWh", 1.0),
}  # fmt: skip

_NUMBER = re.compile(r"\s*([-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


@lru_cache(maxsize=1024)
def _unit(unit: str) -> tuple[str, float]:
    if unit in _BASE:
        return _BASE[unit]
    for prefix, factor in _BINARY.items():
        if unit.startswith(prefix) and unit[len(prefix) :] in ("B", "B/s"):
            dimension, base = _BASE[unit[len(prefix) :]]
            return dimension, factor * base
    if unit and unit[0] in _PREFIX and unit[1:] in _BASE and unit[1:] not in ("", "%", "x"):
        dimension, base = _BASE[unit[1:]]
        return dimension, _PREFIX[unit[0]] * base
    raise UnitError(f"unknown unit '{unit}'. Write for example 80GB, 3.35 TB/s, 989 TFLOP/s, 700 W, 50ms, 5 req/s.")


def parse(text: str | float, dimension: str) -> float:
    """Read a quantity of the given dimension into SI.

    A bare number is taken as SI already.

    >>> parse("3.35 TB/s", "bytes/s")
    3350000000000.0
    >>> parse("80 GiB", "bytes")
    85899345920.0
    >>> parse("50ms", "s")
    0.05
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        value, unit = float(text), ""
    else:
        match = _NUMBER.match(str(text))
        if not match:
            raise UnitError(f"cannot read '{text}' as a quantity in {dimension}. Write a number with a unit.")
        value, unit = float(match[1].replace("_", "").replace(",", "")), match[2]
    if not math.isfinite(value):
        raise UnitError(f"'{text}' is not a finite number.")
    if unit == "":
        return value
    found, factor = _unit(unit)
    if found != dimension:
        raise UnitError(f"'{text}' is in {found}, but {dimension} is needed here.")
    # dividing keeps 50ms at exactly 0.05, where multiplying by 1e-3 may not
    return (
        value / round(1 / factor) if 0 < factor < 1 and abs(round(1 / factor) * factor - 1) < 1e-12 else value * factor
    )


_MONEY = re.compile(
    r"\s*\$?\s*(\d[\d_,]*\.?\d*|\.\d+)\s*([kKmMbB]?)\s*(?:\$|USD)?\s*(?:/|per)\s*(\w+)\s*$", re.IGNORECASE
)
_THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_HOURS = {"h": 1.0, "hour": 1.0, "hr": 1.0, "day": 24.0, "d": 24.0, "week": 168.0, "month": HOURS_PER_YEAR / 12,
          "mo": HOURS_PER_YEAR / 12, "year": HOURS_PER_YEAR, "yr": HOURS_PER_YEAR, "a": HOURS_PER_YEAR}  # fmt: skip


def parse_usd_per_hour(text: str) -> float:
    """Read a spending rate into USD per hour; k, M and B are thousands, millions and billions, a month 730 h.

    >>> parse_usd_per_hour("$500/h"), parse_usd_per_hour("$36.5k/month"), parse_usd_per_hour("2.19M USD/year")
    (500.0, 50.0, 250.0)
    """
    match = _MONEY.match(text)
    if not match or match[3].lower() not in _HOURS:
        raise UnitError(f"cannot read '{text}' as money over time. Write for example $500/h, $40k/month or $2M/year.")
    amount = float(match[1].replace("_", "").replace(",", "")) * _THOUSANDS[match[2].lower()]
    return amount / _HOURS[match[3].lower()]


_SHOW = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
_UNIT_NAME = {"bytes": "B", "bytes/s": "B/s", "FLOP/s": "FLOP/s", "FLOP": "FLOP", "W": "W", "J": "J", "tok/s": "tok/s",
              "tok": "tok"}  # fmt: skip


def show(value: float, dimension: str, digits: int = 3) -> str:
    """Write an SI value for people.

    >>> show(3.35e12, "bytes/s")
    '3.35 TB/s'
    >>> show(0.0123, "s"), show(8.03e9, "params")
    ('12.3 ms', '8.03B')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞"
    if dimension == "s":
        return _show_seconds(value, digits)
    if dimension == "params":
        return _show_params(value, digits)
    if dimension in _UNIT_NAME:
        name = _UNIT_NAME[dimension]
        for factor, prefix in _SHOW:
            if abs(value) >= factor * (1 - 0.5 * 10**-digits):
                return f"{number(value / factor, digits)} {prefix}{name}".rstrip()
        return f"{number(value, digits)} {name}".rstrip()
    return f"{number(value, digits)} {dimension}".rstrip()


def _show_params(value: float, digits: int) -> str:
    """Parameters as the field writes them: 8.03B, 1.03T."""
    for factor, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if abs(value) >= factor * (1 - 0.5 * 10**-digits):
            return f"{number(value / factor, digits)}{suffix}"
    return number(value, digits)


def _show_seconds(value: float, digits: int) -> str:
    if value == 0:
        return "0 s"
    for factor, name in (
        (86400.0, "d"),
        (3600.0, "h"),
        (60.0, "min"),
        (1.0, "s"),
        (1e-3, "ms"),
        (1e-6, "µs"),
    ):
        if abs(value) >= factor * (2 if factor > 1 else 1 - 0.5 * 10**-digits):
            return f"{number(value / factor, digits)} {name}"
    return f"{number(value / 1e-9, digits)} ns"


def number(value: float, digits: int = 3) -> str:
    """Write a number with ``digits`` significant figures, without exponents for everyday sizes.

    >>> number(1234.5), number(0.5), number(12.34)
    ('1,234', '0.5', '12.3')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude >= 7 or magnitude < -4:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - magnitude)
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
