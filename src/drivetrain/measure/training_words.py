"""Words of a training row: framework, precision, how weights are sharded, schedule, network, release.

Spellings differ from source to source ("fp8_e4m3", "FP8-CS", "float8"; "8x ConnectX-7 NDR 400Gb/s", "3.2 Tbps per
node"). What cannot be predicted is refused here with its reason; what is assumed is noted.
"""

from __future__ import annotations

import re

from drivetrain.cost.hardware import Hardware
from drivetrain.errors import BadInputError
from drivetrain.measure.table import Raw
from drivetrain.training.layout import Schedule

# Families of training software by the words that tell them, in the order in which they are looked for.
_FAMILIES = (
    ("maxtext", ("maxtext", "t5x", "pathways", "praxis", "paxml", "levanter")),
    ("foundry", ("foundry", "mosaic", "composer")),
    ("megatron-2022", ("megatron-lm", "megatron-deepspeed", "neox", "bloom", "seqsel")),
    ("megatron", ("megatron", "nemo", "nvidia", "mlperf", "ngc", "primus")),
    ("fsdp", ("fsdp", "titan", "deepspeed", "zero", "lightning", "axolotl", "torchtune", "hugging", "accelerate",
              "peft", "unsloth", "pytorch")),
)  # fmt: skip
_BEFORE_FUSED = ("a100", "v100", "a40")  # Megatron-LM on these is the code of 2022
_STAGES = (
    (2, r"shard_grad_op|zero[-_ ]?2|stage[-_ =]?2"),
    (3, r"full_shard|hybrid_shard|hsdp|fsdp|zero[-_ ]?3|stage[-_ =]?3"),
    (1, r"zero[-_ ]?1|stage[-_ =]?1|\bddp\b"),
)
_PORTS = {"edr": 100.0, "hdr": 200.0, "ndr": 400.0, "xdr": 800.0, "slingshot": 200.0}  # Gbit/s of one port
_NODE = 8  # accelerators that share a node's network, at most
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([GT])(?:bE|b(?:it|ps)?)?(?![A-Za-z])")


def framework_of(raw: Raw) -> str:
    """The family of training software, as the calibration names it; empty where unknown.

    Megatron-LM on Ampere and before is the code of 2022, with unfused attention.
    """
    text = f"{raw.text('framework')} {raw.text('source_id')}".lower()
    accelerator = raw.text("accel").lower()
    if accelerator.startswith("tpu"):
        return "maxtext"
    found = next((name for name, words in _FAMILIES if any(word in text for word in words)), "")
    if found == "megatron-2022" and not any(word in accelerator for word in _BEFORE_FUSED):
        return "megatron"
    return found


def precision_of(text: str, hardware: Hardware, notes: list[str]) -> str:
    """The precision of products: 4 and 8 bit in their many spellings, else 16 bit; refuses what is not modelled."""
    folded = text.lower().replace("float", "fp")
    wide = "bf16" if "bf16" in hardware.flops else "fp16"
    if "fp4" in folded:
        return "mxfp4" if "mx" in folded and "nvfp4" not in hardware.flops else "nvfp4"
    if "mx" in folded and "mxfp8" in hardware.flops:
        return "mxfp8"
    if re.search(r"fp8|e4m3|e5m2", folded):
        if "not parsed" in folded:
            notes.append("precision taken as fp8")
        if "fp8" in hardware.flops:
            return "fp8"
        notes.append(f"{hardware.name} has no fp8 units: 16 bit")
        return wide
    if re.search(r"16|half|mixed|amp", folded):
        return wide
    if re.search(r"int8|tf32|fp32", folded):
        raise BadInputError(f"training with products in '{text}' is not predicted: 16-, 8- and 4-bit floats are.")
    notes.append(f"precision '{text}' taken as {wide}" if text else f"precision not recorded: {wide} assumed")
    return wide


def sharding_of(text: str) -> int | None:
    """The ZeRO stage that a framework's text tells, FSDP being the third.

    >>> [sharding_of(text) for text in ("DeepSpeed ZeRO-2", "torchtitan FSDP2", "FSDP SHARD_GRAD_OP", "NeMo 25.02")]
    [2, 3, 2, None]
    """
    return next((stage for stage, words in _STAGES if re.search(words, text.lower())), None)


def schedule_of(text: str) -> Schedule | None:
    """The pipeline schedule that a framework's text names."""
    folded = text.lower().replace("-", "").replace(" ", "")
    if "dualpipe" in folded:
        return "dualpipe"
    return "zero-bubble" if "zerobubble" in folded or "zbh" in folded else None


def network_of(fabric: str, domain: int) -> tuple[float | None, str]:
    """Scale-out bytes/s of one accelerator as the row's fabric says, None where it does not; and a slow fabric's name.

    >>> network_of("RoCE 1600 Gbps/node", 8), network_of("NVL72 NVLink5 + 800G/GPU", 72)
    ((25000000000.0, ''), (100000000000.0, ''))
    >>> network_of("NVLink 900 GB/s | Storage: 2x 100Gb/s, Compute: 8x ConnectX-7 NDR 400Gb/s", 8)
    (50000000000.0, '')
    >>> network_of("EFAv2 3.2 Tbps per node", 8), network_of("Ethernet 100 Gbps per node", 8)
    ((50000000000.0, 'efa-v2'), (1562500000.0, 'tcp-100g'))
    """
    found, name = None, ""
    for part in re.split(r"[;,|+]", fabric):
        folded = part.lower()
        if "storage" in folded or "management" in folded:
            continue
        found = found or _rate(part, folded, domain)
        name = name or _slow(folded)
    return found, name


def release_of(text: str) -> float:
    """Year of a NeMo release (``26.04.01``), 0 where there is none."""
    found = re.search(r"NeMo (\d\d)\.(\d\d)", text)
    return 2000.0 + int(found[1]) + (int(found[2]) - 1) / 12.0 if found else 0.0


def _rate(part: str, folded: str, domain: int) -> float | None:
    node = min(domain, _NODE)
    stated = _RATE.search(part)
    if stated is None:
        port = next((rate for word, rate in _PORTS.items() if re.search(rf"\b{word}", folded)), None)
        return None if port is None else port * 1e9 / 8.0
    rate = float(stated[1]) * (1e12 if stated[2] == "T" else 1e9) / 8.0
    if not rate:
        return None
    count = re.search(r"\b(\d{1,2})\s*[x*×]", part[: stated.start()])
    if count:
        return rate * int(count[1]) / node
    of_node = re.search(r"(?:/|per|each)\s*(?:node|host|server|instance|vm)\b|node-node", folded)
    return rate / node if of_node or rate > 1e12 / 8.0 else rate


def _slow(folded: str) -> str:
    """The catalogue's name of a fabric whose hops take longer than InfiniBand's."""
    if "efa" in folded:
        return "efa-v3" if "v3" in folded else "efa-v2"
    plain = ("ethernet" in folded or "tcp" in folded) and not re.search(r"roce|infiniband|spectrum", folded)
    return "tcp-100g" if plain else ""
