"""Random replicas and workloads that a closed form and the simulator both can be asked about.

A configuration is a model of the catalogue on accelerators, in a layout, under an engine with limits, and a workload:
fixed lengths, lengths even over a range, or a profile; a burstiness; a share of every prompt in the prefix cache. Both
sides get the same step times, limits and rules.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from drivetrain.arch.layout import Layout
from drivetrain.catalogue import loader
from drivetrain.catalogue.read_workload import fixed
from drivetrain.cost.efficiency import collective_coefficients, efficiency
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import DrivetrainError
from drivetrain.serving import search, steady
from drivetrain.serving.deployment import cut, deploy
from drivetrain.serving.lengths import Floats, Lengths, lengths_of
from drivetrain.serving.sim.build import Setup, pool_of
from drivetrain.serving.sim.records import Fleet, Ints, Requests

MODELS = {
    "dense": ("llama-3.1-8b", "qwen2.5-32b", "llama-3.1-70b", "llama-2-13b", "qwen3-4b"),
    "latent": ("deepseek-v3", "kimi-k2"),
    "experts": ("qwen3-30b-a3b", "mixtral-8x7b", "qwen3-235b-a22b", "minimax-m2.5"),
    "windows": ("gpt-oss-20b", "gpt-oss-120b", "gemma-3-27b", "gemma-2-9b"),
    "states": ("qwen3-next-80b-a3b", "nemotron-3-nano"),
}
ACCELERATORS = ("h100-sxm", "h200-sxm", "a100-sxm-80gb", "b200", "mi300x", "l40s")
ENGINES = ("vllm", "vllm", "sglang", "trtllm")
WORKLOADS = ("azure-2023-conv", "azure-2023-code", "chat", "sharegpt", "rag", "summarise", "servegen-m-large", "agent")
BUDGETS = (512, 2048, 8192)
PIECE = 64  # tokens of a named piece of a prompt; whole blocks of every engine
_MOST_ACCELERATORS = 32
_DOMAIN = 8


@dataclass(frozen=True, slots=True)
class Spread:
    """Lengths even over [(1 - r) L, L] on both sides; None where classes are all there is."""

    isl: int
    osl: int
    range_frac: float


@dataclass(frozen=True, slots=True)
class Configuration:
    """A replica and its workload, with a share of its capacity as its load."""

    seed: int
    kind: str
    model: str
    accelerator: str
    engine: str
    layout: Layout
    lengths_kind: str
    hit_frac: float
    load: float
    chunked: bool
    mixed: bool
    prepared: steady.Prepared
    max_seqs: float
    spread: Spread | None

    @property
    def arrival_cv(self) -> float:
        """Coefficient of variation of the time between arrivals."""
        return math.sqrt(self.prepared.lengths.arrival_cv2)

    def fleet(self) -> Fleet:
        """The replica as the simulator takes it."""
        setup = Setup(
            chunked=self.chunked, mixed=self.mixed, prefix_cache=self.hit_frac > 0.0,
            hash_tokens=PIECE if self.hit_frac > 0.0 else 0,
        )  # fmt: skip
        return Fleet(pools=(pool_of(self.prepared.deployment, self.prepared.budget, self.max_seqs, setup),))

    def requests(self, n: int, rate: float, rng: np.random.Generator, concurrency: int = 0) -> Requests:
        """``n`` requests: gaps are Gamma distributed, lengths drawn anew for each."""
        shape = 1.0 / self.prepared.lengths.arrival_cv2
        arrival_s = np.cumsum(rng.gamma(shape, 1.0 / (shape * rate), n)) if concurrency == 0 else np.zeros(n)
        isl, osl, cached = self._lengths(n, rng)
        pieces = cached // PIECE
        longest = int(pieces.max(initial=0))
        whole = np.zeros(n, np.int64)
        return Requests(
            arrival_s=arrival_s, isl=isl, osl=osl, priority=whole, session=whole - 1, origin=whole, service=whole,
            difficulty=np.zeros(n), after=whole - 1, gap_s=np.zeros(n), hash_start=whole, hash_count=pieces,
            hashes=np.arange(1, longest + 1), hash_tokens=PIECE if longest else 0, concurrency=concurrency,
        )  # fmt: skip

    def _lengths(self, n: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
        """Input, output and cached tokens. Everybody's prompt begins alike, so that what one leaves, others find."""
        if self.spread is not None:
            low = 1.0 - self.spread.range_frac
            isl = np.rint(rng.uniform(low * self.spread.isl, self.spread.isl, n)).astype(np.int64)
            osl = np.rint(rng.uniform(low * self.spread.osl, self.spread.osl, n)).astype(np.int64)
            return isl, osl, _cached(isl, self.hit_frac).astype(np.int64)
        known = self.prepared.lengths
        at = rng.choice(len(known.weight), n, p=known.weight)
        isl, osl = known.isl[at].astype(np.int64), known.osl[at].astype(np.int64)
        return isl, osl, isl - known.computed[at].astype(np.int64)


