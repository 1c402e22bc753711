"""What the user chose: the one input record of each verb, validated for sense before anything is looked up."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from drivetrain.errors import BadInputError, UnitError
from drivetrain.registry import suggest
from drivetrain.techniques import parse_techniques, spelled
from drivetrain.units import parse

OBJECTIVES = ("cost", "energy", "carbon", "accelerators", "latency", "tokens-per-megawatt")
"""What a plan makes best; tokens per megawatt are of provisioned power, tokens per joule another name of energy."""
KV_DTYPES = ("shipped", "bf16", "fp16", "fp8")
PRICINGS = ("reserved", "on-demand", "spot", "hyperscaler", "neocloud", "own")
DISAGGREGATE = ("off", "on", "auto")
BUYABLE = ("accelerators", "servers", "instances")
LEVERS = ("quick", "all", "off")
ALLOWABLE = (
    "weights", "kv", "kv-compression", "sparsity", "sibling", "pruned", "distilled", "speculative", "chunked-prefill",
    "two-batch-overlap", "redundant-experts", "kv-offload", "power-cap",
)  # fmt: skip
"""What ``allow`` may name; the first seven change outputs, or give them to another model."""
_ALSO_CALLED = {"kv-dtype": "kv", "weight-dtype": "weights", "mtp": "speculative=mtp", "siblings": "sibling"}
_MOST_SPARES = 100_000
_RENTED = ("reserved", "on-demand", "spot")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeScenario:
    """One serving question.

    ``model`` is a catalogue name or the path of a model TOML or config.json; ``workload`` a profile's name, or
    ``isl`` and ``osl`` fixed lengths in tokens. ``rate`` is the mean over a day, requests/s. ``headroom`` is kept
    free above the busiest hour.
    ``weights`` and ``kv`` choose precisions: ``shipped`` (the authors' checkpoint), ``any`` published checkpoint, or
    a precision. ``prefix_hit`` is the share of input tokens served from a prefix cache (``None``: the profile's own).
    Empty ``accelerators``, ``engines`` and ``layouts`` mean all. ``pricing`` is one of :data:`PRICINGS`.
    ``region`` may be several, separated by commas: the plan is for the first, the others are compared.

    What is bought: ``buy`` is one of :data:`BUYABLE`, instances of all clouds or of ``providers``; ``spares`` units
    beyond the need (replicas of loose accelerators, else whole servers or instances). Limits on all that is bought:
    ``max`` holds quotas ``NAME=N`` of an accelerator, server or instance (``N`` alone: accelerators in all);
    ``max_power_w`` provisioned IT power; ``max_racks`` racks of ``rack_power_w``; ``budget_usd_per_hour``. ``mix``
    also splits the requests by prompt length over two fleets.

    ``memory_frac`` is the share of memory that engines manage (``None``: each its default).
    ``techniques`` are spelled as in :mod:`drivetrain.techniques`: ``speculative=mtp,power-cap=0.7``.
    ``allow_unverified`` also plans with combinations of engine, accelerator, precision and architecture of which the
    support matrix does not know whether they start.
    ``disaggregate`` serves prefill and decode by pools of their own: ``on``, ``off``, or ``auto`` where that is better.
    A layout of pools is spelled ``prefill: tp4 x2, decode: tp8 x1``.

    ``allow`` names what the search may do otherwise, of :data:`ALLOWABLE`, in general (``weights``), precisely
    (``weights=fp8``) or ``all``. ``min_quality`` is the share of the shipped model's benchmark score that must be
    kept; what keeps an unknown share is not enough unless ``allow_unknown_quality``. ``levers``: ``quick`` ranks other
    choices on the plan's accelerator, ``all`` looks at every offer for the frontier of cost against quality, ``off``
    at nothing.
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
    memory_frac: float | None = None
    buy: str = "accelerators"
    providers: tuple[str, ...] = ()
    spares: int = 0
    max: tuple[str, ...] = ()
    max_power_w: float | None = None
    max_racks: float | None = None
    rack_power_w: float | None = None
    budget_usd_per_hour: float | None = None
    mix: bool = False
    techniques: str = ""
    allow_unverified: bool = False
    disaggregate: str = "off"
    allow: tuple[str, ...] = ()
    min_quality: float | None = None
    allow_unknown_quality: bool = False
    levers: str = "quick"

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", str(self.model))
        object.__setattr__(self, "max", _quota_texts(self.max))
        object.__setattr__(self, "techniques", spelled(parse_techniques(self.techniques)))
        for name in ("accelerators", "engines", "layouts", "providers"):
            object.__setattr__(self, name, _names(getattr(self, name)))
        for name in ("model", "workload", "slo", "objective", "weights", "kv", "pricing", "region", "buy",
                     "disaggregate"):  # fmt: skip
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
            "max_power_w",
            "max_racks",
            "rack_power_w",
            "budget_usd_per_hour",
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
        _positive("memory_frac", self.memory_frac)
        if self.memory_frac is not None and self.memory_frac > 1:
            raise BadInputError(f"memory-frac must be a share up to 1, not {self.memory_frac}.")
        if self.objective == "tokens-per-joule":
            object.__setattr__(self, "objective", "energy")
        _one_of("objective", self.objective, OBJECTIVES)
        _one_of("pricing", self.pricing, PRICINGS)
        _one_of("kv", self.kv, KV_DTYPES)
        _one_of("buy", self.buy, BUYABLE)
        _one_of("disaggregate", self.disaggregate, DISAGGREGATE)
        _one_of("levers", self.levers, LEVERS)
        _check_purchase(self)
        _check_quality(self)
        object.__setattr__(self, "spares", int(self.spares))
        if not isinstance(self.allow_unverified, bool):
            raise BadInputError(f"allow-unverified is yes or no (True or False), not {self.allow_unverified!r}.")
        for name, limit in (("isl", 1e8), ("osl", 1e8), ("rate", 1e9), ("concurrency", 1e7)):
            value = getattr(self, name)
            if value is not None and value > limit:
                raise BadInputError(f"{name} = {value:g} is beyond {limit:g}; check the unit.")
        for name in ("isl", "osl", "concurrency", "max_num_seqs", "max_batched_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInputError(f"{name} must be at least 1, not {value}.")

    @property
    def regions(self) -> tuple[str, ...]:
        """The region of the plan, then those it is compared with."""
        return _names(self.region)

    @property
    def quotas(self) -> dict[str, float]:
        """Quotas by the name the user gave; the total over all under the empty name."""
        return dict(_quota(text) for text in self.max)

    def fingerprint(self, *context: str) -> str:
        """A name for this question under this code and catalogue: same hash, same answer."""
        said = {name: float(value) if type(value) is int else value for name, value in asdict(self).items()}
        text = json.dumps(said, sort_keys=True) + "|".join(context)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _positive(name: str, value: float | None) -> None:
    if value is not None and (isinstance(value, (bool, str)) or not isinstance(value, (int, float))):
        raise BadInputError(f"{name.replace('_', '-')} must be a number, not {value!r}.")
    if value is not None and not (math.isfinite(value) and value > 0):
        raise BadInputError(f"{name.replace('_', '-')} must be a positive number, not {value}.")


def _names(value: object) -> tuple[str, ...]:
    """A name, a comma-separated list or a sequence of names as a tuple; a layout of pools as the texts of both."""
    if isinstance(value, Mapping):
        return tuple(f"{role}: {pool['layout']} x{pool.get('replicas', 1)}" for role, pool in value.items())
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(str(v) for v in value)  # type: ignore[attr-defined]


def _quota_texts(value: object) -> tuple[str, ...]:
    """Quotas as ``NAME=N``, from a list of them, a text with commas, a mapping or a number."""
    if isinstance(value, Mapping):
        return tuple(f"{name}={n:g}" for name, n in value.items())
    if isinstance(value, (int, float)):
        return (f"{value:g}",)
    texts = (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]
    return tuple(part for text in texts for part in _names(str(text)))


def _quota(text: str) -> tuple[str, float]:
    name, _, count = text.rpartition("=")
    if not count.strip().isdigit() or ("=" in text and not name.strip()):
        raise BadInputError(
            f"cannot read quota '{text}'. Write NAME=N with a whole number, e.g. --max h100-sxm=64, or --max 64 in all."
        )
    return name.strip(), float(count)


def _check_purchase(s: ServeScenario) -> None:
    """Choices about what is bought that contradict one another."""
    spares = s.spares if isinstance(s.spares, (int, float)) and not isinstance(s.spares, bool) else -1
    if not 0 <= spares <= _MOST_SPARES or spares != int(spares):
        raise BadInputError(f"spares must be a whole number from 0 to {_MOST_SPARES}, not {s.spares!r}.")
    if not isinstance(s.mix, bool):
        raise BadInputError(f"mix is yes or no (True or False), not {s.mix!r}.")
    names = [name for name, _ in (_quota(text) for text in s.max)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInputError(f"--max sets {f'{twice!r}' if twice else 'the total'} twice. Give one number.")
    if not s.regions:
        raise BadInputError("say which region: --region us ('drivetrain list regions' shows all).")
    if s.buy == "instances" and s.pricing not in _RENTED:
        raise BadInputError(f"instances are rented, not priced as '{s.pricing}': --pricing {', '.join(_RENTED)}.")
    if s.buy != "instances" and s.providers:
        raise BadInputError("clouds rent instances: --provider goes with --buy instances.")
    if s.buy != "instances" and s.pricing == "spot":
        raise BadInputError("spot prices are of cloud instances: add --buy instances, or --pricing on-demand.")
    if s.max_racks is not None and s.max_racks != int(s.max_racks):
        raise BadInputError(f"max-racks must be a whole number, not {s.max_racks}.")
    if (s.max_racks is None) != (s.rack_power_w is None):
        raise BadInputError("racks need a number and what one feeds: --max-racks 4 --rack-power 40kW.")
    if s.max_racks is not None and s.buy != "servers":
        raise BadInputError("racks hold whole servers: add --buy servers, or limit the room by --max-power.")
    if s.mix and s.disaggregate != "off":
        raise BadInputError("a mixed fleet is compared with one undivided fleet: leave out --mix or --disaggregate.")
    if s.mix and s.objective in ("latency", "tokens-per-megawatt"):
        raise BadInputError(
            "a mixed fleet is compared by what it takes: --mix with --objective cost, energy, carbon or accelerators."
        )


def _check_quality(s: ServeScenario) -> None:
    """What the search may change in the model's answers, and what must be left of them."""
    object.__setattr__(s, "allow", tuple(dict.fromkeys(_allowed(text) for text in _names(s.allow))))
    if not isinstance(s.allow_unknown_quality, bool):
        raise BadInputError(f"allow-unknown-quality is yes or no (True or False), not {s.allow_unknown_quality!r}.")
    if s.min_quality is None:
        return
    try:
        least = parse(s.min_quality, "1") if isinstance(s.min_quality, str) else s.min_quality
    except UnitError:
        least = None
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least <= 1:
        raise BadInputError(
            f"min-quality is the share of the benchmark score to keep, from 0 to 1 or in %, not {s.min_quality!r}. "
            "For example --min-quality 99%."
        )
    object.__setattr__(s, "min_quality", float(least))


def _allowed(text: str) -> str:
    """One term of ``allow`` as it is spelled: ``weights``, ``weights=fp8`` or ``all``."""
    head, equals, value = (part.strip() for part in text.partition("="))
    head = head.lower().replace("_", "-")
    head = _ALSO_CALLED.get(head, head)
    if head not in (*ALLOWABLE, "all") and "=" not in head:
        close = suggest(head, (*ALLOWABLE, "all"), 1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(ALLOWABLE)}, or all."
        raise BadInputError(f"--allow knows no '{text}'. {hint}")
    if equals and (not value or head == "all"):
        raise BadInputError(f"cannot read '{text}'. Write --allow weights, or --allow weights=fp8 for one of them.")
    return f"{head}={value}" if equals else head


def scenario_of(choices: dict[str, object]) -> ServeScenario:
    """A scenario from keywords; one ``accelerator``, ``engine`` or ``layout`` may be given in the singular."""
    plural = {"accelerator": "accelerators", "engine": "engines", "layout": "layouts", "provider": "providers"}
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
        close = suggest(value, known, 1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise BadInputError(f"{name} '{value}' is not known.{hint} Choose {', '.join(known)}.")
