"""Does this engine version run that model in that precision there? One answer with its reasons and sources.

:func:`support_of` asks the rules of the engine's family (``data/support``) one question after the other: the
accelerator, the weights' precision and file format there, the KV cache's precision, the architecture, each feature.
The first rule that covers a question in the version answers it; a *supported* rule whose versions lie elsewhere
answers "unsupported" and says in which it runs; what no rule covers is "unverified". The worst answer is the whole's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from drivetrain.catalogue import loader
from drivetrain.catalogue.hardware import Accelerator
from drivetrain.catalogue.market import Engine
from drivetrain.catalogue.support_rules import (
    FEATURES,
    EngineSupport,
    Rule,
    Status,
    Version,
    version_of,
)
from drivetrain.errors import BadInputError
from drivetrain.registry import suggest

_WORST_FIRST: tuple[Status, ...] = ("unsupported", "unverified", "supported")


@dataclass(frozen=True, slots=True)
class Support:
    """Whether a combination starts. ``reasons`` say what is unsupported or unknown; ``notes`` what to know beside."""

    status: Status
    reasons: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Where:
    """The engine release and the accelerator asked about."""

    engine: str
    engine_family: str
    version: Version
    vendors: tuple[str, ...]
    weight_dtypes: tuple[str, ...]
    accelerator: str
    generation: str
    vendor: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to one question."""

    status: Status
    reason: str
    source: str
    note: str = ""


class _Matrix:
    """The rules of all files, by engine family, question and value. Compared by identity: a reload makes a new one."""

    def __init__(self, files: tuple[EngineSupport, ...]) -> None:
        self.titles: dict[str, str] = {}
        self._rules: dict[tuple[str, str, str], list[Rule]] = {}
        # a file named like its engine family comes last: rules added beside it, in one's own folder, win
        for file in sorted(files, key=lambda f: (f.name == f.family, f.name)):
            self.titles[file.family] = file.title
            for rule in file.rules:
                for value in rule.values or ("",):
                    self._rules.setdefault((file.family, rule.question, value), []).append(rule)

    def rules(self, where: _Where, question: str, value: str, family: str) -> list[Rule]:
        """Rules that cover the question there, in order, whatever their versions."""
        found = self._rules.get((where.engine_family, question, value), ())
        return [rule for rule in found if rule.covers(where.accelerator, where.generation, family)]


def support_of(
    engine: Engine,
    accelerator: Accelerator,
    *,
    weight_dtype: str,
    kv_dtype: str,
    family: str,
    features: Iterable[str] = (),
    weight_format: str = "",
) -> Support:
    """Whether ``engine`` runs a model of ``family`` in these precisions on ``accelerator``, with these ``features``.

    ``weight_format`` is how the checkpoint's files are written; ``none`` or empty asks nothing about it.
    """
    where = _Where(engine.name, engine.family, version_of(engine.version), engine.vendors, engine.weight_dtypes,
                   accelerator.name, accelerator.generation, accelerator.vendor.lower())  # fmt: skip
    return _support(_matrix(), where, weight_dtype, kv_dtype, family, tuple(features), weight_format)


@cache
def _support(
    matrix: _Matrix, where: _Where, weight_dtype: str, kv_dtype: str, family: str, features: tuple[str, ...],
    weight_format: str,
) -> Support:  # fmt: skip
    if where.engine_family not in matrix.titles:
        return _without_rules(where, weight_dtype)
    part = _ask(matrix, where, "accelerators", "", family)
    answers = [part]
    if part.status != "unsupported":
        answers += [
            _listed(where, weight_dtype),
            _ask(matrix, where, "weights", weight_dtype, family),
            *([_ask(matrix, where, "formats", weight_format, family)] if weight_format not in ("", "none") else ()),
            _ask(matrix, where, "kv", kv_dtype, family),
            _ask(matrix, where, "families", family, family),
            *(_ask(matrix, where, "features", _known_feature(name), family) for name in features),
        ]
    status = next(s for s in _WORST_FIRST if any(a.status == s for a in answers))
    told = [a for s in _WORST_FIRST[:2] for a in answers if a.status == s]
    cited = told if status == "unsupported" else answers
    return Support(
        status,
        _distinct(a.reason for a in told),
        _distinct(_title(a.source) for a in cited),
        _distinct(a.note for a in answers if a.status == "supported"),
    )


