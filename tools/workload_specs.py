"""What the workload profiles are called, where they come from and what the assumed ones assume.

Data only; ``derive_workloads.py`` reads it. Notes may span lines: white space is folded.
"""

from __future__ import annotations

from dataclasses import dataclass

JITTER_S = 3.0  # Mooncake arrivals are recorded in steps of this

DAY_NOTE = """The daily shape is borrowed: hourly factors of another service, ServeGen language/m-small,
    averaged over 14 days, the steadiest daily rhythm on record there."""
BURST_NOTE = """arrival_cv is the root of the index of dispersion of counts in windows of 3 s, the scale
    a queue feels; the raw CV of gaps stands under [arrivals] as iat_cv. It holds near the trace's own
    rate."""


@dataclass(frozen=True)
class Trace:
    """A request trace and what is known about it."""

    file: str
    name: str
    aliases: list[str]
    title: str
    source: str
    licence: str
    notes: str
    real_arrivals: bool = True
    jitter_s: float = 0.0


TRACES = (
    Trace(
        "azure2023_conv_first80pct",
        "azure-2023-conv",
        ["azure-conv", "azure2023-conv", "azure-2023-conversation", "splitwise-conv"],
        "Azure LLM inference, conversation (November 2023)",
        "azure-llm-2023",
        "CC-BY-4.0",
        "First 80 % of the published hour. Prefix reuse was not recorded and is set to 0.",
    ),
    Trace(
        "azure2023_code_first80pct",
        "azure-2023-code",
        ["azure-code", "azure2023-code", "splitwise-code", "code"],
        "Azure LLM inference, code completion (November 2023)",
        "azure-llm-2023",
        "CC-BY-4.0",
        """First 80 % of the published hour. Prefix reuse was not recorded and is set to 0. Traffic comes in
    bursts of minutes with idle gaps up to 174 s: besides the CV, size for the busiest minute
    (peak_minute under [arrivals]).""",
    ),
    Trace(
        "mooncake_conversation_first80pct",
        "mooncake-conversation",
        ["mooncake", "mooncake-conv", "kimi-conversation"],
        "Mooncake (Kimi) conversation, long contexts (2024)",
        "mooncake-fast25",
        "Apache-2.0",
        """First 80 % of the published hour. Arrivals are recorded in steps of 3 s and were spread evenly
    within them (fixed seed). prefix_hit_frac is for an unlimited cache of 512-token blocks counted
    from an empty start; [[prefix_lru]] gives LRU caches of finite size.""",
        jitter_s=JITTER_S,
    ),
    Trace(
        "llmservingsim_sharegpt-llama-3_1-8b-300-sps10",
        "sharegpt",
        ["share-gpt", "llmservingsim-sharegpt"],
        "ShareGPT conversations, Llama 3.1 tokens (LLMServingSim's sample)",
        "llmservingsim",
        "MIT",
        """A sample of 300 conversations of which none answers in fewer than 512 tokens: outputs are longer
    than in ShareGPT as a whole. Lengths are measured; arrivals were generated, so arrival_cv 1 is
    assumed; prefix reuse is not recorded and set to 0.""",
        real_arrivals=False,
    ),
    Trace(
        "vidur_arxiv_summarization_lengths",
        "arxiv-summarise",
        ["arxiv-summarize", "arxiv-summarization", "arxiv-summarisation", "vidur-arxiv"],
        "arXiv papers and their abstracts (Vidur's length file)",
        "vidur",
        "MIT",
        """Lengths only, Llama 2 tokens, cut by the authors to 4,096 tokens in all; arrival_cv 1 is assumed;
    prefix reuse is not recorded and set to 0.""",
        real_arrivals=False,
    ),
)

