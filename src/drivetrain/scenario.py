"""What the user chose: the one input record of each verb, validated for sense before anything is looked up."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

from drivetrain.errors import BadInputError
from drivetrain.registry import suggest

OBJECTIVES = ("cost", "energy", "accelerators", "latency")
KV_DTYPES = ("shipped", "bf16", "fp16", "fp8")
PRICINGS = ("reserved", "on-demand", "hyperscaler", "neocloud", "own")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeScenario:
    """One serving question.

    ``model`` is a catalogue name or the path of a model TOML or config.json; ``workload`` a profile's name, or
    ``isl`` and ``osl`` fixed lengths in tokens. ``rate`` is the mean over a day, requests/s. ``headroom`` is kept
    free above the busiest hour.
    ``weights`` and ``kv`` choose precisions: ``shipped`` (the authors' checkpoint), ``any`` published checkpoint, or
    a precision. ``prefix_hit`` is the share of input tokens served from a prefix cache (``None``: the profile's own).
    Empty ``accelerators``, ``engines`` and ``layouts`` mean all. ``pricing`` is one of :data:`PRICINGS`.
    """

    model: str
    workload: str = ""
    isl: float | None = None
    osl: float | None = None
    rate: float | None = None
    concurrency: float | None = None
    slo: str = ""
    objective: str = "cost"
    accelerators: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    weights: str = "shipped"
    kv: str = "shipped"
    headroom: float = 0.1
    prefix_hit: float | None = None
    pricing: str = "reserved"
    region: str = "us"
    max_accelerators: float = 4096
    max_batched_tokens: float | None = None
    max_num_seqs: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", str(self.model))
        for name in ("accelerators", "engines", "layouts"):
            object.__setattr__(self, name, _names(getattr(self, name)))
        for name in ("model", "workload", "slo", "objective", "weights", "kv", "pricing", "region"):
            if not isinstance(getattr(self, name), str):
                raise BadInputError(f"{name} must be text, not {getattr(self, name)!r}.")
        for name in (
            "isl",
            "osl",
            "rate",
            "concurrency",
            "max_accelerators",
            "max_batched_tokens",
            "max_num_seqs",
        ):
            _positive(name, getattr(self, name))
        if self.workload and (self.isl is not None or self.osl is not None):
            raise BadInputError("give either --workload or --isl with --osl, not both.")
        if not self.workload and (self.isl is None or self.osl is None):
            raise BadInputError("say what the requests look like: --workload NAME, or --isl and --osl in tokens.")
        if not 0 <= self.headroom <= 10:
            raise BadInputError(f"headroom must be a share from 0 to 10, not {self.headroom}.")
        if self.prefix_hit is not None and not 0 <= self.prefix_hit < 1:
            raise BadInputError(f"prefix hit must be a share from 0 to below 1, not {self.prefix_hit}.")
        _one_of("objective", self.objective, OBJECTIVES)
        _one_of("pricing", self.pricing, PRICINGS)
        _one_of("kv", self.kv, KV_DTYPES)
        for name, limit in (("isl", 1e8), ("osl", 1e8), ("rate", 1e9), ("concurrency", 1e7)):
            value = getattr(self, name)
            if value is not None and value > limit:
                raise BadInputError(f"{name} = {value:g} is beyond {limit:g}; check the unit.")
        for name in ("isl", "osl", "concurrency", "max_num_seqs", "max_batched_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInputError(f"{name} must be at least 1, not {value}.")

    def fingerprint(self, *context: str) -> str:
        """A name for this question under this code and catalogue: same hash, same answer."""
        text = json.dumps(asdict(self), sort_keys=True) + "|".join(context)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _positive(name: str, value: float | None) -> None:
    if value is not None and (isinstance(value, (bool, str)) or not isinstance(value, (int, float))):
        raise BadInputError(f"{name.replace('_', '-')} must be a number, not {value!r}.")
    if value is not None and not (math.isfinite(value) and value > 0):
        raise BadInputError(f"{name.replace('_', '-')} must be a positive number, not {value}.")


def _names(value: object) -> tuple[str, ...]:
    """A name, a comma-separated list or a sequence of names as a tuple."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(str(v) for v in value)  # type: ignore[attr-defined]


def scenario_of(choices: dict[str, object]) -> ServeScenario:
    """A scenario from keywords; one ``accelerator``, ``engine`` or ``layout`` may be given in the singular."""
    plural = {"accelerator": "accelerators", "engine": "engines", "layout": "layouts"}
    named = {plural.get(name, name): value for name, value in choices.items()}
    known = set(ServeScenario.__slots__)
    unknown = [name for name in named if name not in known]
    if unknown:
        close = suggest(unknown[0], known)
        hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(sorted(known))}."
        raise BadInputError(f"there is no choice '{unknown[0]}'.{hint}")
    if "model" not in named:
        raise BadInputError("say which model: model='llama-3.1-70b' or the path of a config.json.")
    return ServeScenario(**named)  # type: ignore[arg-type]


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInputError(f"{name} '{value}' is not known. Choose {', '.join(known)}.")