def _ask(matrix: _Matrix, where: _Where, question: str, value: str, family: str) -> _Answer:
    """The answer of the rules to one question."""
    rules = matrix.rules(where, question, value, family)
    title = matrix.titles[where.engine_family]
    release = f"{title} {'.'.join(map(str, where.version))}"
    what = _subject(question, value, where.accelerator)
    for rule in rules:
        if rule.holds_in(where.version):
            return _stated(rule, title, release, what, where.version)
    elsewhere = [rule for rule in rules if rule.status == "supported"]
    if elsewhere:
        return _other_versions(elsewhere, title, release, what, where.version)
    return _Answer("unverified", f"nothing on record says whether {release} runs {what}.", "")


def _stated(rule: Rule, title: str, release: str, what: str, version: Version) -> _Answer:
    if rule.status == "supported":
        first = version_of(rule.since)
        within = len(first) > len(version) and first[: len(version)] == version  # a release of the line asked about
        needs = f"{what} needs {title} {rule.since} or later" if within else ""
        aside = "; ".join(text for text in (needs, rule.note) if text)
        return _Answer("supported", "", rule.source, f"{aside}." if aside else "")
    verb = "does not run" if rule.status == "unsupported" else "is not known to run"
    note = f" ({rule.note})" if rule.note else ""
    return _Answer(rule.status, f"{release} {verb} {what}{note}.", rule.source)


def _other_versions(rules: list[Rule], title: str, release: str, what: str, version: Version) -> _Answer:
    """Why a combination that other versions run is not run by this one."""
    later = [rule for rule in rules if not rule.begun(version)]
    rule = (min(later, key=lambda r: version_of(r.since)) if later
            else max(rules, key=lambda r: version_of(r.until)))  # fmt: skip
    when = f"from {title} {rule.since} on" if later else f"before {title} {rule.until}"
    return _Answer("unsupported", f"{release} does not run {what}; it runs {when}.", rule.source)


def _subject(question: str, value: str, accelerator: str) -> str:
    return {
        "accelerators": accelerator,
        "weights": f"{value} weights on {accelerator}",
        "formats": f"{value} checkpoints on {accelerator}",
        "kv": f"a KV cache in {value} on {accelerator}",
        "families": f"the architecture '{value}' on {accelerator}",
        "features": f"{FEATURES.get(value, value)} on {accelerator}",
    }[question]


def _listed(where: _Where, weight_dtype: str) -> _Answer:
    """What the engine's own entry says: vendors and the precisions that it loads."""
    if where.vendors and where.vendor not in {vendor.lower() for vendor in where.vendors}:
        return _Answer("unsupported", f"{where.engine} is listed for {', '.join(where.vendors)}, "
                       f"not for {where.vendor}.", "")  # fmt: skip
    if where.weight_dtypes and weight_dtype not in where.weight_dtypes:
        return _Answer("unsupported", f"{where.engine} is listed with {', '.join(where.weight_dtypes)} weights, "
                       f"not {weight_dtype}.", "")  # fmt: skip
    return _Answer("supported", "", "")


def _without_rules(where: _Where, weight_dtype: str) -> Support:
    """An engine without a support file: unverified, unless its own entry rules the combination out."""
    listed = _listed(where, weight_dtype)
    if listed.status == "unsupported":
        return Support("unsupported", (listed.reason,))
    return Support("unverified", (f"there are no support rules for the engine family '{where.engine_family}'.",))


def _known_feature(name: str) -> str:
    if name not in FEATURES:
        close = suggest(name, FEATURES, 1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(FEATURES)}."
        raise BadInputError(f"there is no engine feature '{name}'. {hint}")
    return name


def _matrix() -> _Matrix:
    return _indexed(tuple(loader.load_all("support").values()))


@cache
def _indexed(files: tuple[EngineSupport, ...]) -> _Matrix:
    return _Matrix(files)


def _title(source: str) -> str:
    found = loader.sources().get(source)
    return f"{found.title} ({found.publisher}, {found.date})" if found else source


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
