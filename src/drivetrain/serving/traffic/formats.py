"""Which trace a file is, told by what is in it, and where each of our columns comes from.

=============  =============================================================================  ======================
format         columns or keys (case does not matter)                                         time in the file
=============  =============================================================================  ======================
own            ``input_tokens, output_tokens[, arrival_s, ...]`` (CSV, Parquet, JSON lines)   s from the start
Azure          ``TIMESTAMP, ContextTokens, GeneratedTokens`` (CSV, Parquet)                   date and time
BurstGPT       ``Timestamp, [Session ID, ...], Request tokens, Response tokens`` (CSV)        whole s
Mooncake       ``input_length, output_length[, timestamp, hash_ids]`` (JSON lines)            ms
Bailian        ``chat_id, timestamp, input_length, output_length, hash_ids`` (JSON lines)     s
ShareGPT       ``conversations`` of ``{from, value}`` (JSON)                                  none
load test      ``prompt`` or ``prompt_len``, ``output_tokens`` or ``output_len`` (JSON[L])    none
=============  =============================================================================  ======================

Sources: AzurePublicDataset (AzureLLMInferenceDataset2023.md, 2024.md), HPMLL/BurstGPT, kvcache-ai/Mooncake
(FAST25-release/traces), alibaba-edu/qwen-bailian-usagetraces-anon, vllm-project/vllm (benchmarks/datasets).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drivetrain.errors import FileError
from drivetrain.serving.traffic.files import Contents, contents_of, quoted
from drivetrain.serving.traffic.wrong import ChoiceError

NUMBERS = ("time", "isl", "osl", "priority", "origin", "service", "difficulty", "after", "gap_s", "parent")
FIELDS = (*NUMBERS, "session", "hashes")
"""What is read of each row: numbers, a text and a list. ``parent`` is the session that this one goes on."""

_RATES = {"client", "window_start_s", "rate_rps"}
CHARS_PER_TOKEN = 4.0
"""Characters per token where a file has text instead of lengths: the usual rule of thumb for English."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file, what it is and how to read it.

    ``columns`` maps our fields to SQL expressions, ``labels`` to what the file calls them. ``per_second`` of its time
    unit make a second. ``own`` times count from 0; others are shifted so that the first request comes at 0. Rows of a
    trace that records failures have no ``osl``. ``marks`` is what our own writer noted.
    """

    path: Path
    kind: str
    title: str
    relation: str
    columns: Mapping[str, str]
    labels: Mapping[str, str]
    per_second: float = 1.0
    own: bool = False
    has_failures: bool = False
    estimated: bool = False
    ignored: tuple[str, ...] = ()
    marks: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_times(self) -> bool:
        """Whether the file has a column of times at all."""
        return "time" in self.columns


def source_of(path: str | Path, chars_per_token: float = CHARS_PER_TOKEN) -> Source:
    """Find out what ``path`` is. Raises :class:`FileError` with what was found where it is no trace."""
    contents = contents_of(Path(path))
    have = {name.lower(): name for name in contents.columns}
    for spec in _SPECS:
        if spec.kind == "bench" and not contents.is_json:
            continue
        if all(any(name in have for name in names.split("|")) for names in spec.needs):
            return _source(spec, contents, have, chars_per_token)
    if set(have) >= _RATES:
        raise ChoiceError(
            lambda say: f"{path} holds ServeGen's client rates, not requests. Give its lengths too ({say('lengths')})."
        )
    found = ", ".join(contents.columns[:12]) + (", ..." if len(contents.columns) > 12 else "")
    raise FileError(
        f"{path} is no trace that Drivetrain knows: it has {found or 'no columns'}. Known are Azure CSV, BurstGPT CSV, "
        "Mooncake and Bailian JSON lines, ShareGPT and vLLM dataset files, and columns arrival_s, input_tokens, "
        "output_tokens in CSV or Parquet."
    )


@dataclass(frozen=True, slots=True)
class _Spec:
    """``needs`` are names that must be there (``a|b``: one of them), ``fields`` our fields and the file's names."""

    kind: str
    title: str
    needs: tuple[str, ...]
    fields: Mapping[str, str]
    per_second: float = 1.0
    has_failures: bool = False
    time: str = "double"


