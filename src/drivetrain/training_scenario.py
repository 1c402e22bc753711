"""What the user chose about training: one record for ``predict train`` and ``plan train``, and how texts become it.

The same spellings work on the command line, in a scenario file and in Python: ``budget = "$2M"``, ``days = "3 weeks"``,
``tokens = "15T"``, ``power = "10 MW"``, ``flops = 5.76e23``.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields

from drivetrain import units
from drivetrain.errors import BadInputError, UnitError
from drivetrain.registry import suggest

OBJECTIVES = ("cost", "days", "energy", "carbon")
PRICINGS = ("reserved", "on-demand", "hyperscaler", "neocloud", "own")
PRECISIONS = ("bf16", "fp16", "fp8", "mxfp8", "nvfp4")
CHECKPOINTS = ("async", "blocking")
RECOMPUTE = ("", "none", "selective", "full")
SCHEDULES = ("", "1f1b", "interleaved", "zero-bubble", "dualpipe")
MOST_ACCELERATORS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainScenario:
    """One training question; ``None`` and empty texts leave a choice to the plan.

    ``model`` is a catalogue name or a path; without it the size is free. ``accelerators``: one to predict, any number
    to plan (empty: all that ship); ``n`` of them; ``layout`` as ``tp8pp4dp64``. ``seq`` tokens a sequence,
    ``global_batch`` sequences a step. ``fabric``: the network between servers (several: compare them).

    What there is to spend or to reach: ``flops`` (6 N D), ``tokens``, ``budget_usd``, ``days``, ``power_w`` (nameplate
    of accelerators and hosts, without PUE), ``target_loss`` under the scaling law ``law``. ``served_tokens`` will be
    read and written by the model later; a free size is chosen for training and serving together. ``flops`` and
    ``tokens`` together make a free size ``C / 6 D``. No more than ``unique_tokens`` differ: what is trained beyond them
    is seen again and worth less.

    What the architecture is: a free size with ``experts`` (how many times its active feed-forward weights it stores; 1
    is dense) is a mixture; ``compute_gain`` says how many times the compute of a dense model it is worth (``None``:
    as the law of mixtures has it).

    What failures cost: ``mtbf_hours`` accelerator-hours between them, ``detection_s``, ``restart_s``, ``repair_s``,
    ``spares`` (``None``: always one at hand), ``checkpoint`` and ``store_bytes_per_s``. ``usd_per_hour`` is a price of
    one's own for an accelerator-hour, instead of ``pricing``.
    """

    model: str = ""
    accelerators: tuple[str, ...] = ()
    n: float | None = None
    layout: str = ""
    recompute: str = ""
    schedule: str = ""
    precision: str = "bf16"
    seq: float = 8192.0
    global_batch: float | None = None
    lora_rank: float = 0.0
    framework: str = ""
    fabric: tuple[str, ...] = ()
    flops: float | None = None
    tokens: float | None = None
    budget_usd: float | None = None
    days: float | None = None
    power_w: float | None = None
    target_loss: float | None = None
    served_tokens: float | None = None
    unique_tokens: float | None = None
    experts: float = 1.0
    compute_gain: float | None = None
    law: str = "chinchilla"
    objective: str = "cost"
    pricing: str = "reserved"
    usd_per_hour: float | None = None
    region: str = "us"
    mtbf_hours: float | None = None
    detection_s: float | None = None
    restart_s: float | None = None
    repair_s: float | None = None
    spares: float | None = None
    checkpoint: str = "async"
    checkpoint_every_s: float | None = None
    store_bytes_per_s: float = 200e9
    sizes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, known in _WORDS.items():
            _among(name, getattr(self, name), known)
        for name in _NUMBERS:
            _checked(name, getattr(self, name))
        for name in ("n", "seq", "global_batch", "lora_rank", "spares", "experts"):
            value = getattr(self, name)
            if value is not None and value != int(value):
                raise BadInputError(f"{spelled(name)} must be a whole number, not {value:g}.")
        if self.n is not None and self.n > MOST_ACCELERATORS:
            raise BadInputError(f"n is {self.n:,.0f}; at most {MOST_ACCELERATORS:,} accelerators can be planned.")
        given = [name for name in ("flops", "target_loss") if getattr(self, name) is not None]
        given += ["tokens"] if self.tokens is not None and self.model else []
        if len(given) > 1:
            told = " and ".join(map(spelled, given))
            raise BadInputError(f"{told} each fix how much is trained. Give one; budget, days, power and n limit it.")
        if self.experts != 1.0 and self.model:
            raise BadInputError(f"experts are for a size that is free; {self.model} has its own. Drop one of them.")
        if self.tokens is not None and self.target_loss is not None:
            raise BadInputError("tokens and target-loss together fix the model. Name the --model, or drop one.")

    def fingerprint(self, *also: str) -> str:
        """The same text for the same choices."""
        text = json.dumps([asdict(self), *also], sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def train_scenario(choices: Mapping[str, object]) -> TrainScenario:
    """A scenario from choices under any accepted spelling.

    >>> train_scenario({"budget": "$2M", "days": "3 weeks", "accelerator": "h100-sxm", "seq": "8k"}).budget_usd
    2000000.0
    """
    found: dict[str, object] = {}
    for given, value in choices.items():
        name = field_called(given)
        if value is None:
            continue
        if name in found:
            raise BadInputError(f"'{name}' is given twice, once as '{given}'. Keep one.")
        found[name] = read_value(name, value)
    return TrainScenario(**found)  # type: ignore[arg-type]


def spelled(name: str) -> str:
    """A field as its option is spelled.

    >>> spelled("budget_usd"), spelled("target_loss"), spelled("n")
    ('budget', 'target-loss', 'n')
    """
    return _SPELLED.get(name, name.replace("_", "-"))


def field_called(text: str) -> str:
    """The field that an option's or a field's spelling names."""
    folded = text.strip().lower().replace("-", "_")
    folded = _ALSO_CALLED.get(folded, folded)
    for name in (folded, f"{folded}s", *(folded + end for end in ("_usd", "_w", "_s", "_hours"))):
        if name in _TYPES:
            return name
    close = suggest(folded, [*_TYPES], 1)
    hint = f"Did you mean '{close[0]}'?" if close else "Known: those of 'drivetrain plan train --help'."
    raise BadInputError(f"there is no choice '{text}'. {hint}")


def read_value(name: str, value: object) -> object:
    """``value`` in the type that the field is declared with."""
    kind = _TYPES[name]
    if kind.startswith("tuple"):
        parts = value.split(",") if isinstance(value, str) else value
        if isinstance(parts, (int, float)) and not isinstance(parts, bool):
            parts = [str(parts)]
        if not isinstance(parts, (list, tuple)):
            raise BadInputError(f"{spelled(name)} must be a name or a list of names, not {value!r}.")
        return tuple(str(part).strip() for part in parts if str(part).strip())
    if kind == "str":
        if not isinstance(value, str) and not (name == "model" and hasattr(value, "__fspath__")):
            raise BadInputError(f"{spelled(name)} must be text, not {value!r}.")
        return str(value).strip()
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise BadInputError(f"{spelled(name)} must be a number, not {value!r}.")
    if not isinstance(value, str):
        return float(value)
    if _NOT_FINITE.fullmatch(value.strip()):
        return float(value)  # told as out of range, not as unreadable
    try:
        return _READ.get(name, _plain)(value.strip())
    except (UnitError, ValueError) as error:
        told = error.args[0] if isinstance(error, UnitError) else "it cannot be read as a number."
        raise BadInputError(f"{spelled(name)} = '{value}': {told} For example {_EXAMPLE.get(name, '8')}.") from None


def _plain(text: str) -> float:
    return units.parse(text, "1")


def _in(dimension: str) -> Callable[[str], float]:
    return lambda text: units.parse(text, dimension)


def _days(text: str) -> float:
    """``30``, ``1e2``, ``30 d``, ``3 weeks``, ``720 h``."""
    match = re.fullmatch(rf"({_NUMBER})\s*(?:days?|d)?", text)
    if match:
        return float(match[1])
    match = re.fullmatch(rf"({_NUMBER})\s*(weeks?|months?|years?)", text)
    if match:
        return float(match[1]) * _DAYS[match[2].rstrip("s")]
    return units.parse(text, "s") / units.SECONDS_PER_DAY


def _hours(text: str) -> float:
    """``50700``, ``50,700 h``, ``30 days``."""
    match = re.fullmatch(rf"({_NUMBER})\s*(?:hours?|h)?", text.replace(",", ""))
    return float(match[1]) if match else _days(text) * 24.0


def _count(text: str) -> float:
    """``8k``, ``1.3T``, ``15e12``, ``4096``: tokens and accelerators."""
    match = re.fullmatch(rf"({_NUMBER})\s*([kKmMbBgGtT]?)\s*(?:tok|tokens)?", text.replace(",", ""))
    if not match:
        return units.parse(text, "tok")
    return float(match[1]) * _THOUSANDS[match[2].lower()]


def _money(text: str) -> float:
    """``$2M``, ``500k``, ``2e6 USD``."""
    sign = -1.0 if text.startswith("-") else 1.0
    bare = text.replace(",", "").removeprefix("-")
    match = re.fullmatch(rf"\$?\s*({_NUMBER})\s*([kKmMbB]?)\s*(?:USD|\$)?", bare)
    if not match:
        raise UnitError("cannot be read as money.")
    return sign * float(match[1]) * _THOUSANDS[match[2].lower()]


def _money_per_hour(text: str) -> float:
    """``$2``, ``$2.10/h``, ``1500 USD/month``."""
    return units.parse_usd_per_hour(text) if "/" in text or " per " in text else _money(text)


def _checked(name: str, value: float | None) -> None:
    if value is None:
        return
    zero_too = name in _FROM_ZERO
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero_too):
        bound = "from 0 up" if zero_too else "above 0"
        raise BadInputError(f"{spelled(name)} is {value:.10g}; it must be a finite number {bound}.")


def _among(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        close = suggest(str(value), [k for k in known if k], 1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Choose {', '.join(k for k in known if k)}."
        raise BadInputError(f"{spelled(name)} '{value}' is not known. {hint}")


_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_TYPES = {field.name: str(field.type) for field in fields(TrainScenario)}
_NUMBERS = tuple(name for name, kind in _TYPES.items() if kind.startswith("float"))
_FROM_ZERO = ("lora_rank", "detection_s", "restart_s", "repair_s", "spares", "served_tokens")
_WORDS = {"objective": OBJECTIVES, "pricing": PRICINGS, "precision": PRECISIONS, "checkpoint": CHECKPOINTS,
          "recompute": RECOMPUTE, "schedule": SCHEDULES}  # fmt: skip
_ALSO_CALLED = {"batch": "global_batch", "loss": "target_loss", "store": "store_bytes_per_s", "fabrics": "fabric",
                "lora": "lora_rank", "price": "usd_per_hour"}  # fmt: skip
_SPELLED = {"budget_usd": "budget", "power_w": "power", "mtbf_hours": "mtbf", "detection_s": "detection",
            "restart_s": "restart", "repair_s": "repair", "checkpoint_every_s": "checkpoint-every",
            "store_bytes_per_s": "store", "usd_per_hour": "price"}  # fmt: skip
_THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_DAYS = {"week": 7.0, "month": 365.0 / 12.0, "year": 365.0}
_READ: dict[str, Callable[[str], float]] = {
    "flops": _in("FLOP"), "tokens": _count, "served_tokens": _count, "unique_tokens": _count,
    "seq": _count, "n": _count, "budget_usd": _money,
    "days": _days, "power_w": _in("W"), "detection_s": _in("s"), "restart_s": _in("s"), "repair_s": _in("s"),
    "checkpoint_every_s": _in("s"), "store_bytes_per_s": _in("bytes/s"), "global_batch": _count,
    "mtbf_hours": _hours, "usd_per_hour": _money_per_hour,
}  # fmt: skip
_EXAMPLE = {"flops": "5.76e23", "tokens": "1.3T", "served_tokens": "10T", "unique_tokens": "500B",
            "seq": "8k", "budget_usd": "$2M",
            "days": "30 or '3 weeks'", "power_w": "'10 MW'", "store_bytes_per_s": "'200 GB/s'", "detection_s": "60s",
            "n": "2048", "target_loss": "1.95", "mtbf_hours": "50700", "usd_per_hour": "'$2.10/h'",
            "restart_s": "'10 min'", "repair_s": "'24 h'", "checkpoint_every_s": "'10 min'"}  # fmt: skip
