"""``trtllm-serve``'s flags and its options file as what they mean for a server. The file wins over flags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from drivetrain.deploy.argument_list import ArgumentList
from drivetrain.deploy.arguments import ParsedArguments, unknown_options
from drivetrain.deploy.found import Found
from drivetrain.errors import BadInputError, FileError, UnknownNameError
from drivetrain.registry import suggest

_KV = {"auto": "", "float16": "fp16", "bfloat16": "bf16"}
_METHODS = {"MTP": "mtp", "EAGLE": "eagle", "EAGLE3": "eagle", "NGRAM": "ngram"}
_USED = frozenset({
    "tp_size", "pp_size", "ep_size", "max_seq_len", "max_batch_size", "max_num_tokens", "extra_llm_api_options",
    "kv_cache_free_gpu_memory_fraction", "enable_chunked_prefill",
})  # fmt: skip


def read(parsed: ParsedArguments, *, has_experts: bool) -> Found:
    """Read a trtllm-serve command line with the options file that it names."""
    file = parsed.value("extra_llm_api_options")
    options = read_options(parsed.arguments, Path(str(file))) if file else {}
    cache, draft = _table(options, "kv_cache_config"), _table(options, "speculative_config")
    ranks = int(_either(options, "tensor_parallel_size", parsed, "tp_size") or 1)
    apart = bool(options.get("enable_attention_dp")) and ranks > 1
    dp = ranks if apart and has_experts else 1
    seqs = _either(options, "max_batch_size", parsed, "max_batch_size")
    speculative, drafts, notes = _speculative(draft)
    if apart and not has_experts:
        notes = (*notes, "attention data parallelism of a model without experts is not modelled: "
                         "read as tensor parallel.")  # fmt: skip
    lora = _table(options, "lora_config") if options.get("enable_lora") else {}
    reuse = cache.get("enable_block_reuse")
    return Found(
        used=_USED,
        tp=ranks // dp,
        pp=int(_either(options, "pipeline_parallel_size", parsed, "pp_size") or 1),
        dp=dp,
        ep=int(_either(options, "moe_expert_parallel_size", parsed, "ep_size") or 1) if has_experts else 1,
        kv_dtype=_kv(str(cache.get("dtype") or "auto")),
        max_seqs=None if seqs is None else int(seqs) * dp,
        step_tokens=_either(options, "max_num_tokens", parsed, "max_num_tokens"),
        max_model_len=_either(options, "max_seq_len", parsed, "max_seq_len"),
        memory_frac=cache.get("free_gpu_memory_fraction", parsed.values.get("kv_cache_free_gpu_memory_fraction")),
        prefix_caching=None if reuse is None else bool(reuse),
        chunked_prefill=options.get("enable_chunked_prefill", parsed.values.get("enable_chunked_prefill")),
        speculative=speculative,
        draft_tokens=drafts,
        kv_offload_bytes=float(cache.get("host_cache_size") or 0.0),
        lora_adapters=int(lora.get("max_loras") or 0),
        lora_rank=int(lora.get("max_lora_rank") or 0),
        role="disaggregated" if options.get("cache_transceiver_config") else "",
        notes=notes,
    )


def read_options(known: ArgumentList, path: Path) -> dict[str, Any]:
    """The options file of a command line; its keys must be ones that the release has."""
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise FileError(
            f"{path}: the options file of the command line cannot be read here ({reason}). "
            "Run where it is, or leave the flag out to go on without."
        ) from None
    except yaml.YAMLError as error:
        raise FileError(f"{path}: not valid YAML: {' '.join(str(error).split())}. Mend that line.") from None
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise FileError(f"{path}: options are written as 'name: value' lines.")
    missing = unknown_options(known, options)
    if missing:
        close = suggest(missing[0], known.options)
        raise UnknownNameError(f"option of {known.engine}", missing[0], close, f"It stands in {path}.")
    return options


def _table(options: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = options.get(key) or {}
    if not isinstance(value, Mapping):
        raise BadInputError(f"option {key} is a table of 'name: value' lines, not {value!r}.")
    return value


def _either(options: Mapping[str, Any], key: str, parsed: ParsedArguments, flag: str) -> Any:  # noqa: ANN401
    """The option where the file has it, else what the flag says."""
    value = options.get(key, parsed.values.get(flag))
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise BadInputError(f"option {key} needs a whole number, not {value!r}.")
    return value


def _kv(text: str) -> str:
    return "fp8" if text.startswith("fp8") else _KV.get(text, text)


def _speculative(draft: Mapping[str, Any]) -> tuple[str, int, tuple[str, ...]]:
    if not draft:
        return "", 0, ()
    kind = str(draft.get("decoding_type") or "")
    model = draft.get("speculative_model") or draft.get("speculative_model_dir")
    method = _METHODS.get(kind.upper().replace("_", ""))
    if method == "mtp":
        return "mtp", int(draft.get("num_nextn_predict_layers") or draft.get("max_draft_len") or 0), ()
    tokens = int(draft.get("max_draft_len") or 0)
    if method:
        return method, tokens, ()
    if kind.upper().replace("_", "") == "DRAFTTARGET" and model:
        return f"draft:{model}", tokens, ()
    return "", 0, (f"speculative method '{kind}' is not modelled: predicted without.",)