_OWN = {"time": "arrival_s", "isl": "input_tokens", "osl": "output_tokens", "hashes": "prefix_hash_ids"} | {
    name: name for name in ("priority", "origin", "service", "difficulty", "after", "gap_s", "session")
}
_MOONCAKE = {"time": "timestamp", "isl": "input_length", "osl": "output_length", "hashes": "hash_ids"}
_PROMPT = "prompt_len|prompt_tokens|input_len|input_tokens|input_length"
_ANSWER = "output_len|output_tokens|completion_tokens|output_length|expected_output_len"
_TEXT = "prompt|text_input"
_SPECS = (
    _Spec("azure", "Azure LLM inference trace", ("timestamp", "contexttokens", "generatedtokens"),
          {"time": "timestamp", "isl": "contexttokens", "osl": "generatedtokens"}, 1e6, time="timestamp"),
    _Spec("burstgpt", "BurstGPT trace", ("timestamp", "request tokens", "response tokens"),
          {"time": "timestamp", "isl": "request tokens", "osl": "response tokens", "session": "session id"},
          has_failures=True),
    _Spec("bailian", "Bailian trace", ("chat_id", "timestamp", "input_length", "output_length"),
          _MOONCAKE | {"session": "chat_id", "parent": "parent_chat_id"}),
    _Spec("mooncake", "Mooncake trace", ("input_length", "output_length"), _MOONCAKE, 1e3),
    _Spec("own", "trace", ("input_tokens", "output_tokens"), _OWN),
    _Spec("sharegpt", "ShareGPT conversations", ("conversations",), {}),
    _Spec("bench", "load-test dataset", (f"{_PROMPT}|{_TEXT}",), {"isl": _PROMPT, "osl": _ANSWER}),
)  # fmt: skip


def _source(spec: _Spec, contents: Contents, have: Mapping[str, str], chars_per_token: float) -> Source:
    columns: dict[str, str] = {}
    labels: dict[str, str] = {}
    for key, names in spec.fields.items():
        label = next((have[name] for name in names.split("|") if name in have), None)
        if label is not None:
            columns[key], labels[key] = _value(key, label, spec.time), label
    used = {*labels.values()}
    if spec.kind == "sharegpt":
        label = have["conversations"]
        for key, turn in (("isl", 1), ("osl", 2)):
            columns[key] = _tokens(f"{quoted(label)}[{turn}].value", chars_per_token)
            labels[key] = f"{label}[{turn - 1}].value"
        used.add(label)
    estimated = spec.kind == "sharegpt"
    if spec.kind == "bench" and "isl" not in columns:
        label = next(have[name] for name in _TEXT.split("|") if name in have)
        columns["isl"], labels["isl"], estimated = _tokens(quoted(label), chars_per_token), label, True
        used.add(label)
    turns = have["conversations"] if spec.kind == "sharegpt" else ""
    typed = {name: 'STRUCT("value" VARCHAR)[]' if name == turns else "VARCHAR" for name in used}
    return Source(
        path=contents.path,
        kind=spec.kind,
        title=f"{spec.title} ({contents.container})",
        relation=contents.relation(typed),
        columns=columns,
        labels=labels,
        per_second=spec.per_second,
        own=spec.kind == "own",
        has_failures=spec.has_failures,
        estimated=estimated,
        ignored=tuple(name for name in contents.columns if name not in used),
        marks=contents.marks,
    )


def _value(key: str, label: str, time: str) -> str:
    """The SQL expression of a field: null where the cell is empty, nan (a list: [null]) where it is no such value."""
    column = quoted(label)
    text = f"cast({column} as varchar)"
    if key == "session":
        return text
    if key == "hashes":
        return f"coalesce(try_cast({column} as bigint[]), case when {column} is not null then [null::bigint] end)"
    value = f"try_cast({text} as double)"
    if key == "time" and time == "timestamp":
        zoned = f"regexp_matches({text}, ':\\d\\d(\\.\\d+)?\\s*(Z|[+-]\\d\\d(:?\\d\\d)?)$')"
        value = (
            f"cast(case when {zoned} then epoch_us(try_cast({text} as timestamptz)) "
            f"else epoch_us(try_cast({text} as timestamp)) end as double)"
        )
    return f"coalesce({value}, case when trim({text}) <> '' then 'nan'::double end)"


def _tokens(text: str, chars_per_token: float) -> str:
    """Tokens of a text by its length, at least one; null where there is no text."""
    return f"case when {text} is not null then greatest(ceil(length({text}) / {chars_per_token!r}), 1)::double end"
