"""Plans as mappings, the way a search would return them, for tests of what is made of them."""

from hypothesis import strategies as st

DENSE = {"model": "llama-3.1-70b", "checkpoint": "meta-llama/Llama-3.1-70B-Instruct", "weight_dtype": "bf16"}
DENSE_FP8 = {"model": "llama-3.1-70b", "checkpoint": "nvidia/Llama-3.1-70B-Instruct-FP8", "weight_dtype": "fp8"}
EXPERTS = {"model": "deepseek-v3", "checkpoint": "deepseek-ai/DeepSeek-V3", "weight_dtype": "fp8_block"}
ENGINES = ("vllm-0.19", "vllm-0.16", "vllm-0.12", "vllm-0.10", "sglang-0.5", "trtllm-1.1", "trtllm-1.3")
NEWEST = ("vllm-0.19", "sglang-0.5", "trtllm-1.3")
LAYOUTS = {
    "llama-3.1-70b": ("tp1", "tp2", "tp8", "tp4pp2", "tp8pp2", "tp16"),
    "deepseek-v3": ("tp8", "tp8ep8", "tp8pp2", "tp16ep16", "dp8ep8", "dp16ep16", "tp2dp4ep8", "tp2dp8ep16"),
}


def plan_of(weights=DENSE, **changes):
    """``best`` of a plan; ``model`` is what the user called the model."""
    best = {
        "accelerator": "h100-sxm-80gb", "replicas": 2, "layout": "tp4", "engine": "vllm-0.19", "kv_dtype": "bf16",
        "max_concurrency": 96, "max_batched_tokens": 8192, "rate_per_replica": 1.5, "tier": "calibrated",
    }  # fmt: skip
    return best | {k: v for k, v in weights.items() if k != "model"} | changes


def expressible(engine, layout):
    """Whether the engine can lay a model out so: TensorRT-LLM keeps attention data parallel over all ranks or none."""
    return not (engine.startswith("trtllm") and "tp" in layout and "dp" in layout)


@st.composite
def plans(draw, engines=ENGINES):
    """(best, model) that an engine can be told."""
    weights = draw(st.sampled_from([DENSE, DENSE_FP8, EXPERTS]))
    engine = draw(st.sampled_from(engines))
    layout = draw(st.sampled_from([text for text in LAYOUTS[weights["model"]] if expressible(engine, text)]))
    best = plan_of(
        weights,
        engine=engine,
        layout=layout,
        kv_dtype=draw(st.sampled_from(["bf16", "fp8"])) if weights is not DENSE_FP8 else "fp8",
        max_concurrency=draw(st.integers(1, 4096)),
        max_batched_tokens=draw(st.integers(1, 64)) * 512,
        techniques=draw(techniques(weights is EXPERTS, engine)),
    )
    return best, weights["model"]


@st.composite
def techniques(draw, experts, engine):
    """Techniques that the engine has flags for."""
    methods = ["off", "ngram", "eagle", "draft:llama-3.2-1b"] + (["mtp"] if experts else [])
    method = draw(st.sampled_from(methods))
    found = {} if method == "off" else {"speculative": method, "draft_tokens": draw(st.integers(1, 7))}
    if draw(st.booleans()):
        found["chunked_prefill"] = draw(st.booleans()) if not engine.startswith("sglang") else False
    if engine != "vllm-0.10" and draw(st.booleans()):
        found["kv_offload_bytes"] = draw(st.integers(1, 512)) * 1e9
    return found
