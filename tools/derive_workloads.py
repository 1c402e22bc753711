"""Derive the shipped workload profiles from request traces.

    python tools/derive_workloads.py ../shared/traces --out src/drivetrain/catalogue/data/workloads

Reads the Parquet traces (columns ``arrival_s, input_tokens, output_tokens[, prefix_hash_ids]`` and the
per-client tables of ServeGen) with DuckDB and writes one TOML file per profile. Same traces, same files:
every random draw has a fixed seed. The profiles of ``ASSUMED`` need no trace except for their daily shape.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import workload_stats as stats
from workload_specs import ASSUMED, BURST_NOTE, DAY_NOTE, SERVEGEN, SERVEGEN_NOTE, TRACES, Assumed, Trace
from workload_stats import Class, Floats

SEEN = "2026-11-22"
SEED = 20231111
BLOCK_TOKENS = 512  # Mooncake prefix blocks
LRU_TOKENS = (512_000, 2_560_000, 10_240_000, 25_600_000)
DISPERSION_SCALES_S = (1.0, 3.0, 10.0, 30.0)
LENGTH_WINDOW_S = 21600  # ServeGen records lengths every six hours, rates every ten minutes
SERVEGEN_SAMPLE = 200_000
FLAT = np.ones(24)
DAY_FROM = "language/m-small"


@dataclass(frozen=True)
class Profile:
    """All that goes into one file."""

    name: str
    aliases: list[str]
    title: str
    evidence: str
    source: str
    licence: str
    arrival_cv: float
    prefix_hit_frac: float
    day: Floats
    notes: str
    isl: Floats
    osl: Floats
    arrivals: dict[str, float] = field(default_factory=dict)
    lru: dict[int, float] = field(default_factory=dict)


def main() -> None:
    """Read the traces named on the command line and write the profiles."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("traces", type=Path, help="folder of the Parquet traces")
    parser.add_argument("--out", type=Path, required=True, help="folder the TOML files are written to")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for profile in profiles(args.traces):
        text, error = write(profile)
        (args.out / f"{profile.name}.toml").write_text(text, encoding="utf-8")
        print(
            f"{profile.name:22} isl {profile.isl.mean():8.1f}  osl {profile.osl.mean():7.1f}  "
            f"cv {profile.arrival_cv:5.2f}  prefix {profile.prefix_hit_frac:5.3f}  "
            f"peak {profile.day.max():.2f}  " + " ".join(f"{k} {v:+.3f}" for k, v in error.items())
        )


def profiles(folder: Path) -> list[Profile]:
    """Every shipped profile, in a fixed order."""
    day = servegen_day(folder, DAY_FROM)
    made = [from_trace(folder, trace, day) for trace in TRACES]
    made += [from_servegen(folder, name) for name in SERVEGEN]
    return made + [from_assumption(assumed, day) for assumed in ASSUMED]


def read(folder: Path, file: str, where: str = "true") -> dict[str, Any]:
    """Columns of one trace as arrays."""
    path = str(folder / f"{file}.parquet")
    return dict(duckdb.sql(f"select * from read_parquet('{path}') where {where}").fetchnumpy())


def from_trace(folder: Path, trace: Trace, day: Floats) -> Profile:
    """Measure a request trace."""
    columns = read(folder, trace.file)
    isl, osl = (np.asarray(columns[key], dtype=np.float64) for key in ("input_tokens", "output_tokens"))
    arrivals: dict[str, float] = {}
    cv, lru, hit = 1.0, {}, 0.0
    if trace.real_arrivals:
        arrivals = arrival_statistics(np.asarray(columns["arrival_s"], dtype=np.float64), trace.jitter_s)
        cv = float(np.sqrt(arrivals["dispersion_3s"]))
    if "prefix_hash_ids" in columns:
        blocks = [ids.tolist() for ids in columns["prefix_hash_ids"]]
        hit = stats.prefix_hit(blocks, isl, BLOCK_TOKENS)
        lru = {size: stats.prefix_hit(blocks, isl, BLOCK_TOKENS, size) for size in LRU_TOKENS}
    notes = " ".join([trace.notes, BURST_NOTE if trace.real_arrivals else "", DAY_NOTE]).replace("  ", " ")
    return Profile(
        name=trace.name,
        aliases=trace.aliases,
        title=trace.title,
        evidence="measured",
        source=trace.source,
        licence=trace.licence,
        arrival_cv=cv,
        prefix_hit_frac=hit,
        day=day,
        notes=notes,
        isl=isl,
        osl=osl,
        arrivals=arrivals,
        lru=lru,
    )