def configurations(n: int, seed: int = 1) -> Iterator[Configuration]:
    """The first ``n`` that fit, deterministic in ``seed``."""
    found = 0
    for k in range(40 * n):
        if found == n:
            return
        one = draw(np.random.default_rng([seed, k]), seed * 1_000_000 + k)
        if one is not None:
            found += 1
            yield one


def draw(rng: np.random.Generator, seed: int) -> Configuration | None:
    """One configuration, or None where what was drawn does not fit."""
    kind = str(rng.choice(list(MODELS)))
    name, chip = str(rng.choice(MODELS[kind])), str(rng.choice(ACCELERATORS))
    layouts = [x for x in search.layouts(_model(name), _DOMAIN, _MOST_ACCELERATORS) if x.dp <= _DOMAIN and x.pp <= 2]
    layout = layouts[rng.integers(len(layouts))]
    engine = str(rng.choice(ENGINES))
    lengths, spread, lengths_kind = _workload(rng)
    hit = float(rng.choice([0.0, 0.0, 0.3, 0.7])) if kind in ("dense", "latent", "experts") else 0.0
    lengths = replace(lengths, computed=lengths.isl - _cached(lengths.isl, hit))
    budget = float(rng.choice(BUDGETS))
    max_seqs = float(rng.choice([16, 64, 256, 1024]))
    load = float(rng.uniform(0.1, 0.85))
    whole, apart = bool(rng.random() < 0.1), engine == "sglang"
    if whole:
        budget, apart = max(budget, float(lengths.isl.max())), True
    if float(lengths.isl.max() + lengths.osl.max()) > float(_model(name).max_context):
        return None
    try:
        prepared = _prepare(name, layout, chip, engine, lengths, budget, max_seqs, apart)
    except DrivetrainError:
        return None
    if prepared.max_seqs < 1 or steady.max_rate(prepared) <= 0.0:
        return None
    one = Configuration(
        seed=seed, kind=kind, model=name, accelerator=chip, engine=engine, layout=layout, lengths_kind=lengths_kind,
        hit_frac=hit, load=load, chunked=not whole, mixed=not apart, prepared=prepared, max_seqs=max_seqs,
        spread=spread,
    )  # fmt: skip
    return one if _holds_the_longest(one) else None


def _holds_the_longest(one: Configuration) -> bool:
    """Whether the cache holds the longest request: the simulator refuses others, averages do not notice."""
    cache = one.fleet().pools[0].cache
    longest = float(one.prepared.lengths.isl.max() + one.prepared.lengths.osl.max())
    longest = longest if one.spread is None else float(one.spread.isl + one.spread.osl)
    taken = cache.state_blocks + sum(
        blocks * min(longest, span) for span, blocks in zip(cache.window_spans, cache.window_blocks, strict=True)
    )
    tokens = math.ceil(longest / cache.block_tokens) if cache.block_tokens else 0
    return tokens + math.ceil(taken) <= cache.blocks


def _workload(rng: np.random.Generator) -> tuple[Lengths, Spread | None, str]:
    """Whole lengths, and how they spread where they do."""
    cv = float(rng.choice([0.5, 1.0, 1.0, 2.0, 3.0]))
    which = str(rng.choice(["fixed", "range", "profile", "profile"]))
    isl, osl = round(math.exp(rng.uniform(math.log(64), math.log(12000)))), round(math.exp(rng.uniform(2.8, 7.0)))
    spread = None
    if which == "profile":
        profile = str(rng.choice(WORKLOADS))
        known = lengths_of(loader.load("workloads", profile))
        cv = math.sqrt(known.arrival_cv2) if rng.random() < 0.5 else cv
        lengths = replace(known, isl=np.rint(known.isl), osl=np.maximum(np.rint(known.osl), 2.0))
    else:
        range_frac = float(rng.choice([0.2, 0.5, 0.8])) if which == "range" else 0.0
        lengths = lengths_of(fixed(isl, osl, range_frac=range_frac))
        spread = Spread(isl, osl, range_frac) if which == "range" else None
    return replace(lengths, arrival_cv2=min(cv, 4.0) ** 2), spread, which


def _cached(isl: Floats | Ints, hit_frac: float) -> Floats:
    """Tokens of a prompt that are cached: whole pieces, and at least one token is computed."""
    return np.asarray(np.minimum(np.floor(isl * hit_frac / PIECE), np.floor((isl - 1) / PIECE)) * PIECE, dtype=float)


@functools.cache
def _model(name: str):  # noqa: ANN202 - the catalogue's own record
    return loader.load("models", name)


def _prepare(
    name: str, layout: Layout, chip: str, engine: str, lengths: Lengths, budget: float, max_seqs: float, apart: bool
) -> steady.Prepared:
    """The deployment with the calibration that ships."""
    known, model = loader.load("engines", engine), _model(name)
    hardware = hardware_of(loader.load("accelerators", chip))
    piece = cut(model, model.checkpoints[0], layout, "bf16")
    eff = efficiency(known.family, hardware.generation)
    d = deploy(piece, hardware, known, eff, collective_coefficients(known.family))
    prepared = steady.prepare(d, lengths, budget, max_seqs)
    numbers = prepared.scalars.copy()
    numbers[steady.kernel.APART] = float(apart)
    return replace(prepared, scalars=numbers)
