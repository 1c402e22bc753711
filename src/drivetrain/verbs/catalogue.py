"""What the catalogue holds: lists, single entries with their sources, and the check of its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from drivetrain.arch.params import count, kv_bytes_per_token, state_bytes_per_sequence
from drivetrain.catalogue import loader
from drivetrain.catalogue.check import check, choices_of, facts_of
from drivetrain.catalogue.fact import Fact
from drivetrain.catalogue.model import Model
from drivetrain.catalogue.stated import Stated
from drivetrain.catalogue.support_rules import QUESTIONS
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.registry import slug, suggest

Row = dict[str, Any]
_COUNT_TOLERANCE = 0.01
_HOME = "us"  # where price lists are most complete


def list_entries(kind: str) -> list[Row]:
    """Return one row per entry of a kind: its name and the few values that tell entries apart, in SI.

    >>> [row["name"] for row in list_entries("regions")][:3]
    ['australia', 'brazil', 'canada']
    """
    if slug(kind) in ("policy", "policies"):  # code, not facts; listed beside them for those who look for names
        from drivetrain.serving import policies

        return [dict(row) for row in policies.listed()]
    kind = loader.kind_of(kind)
    columns = _COLUMNS.get(kind, _named)
    return [{"name": name} | columns(record) for name, record in loader.load_all(kind).items()]


def show_entry(name: str, kind: str | None = None, *, sources: bool = False) -> Row:
    """Return one entry, found by any of its spellings in any kind, or in ``kind`` alone.

    ``entry`` says of what kind it is, ``unverified`` which of its values nobody could confirm. With
    ``sources``, ``values`` lists every value with its origin; those that disagree follow the used one.
    """
    found_kind, record = _find(name, kind)
    row: Row = {"entry": loader.KINDS[found_kind][0]} | _plain(record)
    if found_kind == "models":
        row |= {"counted": _counted(record)}
    if found_kind == "quality":
        row |= _quality(record)
    known: dict[str, Fact | Stated] = {**facts_of(record), **choices_of(record)}
    doubtful = [key for key, fact in known.items() if fact.unverified]
    if doubtful:
        row["unverified"] = doubtful
    if sources:
        row["values"] = list(_values(record))
    also = [] if kind else list(_elsewhere(name, found_kind))
    return row | ({"see_also": also} if also else {})


def check_catalogue() -> list[Row]:
    """Return the problems of the catalogue, one row each; an empty list means it is sound."""
    return [asdict(problem) for problem in check()] + list(_miscounted())


def _counted(model: Model) -> Row:
    """What the architecture comes to, beside what its authors state."""
    parameters = count(model)
    return {
        "total_params": parameters.total,
        "active_params": parameters.active,
        "kv_bytes_per_token": kv_bytes_per_token(model, model.checkpoints[0]),
        "state_bytes_per_sequence": state_bytes_per_sequence(model),
    }


def _miscounted() -> Iterator[Row]:
    """Yield models whose counted parameters leave the published figure by more than 1 % or its rounding."""
    for name, model in loader.load_all("models").items():
        parameters = count(model)
        allowed = max(_COUNT_TOLERANCE, model.published.rounding)
        for field, counted, stated in (
            ("published.total", parameters.total, model.published.total),
            ("published.active", parameters.active, model.published.active),
        ):
            if stated and abs(counted / stated - 1.0) > allowed:
                message = (
                    f"the architecture counts {counted:,} parameters, published are {stated:,.0f} within {allowed:.1%}."
                )
                yield {"file": f"models/{name}.toml", "field": field, "message": message}


def _find(name: str, kind: str | None) -> tuple[str, Any]:
    if kind:
        return loader.kind_of(kind), loader.load(kind, name)
    if name.endswith((".toml", ".json")):
        raise BadInputError(f"'{name}' is a file: say of what kind it is, for example --kind accelerators.")
    spellings: dict[str, str] = {}
    for one in _kinds_with_data():
        try:
            return one, loader.load(one, name)
        except UnknownNameError as error:
            spellings |= dict.fromkeys(error.suggestions, one)
    close = suggest(name, spellings) or list(spellings)[:3]
    hint = "'drivetrain list accelerators' (or models, engines, ...) shows names."
    raise UnknownNameError("catalogue entry", name, close, hint)


def _elsewhere(name: str, found: str) -> Iterator[str]:
    """Yield other kinds in which the name denotes something too (gb200-nvl72 is a GPU and a rack)."""
    for kind in _kinds_with_data():
        if kind != found:
            try:
                yield f"{loader.KINDS[kind][0]} {loader.resolve(kind, name)}"
            except BadInputError:
                continue


def _kinds_with_data() -> Iterator[str]:
    for kind in loader.KINDS:
        try:
            loader.names(kind)
        except BadInputError:
            continue
        yield kind


def _values(record: Any) -> Iterator[Row]:  # noqa: ANN401 - any record
    for key, fact in facts_of(record).items():
        yield _value(key, fact, used=True)
        for other in fact.also:
            yield _value(key, other, used=False)
    for key, stated in choices_of(record).items():
        yield _choice(key, stated, record)


def _value(key: str, fact: Fact, *, used: bool) -> Row:
    source = loader.sources().get(fact.source)
    return {
        "field": key,
        "used": used,
        "value": fact.value,
        "unit": fact.dimension,
        "stated": fact.text,
        "kind": fact.kind,
        "unverified": fact.unverified,
        "source": fact.source,
        "seen": fact.seen,
        "title": source.title if source else "",
        "publisher": source.publisher if source else "",
        "url": source.url if source else "",
        "note": fact.note,
    }


def _choice(key: str, stated: Stated, record: Any) -> Row:  # noqa: ANN401 - any record
    """A word or switch with its source, as :func:`_value` has numbers."""
    source, value = loader.sources().get(stated.source), record
    for name in key.split("."):
        value = getattr(value, name)
    return {
        "field": key,
        "used": True,
        "value": value,
        "unit": "",
        "stated": str(value),
        "kind": stated.kind,
        "unverified": stated.unverified,
        "source": stated.source,
        "seen": stated.seen,
        "title": source.title if source else "",
        "publisher": source.publisher if source else "",
        "url": source.url if source else "",
        "note": stated.note,
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - a record or a part of one
    if isinstance(value, Fact):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)
                 if field.name not in ("facts", "stated")}  # fmt: skip
        if hasattr(value, "link_bytes_per_s") and hasattr(value, "bytes_per_s"):
            plain["bytes_per_s"] = value.bytes_per_s
        return plain
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _accelerator(record: Any) -> Row:  # noqa: ANN401
    return {
        "vendor": record.vendor,
        "launched": record.launched,
        "memory_bytes": record.memory_bytes,
        "hbm_bytes_per_s": record.hbm_bytes_per_s,
        "bf16_flop_per_s": record.flops.get("bf16", record.flops.get("fp16")),
        "fp8_flop_per_s": record.flops.get("fp8"),
        "scaleup_bytes_per_s": record.scaleup.bytes_per_s,
        "domain": record.scaleup.domain,
        "tdp_w": record.tdp_w,
        "status": record.status,
    }


def _server(record: Any) -> Row:  # noqa: ANN401
    return {
        "accelerator": record.accelerator,
        "n_accelerators": record.n_accelerators,
        "fabric": record.fabric,
        "nic_bytes_per_s": record.nic_bytes_per_s,
        "host_w": record.host_w,
    }


def _fabric(record: Any) -> Row:  # noqa: ANN401
    return {
        "scope": record.scope,
        "kind": record.kind,
        "link_bytes_per_s": record.link_bytes_per_s,
        "latency_s": record.latency_s,
    }


def _model(record: Any) -> Row:  # noqa: ANN401
    return {
        "family": record.family,
        "layers": record.n_layers,
        "max_context": record.max_context,
        "total_params": count(record).total,
        "active_params": count(record).active,
        "weights": record.checkpoints[0].weight_dtype,
    }


def _engine(record: Any) -> Row:  # noqa: ANN401
    return {
        "released": record.released,
        "vendors": " ".join(record.vendors),
        "max_batched_tokens": record.max_batched_tokens,
        "max_num_seqs": record.max_num_seqs,
        "memory_frac": record.memory_frac,
        "block_tokens": record.block_tokens,
        "mixes": record.scheduler.mixes,
        "reserves": record.scheduler.reserve_output_frac,
        "prefix_cache": record.scheduler.prefix_cache,
    }


def _workload(record: Any) -> Row:  # noqa: ANN401
    return {
        "title": record.title,
        "isl_mean": record.isl_mean,
        "osl_mean": record.osl_mean,
        "prefix_hit_frac": record.prefix_hit_frac,
        "evidence": record.evidence,
    }


def _price(record: Any) -> Row:  # noqa: ANN401
    return {
        "accelerator": record.accelerator,
        "kind": record.kind,
        "terms": record.terms,
        "usd": record.usd.value,
        "usd_low": record.usd_low.value if record.usd_low else None,
        "usd_high": record.usd_high.value if record.usd_high else None,
        "unit": record.usd.dimension,
        "seen": record.usd.seen,
    }


def _region(record: Any) -> Row:  # noqa: ANN401
    return {
        "title": record.title,
        "usd_per_kwh": record.usd_per_kwh,
        "carbon_g_per_kwh": record.carbon_g_per_kwh,
    }


def _instance(record: Any) -> Row:  # noqa: ANN401
    return {
        "provider": record.provider,
        "accelerator": record.accelerator,
        "n_accelerators": record.n_accelerators,
        "size": record.size,
        "nic_bytes_per_s": record.nic_bytes_per_s,
        "on_demand_usd": _usd_per_hour(record, "on demand"),
        "reserved_usd": _usd_per_hour(record, "3-year reserved"),
        "spot_usd": _usd_per_hour(record, "spot"),
    }


def _usd_per_hour(record: Any, terms: str) -> float | None:  # noqa: ANN401
    """Return the price of an instance-hour in the default region, or where it is cheapest."""
    home = record.usd_per_hour(terms, _HOME)
    usd = [price.usd.value for price in record.prices if price.terms == terms]
    return home.value if home else min(usd, default=None)


def _support(record: Any) -> Row:  # noqa: ANN401
    count = {q: sum(rule.question == q for rule in record.rules) for q in QUESTIONS}
    return {"engines": record.title, "releases": f"{record.releases[0]} to {record.releases[-1]}"} | count


def _quality(record: Any) -> Row:  # noqa: ANN401
    return {
        "technique": record.technique,
        "model": record.model or record.checkpoint,
        "benchmark": record.benchmark,
        "before": record.before,
        "after": record.after,
        "recovery": record.recovery,
        "source": record.evidence.source,
        "unverified": record.evidence.unverified,
    }


def _named(record: Any) -> Row:  # noqa: ANN401
    return {"aliases": " ".join(getattr(record, "aliases", ()))}


_COLUMNS: dict[str, Callable[[Any], Row]] = {
    "accelerators": _accelerator,
    "servers": _server,
    "fabrics": _fabric,
    "models": _model,
    "engines": _engine,
    "workloads": _workload,
    "prices": _price,
    "regions": _region,
    "instances": _instance,
    "support": _support,
    "quality": _quality,
}