def arrival_statistics(arrival_s: Floats, jitter_s: float = 0.0) -> dict[str, float]:
    """Rate, raw CV and dispersion over several time scales; quantised arrivals are spread out first."""
    spread = np.random.default_rng(SEED).uniform(0.0, jitter_s, len(arrival_s)) if jitter_s else 0.0
    times = np.sort(arrival_s + spread)
    found = {"rate_per_s": (len(times) - 1) / (times[-1] - times[0]), "iat_cv": stats.interarrival_cv(times)}
    found |= {f"dispersion_{scale:g}s": stats.dispersion(times, scale) for scale in DISPERSION_SCALES_S}
    return found | {"peak_minute": stats.peak_to_mean(times, 60.0)}


def from_servegen(folder: Path, name: str) -> Profile:
    """Rebuild a service's lengths and burstiness from ServeGen's per-client statistics."""
    workload, aliases, title = SERVEGEN[name]
    rows = servegen_lengths(folder, workload)
    rng = np.random.default_rng(SEED)
    weight = rows["n"] / rows["n"].sum()
    pick = rng.choice(len(weight), SERVEGEN_SAMPLE, p=weight)
    lengths, scales = [], []
    for side in ("input", "output"):
        mean, p50, p90, p99 = (rows[f"{side}_tokens_{s}"] for s in ("mean", "p50", "p90", "p99"))
        drawn = stats.from_quantiles(p50[pick], p90[pick], p99[pick], rng.random(SERVEGEN_SAMPLE), p99.max())
        scales.append(float((weight * mean).sum() / drawn.mean()))
        lengths.append(drawn * scales[-1])
    clients = servegen_clients(folder, workload)
    cv2 = stats.superposed_cv2(clients["rate"], clients["cv2"])
    note = SERVEGEN_NOTE.format(
        scale_in=scales[0],
        scale_out=scales[1],
        covered=rows["n"].sum() / clients["n"].sum(),
        clients=len(clients["rate"]),
        days="14 days"
        if workload.startswith("language")
        else "a single day on which one client sent 29 % of requests: its night-time peak is that client's",
    )
    return Profile(
        name=name,
        aliases=aliases,
        title=title,
        evidence="measured",
        source="servegen-nsdi26",
        licence="Apache-2.0",
        arrival_cv=float(np.sqrt(cv2)),
        prefix_hit_frac=0.0,
        day=servegen_day(folder, workload),
        notes=note,
        isl=lengths[0],
        osl=lengths[1],
        arrivals={"rate_per_s": float(clients["rate"].sum())},
    )


def servegen_lengths(folder: Path, workload: str) -> dict[str, Floats]:
    """Length statistics per client and six hours, with ``n``, the requests that client sent then."""
    columns = duckdb.sql(f"""
        with sent as (select client, window_start_s // {LENGTH_WINDOW_S} * {LENGTH_WINDOW_S} as w,
                             sum(rate_rps) * 600 as n
                      from read_parquet('{folder}/servegen_client_rates.parquet')
                      where workload = '{workload}' group by all)
        select sent.n, t.* exclude (workload) from read_parquet('{folder}/servegen_token_lengths.parquet') t
        join sent on sent.client = t.client and sent.w = t.window_start_s
        where t.workload = '{workload}' and t.input_tokens_mean is not null
        order by t.client, t.window_start_s
    """).fetchnumpy()
    wanted = [key for key in columns if key == "n" or key.startswith(("input_", "output_"))]
    return {key: np.asarray(columns[key], dtype=np.float64) for key in wanted}


def servegen_clients(folder: Path, workload: str) -> dict[str, Floats]:
    """Mean rate, requests and rate-weighted squared CV of each client."""
    columns = duckdb.sql(f"""
        with rows as (select *, iat_cv is not null and not isnan(iat_cv) as known
                      from read_parquet('{folder}/servegen_client_rates.parquet')
                      where workload = '{workload}'),
             span as (select count(distinct window_start_s) as windows from rows)
        select sum(rate_rps) * 600 as n, sum(rate_rps) / any_value(windows) as rate,
               coalesce(sum(rate_rps * iat_cv ** 2) filter (known) / sum(rate_rps) filter (known), 1) as cv2
        from rows, span group by client order by client
    """).fetchnumpy()
    return {key: np.asarray(value, dtype=np.float64) for key, value in columns.items()}


def servegen_day(folder: Path, workload: str) -> Floats:
    """Hourly factors of one ServeGen service; its clock starts at midnight."""
    columns = read(folder, "servegen_total_rates", f"workload = '{workload}'")
    return stats.day_shape(columns["window_start_s"], columns["rate_rps"])