SERVEGEN = {
    "servegen-m-large": (
        "language/m-large",
        ["servegen-large", "m-large"],
        "ServeGen language/m-large: a large language model on a cloud API, two weeks",
    ),
    "servegen-deepseek-r1": (
        "reason/deepseek-r1",
        ["servegen-r1", "servegen-reason"],
        "ServeGen reason/deepseek-r1: a reasoning model on a cloud API, one day",
    ),
}
SERVEGEN_NOTE = """Not a request log: lengths are redrawn from each client's recorded p50, p90 and p99 per six
    hours (input and output independent within a client, weighted by its requests, fixed seed) and scaled
    by {scale_in:.3f} and {scale_out:.3f} to the recorded means; {covered:.0%} of requests fall in
    windows with lengths. arrival_cv joins the recorded CV of {clients} clients as independent
    streams (Albin's weight at 70 % utilisation). Prefix reuse is not recorded and set to 0. Daily
    shape: this service's own over {days}."""


@dataclass(frozen=True)
class Assumed:
    """A made-up profile: log-normal lengths, cut at a cap, and why these numbers."""

    name: str
    aliases: list[str]
    title: str
    isl: tuple[float, float, float]  # mean, cv, cap
    osl: tuple[float, float, float]
    arrival_cv: float
    prefix_hit_frac: float
    notes: str
    flat_day: bool = False
    source: str = "drivetrain-assumed-workloads"


ASSUMED = (
    Assumed(
        "chat",
        ["chatbot"],
        "Chat with people",
        (1200, 1.0, 32768),
        (300, 0.9, 4096),
        1.3,
        0.35,
        """Input mean and spread as azure-2023-conv (1,183 tokens, CV 0.98); output between azure-2023-conv
    (201) and sharegpt (653, long answers only); burstiness as azure-2023-conv; prefix reuse as
    mooncake-conversation with an unlimited cache.""",
    ),
    Assumed(
        "rag",
        ["retrieval", "retrieval-augmented"],
        "Retrieval-augmented answers: long in, short out",
        (4000, 0.5, 32768),
        (250, 0.8, 4096),
        1.3,
        0.15,
        """About eight passages of 400 tokens, instructions and a question in, a short answer out. Only the
    instructions and popular leading passages recur, hence 0.15. Burstiness as azure-2023-conv.""",
    ),
    Assumed(
        "agent",
        ["agentic", "coding-agent"],
        "Coding agent: many calls over one growing context",
        (67800, 0.6, 126976),
        (527, 1.2, 4096),
        1.5,
        0.857,
        """Mean input, mean output and cached share are those of 9.3 million calls of GitHub Copilot's coding
    agent (631.4 G prompt, 4.91 G completion, 540.95 G cached tokens, June 2026). Assumed: the
    spread, the cap that lets a call fit a 128 Ki context, and arrival_cv 1.5 for calls that come in
    loops.""",
        source="github-copilot-agent-2026",
    ),
    Assumed(
        "summarise",
        ["summarize", "summarization", "summarisation"],
        "Summaries of documents",
        (6000, 0.8, 32768),
        (250, 0.6, 2048),
        1.3,
        0.02,
        """arxiv-summarise without its cut at 4,096 tokens: longer documents, abstracts of the same length.
    Only the instruction recurs, hence 0.02. Burstiness as azure-2023-conv.""",
    ),
    Assumed(
        "reasoning",
        ["reason", "thinking"],
        "Reasoning model: short in, long chains of thought out",
        (500, 1.5, 32768),
        (5000, 1.0, 32768),
        2.1,
        0.2,
        """Longer chains than servegen-deepseek-r1, from before May 2025 (mean 1,527 tokens out), as later
    reasoning models write; burstiness as servegen-deepseek-r1. Prefix reuse 0.2 for system prompts.""",
    ),
    Assumed(
        "batch",
        ["offline"],
        "Batch jobs: throughput only",
        (2000, 0.8, 32768),
        (300, 0.8, 4096),
        1.0,
        0.25,
        """Requests are fed at the rate the system takes them, so the day is flat and arrivals are no burstier
    than Poisson; give no SLO. A shared instruction at the head of each request gives 0.25.""",
        flat_day=True,
    ),
)