def from_assumption(assumed: Assumed, day: Floats) -> Profile:
    """Spread log-normal lengths on a 200 by 200 grid of equally likely, independent points."""
    isl, osl = (stats.lognormal_grid(*spec, n=200) for spec in (assumed.isl, assumed.osl))
    spread = (
        f"Lengths are log-normal and independent, CV {assumed.isl[1]:g} in and {assumed.osl[1]:g} out before "
        f"the cut at {assumed.isl[2]:,} and {assumed.osl[2]:,} tokens."
    )
    notes = [assumed.notes, spread, "" if assumed.flat_day else DAY_NOTE]
    return Profile(
        name=assumed.name,
        aliases=assumed.aliases,
        title=assumed.title,
        evidence="assumed",
        source=assumed.source,
        licence="",
        arrival_cv=assumed.arrival_cv,
        prefix_hit_frac=assumed.prefix_hit_frac,
        day=FLAT if assumed.flat_day else day,
        notes=" ".join(notes),
        isl=np.repeat(isl, len(osl)),
        osl=np.tile(osl, len(isl)),
    )


def write(profile: Profile) -> tuple[str, dict[str, float]]:
    """Return the TOML text of a profile and the error of its classes, as written."""
    classes = rounded(stats.request_classes(profile.isl, profile.osl))
    error = stats.class_error(classes, profile.isl, profile.osl)
    lines = [
        "# Made by tools/derive_workloads.py from the source named below. Change the tool, not this file.",
        f'name = "{profile.name}"',
        f"aliases = {json.dumps(profile.aliases)}",
        f'title = "{profile.title}"',
        f'evidence = "{profile.evidence}"',
        f'source = "{profile.source}"',
        f'seen = "{SEEN}"',
        *([f'licence = "{profile.licence}"'] if profile.licence else []),
        f"arrival_cv = {profile.arrival_cv:.3f}",
        f"prefix_hit_frac = {profile.prefix_hit_frac:.4f}",
        f'notes = """\n{wrap(profile.notes)}"""',
        "",
        "# hourly rate over the day's mean, midnight first",
        "day_shape = [",
        *hours(profile.day),
        "]",
        "",
        "# share of requests, input tokens, output tokens",
        "classes = [",
        *(f"  [{c.weight:.7f}, {c.isl:.3f}, {c.osl:.3f}]," for c in classes),
        "]",
    ]
    for side, values in (("isl", profile.isl), ("osl", profile.osl)):
        lines += ["", f"[{side}]", f"mean = {values.mean():.3f}"]
        lines += [f"{label(p)} = {value:.0f}" for p, value in stats.quantiles(values).items()]
    if profile.arrivals:
        lines += ["", "[arrivals]", *(f"{key} = {value:.4g}" for key, value in profile.arrivals.items())]
    lines += ["", "# classes over all requests, minus one", "[class_error]"]
    lines += [f"{key} = {value:.4f}" for key, value in error.items() if "_" in key]
    for size, hit in profile.lru.items():
        lines += ["", "[[prefix_lru]]", f"cache_tokens = {size}", f"hit_frac = {hit:.4f}"]
    return "\n".join(lines) + "\n", error


def rounded(classes: list[Class]) -> list[Class]:
    """Classes as printed: seven decimals of weight that sum to 1, lengths to a thousandth of a token."""
    made = [Class(round(c.weight, 7), round(c.isl, 3), round(c.osl, 3)) for c in classes]
    at = max(range(len(made)), key=lambda i: made[i].weight)
    rest = sum(c.weight for i, c in enumerate(made) if i != at)
    made[at] = Class(round(1 - rest, 7), made[at].isl, made[at].osl)
    return made


def hours(day: Floats) -> list[str]:
    """Four lines of six factors, rounded so that they still sum to 24."""
    factors = np.round(day, 3)
    factors[int(factors.argmax())] += 24 - factors.sum()
    return ["  " + " ".join(f"{value:.3f}," for value in factors[i : i + 6]) for i in range(0, 24, 6)]


def label(probability: float) -> str:
    """p5 ... p99, and max for 1."""
    return "max" if probability == 1.0 else f"p{round(probability * 100)}"


def wrap(text: str, width: int = 100) -> str:
    """Break a note into lines; TOML's backslash joins them again."""
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) > width:
            lines.append(line)
            line = ""
        line += word + " "
    return " \\\n".join(part.rstrip() for part in [*lines, line])


if __name__ == "__main__":
    main()
