"""The step, its parts and its memory, against values worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from training_machines import FAST_MEMORY, H100, IDEAL, LLAMA_8B, LLAMA_70B, MIXTRAL, cases, layout, times

from drivetrain.arch.training import counts
from drivetrain.catalogue import loader
from drivetrain.cost.hardware import hardware_of
from drivetrain.errors import BadInputError, UnsupportedError
from drivetrain.training.cases import Cluster, Job
from drivetrain.training.links import links, ring_latency_s
from drivetrain.training.memory import memory
from drivetrain.training.timing import PARTS


def test_ideal_step_is_model_flops_over_peak():
    found = times(LLAMA_8B, layout(), FAST_MEMORY, batch=4)
    forward = 2 * LLAMA_8B.elements.sum()
    # products forward and twice back; attention forward and 2.5 times back
    flops = 3 * forward + 3.5 * LLAMA_8B.attention_flops
    assert found["total"] == pytest.approx(4 * 8192 * flops / 989e12, rel=1e-6)
    assert found["products"] == pytest.approx(4 * 8192 * 3 * forward / 989e12, rel=1e-6)


def test_full_recompute_runs_the_layers_forward_again():
    plain, again = (times(LLAMA_8B, layout(recompute=word), FAST_MEMORY) for word in ("none", "full"))
    layers = 2 * (LLAMA_8B.elements.sum() - LLAMA_8B.elements[5]) + LLAMA_8B.attention_flops
    assert again["recompute"] == pytest.approx(64 * 8192 * layers / 989e12, rel=1e-6)
    assert again["total"] - plain["total"] == pytest.approx(again["recompute"], rel=1e-6)


def test_recompute_repeats_the_share_of_products_that_its_software_does():
    half = replace(IDEAL, again=0.5, selected=0.25)
    products = 2 * (LLAMA_8B.elements.sum() - LLAMA_8B.elements[5])
    full = times(LLAMA_8B, layout(recompute="full"), FAST_MEMORY, rates=half)
    some = times(LLAMA_8B, layout(recompute="selective"), FAST_MEMORY, rates=half)
    assert full["recompute"] == pytest.approx(64 * 8192 * (products / 2 + LLAMA_8B.attention_flops) / 989e12, rel=1e-6)
    assert some["recompute"] == pytest.approx(64 * 8192 * products / 4 / 989e12, rel=1e-6)


def test_attention_reaches_half_its_rate_on_spans_as_long_as_its_ramp():
    steady, slow = (times(LLAMA_8B, layout(), FAST_MEMORY, rates=replace(IDEAL, ramp=r)) for r in (0.0, 8192.0))
    assert slow["attention"] == pytest.approx(2 * steady["attention"], rel=1e-9)
    # two context ranks see half the sequence at a time, and start twice as often
    cut = [times(LLAMA_8B, layout(cp=2), FAST_MEMORY, rates=replace(IDEAL, ramp=r)) for r in (0.0, 8192.0)]
    assert cut[1]["attention"] == pytest.approx(3 * cut[0]["attention"], rel=1e-9)


@pytest.mark.parametrize(
    ("schedule", "vp", "share"), [("1f1b", 1, 3 / 16), ("interleaved", 5, 3 / 80), ("zero-bubble", 1, 1 / 16)]
)
def test_pipeline_bubble(schedule, vp, share):
    # 80 layers over 4 stages, 16 micro-batches: (p - 1) / (m v) of the work; a model without a head has equal stages
    headless = replace(LLAMA_70B, elements=np.where(np.arange(7) == 5, 0, LLAMA_70B.elements), vocab=0.0)
    found = times(headless, layout(pp=4, vp=vp, schedule=schedule), FAST_MEMORY, batch=16)
    work = sum(found[part] for part in ("products", "attention", "moved"))
    assert found["bubble"] / work == pytest.approx(share, rel=1e-6)


def test_a_stage_that_holds_more_layers_sets_the_pace():
    even = times(LLAMA_70B, layout(pp=8), FAST_MEMORY)
    uneven = times(LLAMA_70B, layout(pp=16, vp=3, schedule="interleaved"), FAST_MEMORY)  # 48 chunks of 2: 96 > 80
    fill = (7 / 64, 15 / 64 / 3)  # of the work, with equal stages
    shares = [one["bubble"] / (one["products"] + one["attention"] + one["moved"]) for one in (even, uneven)]
    assert shares[0] - fill[0] < 0.1
    assert shares[1] - fill[1] == pytest.approx(6 / 80 * 16 - 1, abs=0.03)  # the heaviest stage has 6 of 80 layers


def test_parts_sum_to_the_step():
    lay = layout(tp=2, pp=2, vp=2, cp=2, dp=4, ep=4, schedule="interleaved", recompute="full")
    found = times(MIXTRAL, lay, rates=replace(IDEAL, jitter=0.05, step_s=0.1, host_layer_s=1e-3, pp_exposed=0.5))
    assert sum(found[name] for name in PARTS) == pytest.approx(found["total"], rel=1e-12)
    assert all(found[name] >= 0 for name in PARTS)
    for part in ("tp", "ep", "cp", "pp", "dp", "bubble", "optimizer", "jitter"):
        assert found[part] > 0, part


def test_tensor_parallel_messages():
    from drivetrain.comms.collectives import all_gather, reduce_scatter
    from drivetrain.cost.efficiency import collective_coefficients

    found = times(LLAMA_8B, layout(tp=8), batch=1)
    rates = collective_coefficients("nccl")
    row = 8192 * 4096 * 2.0
    pair = sum(f(8, H100.topology, rates).seconds(row) for f in (all_gather, reduce_scatter))
    assert found["tp"] == pytest.approx(32 * 2 * 2 * pair, rel=1e-9)  # layers, two pairs, both passes


def test_whole_experts_need_no_second_pair_of_gathers():
    dense_like = times(MIXTRAL, layout(tp=2, dp=4, ep=4, etp=2))
    whole = times(MIXTRAL, layout(tp=2, dp=4, ep=4))
    assert whole["tp"] == pytest.approx(dense_like["tp"] / 2, rel=1e-9)


def test_dualpipe_hides_the_exchange_of_experts():
    shown, hidden = (times(MIXTRAL, layout(pp=2, dp=8, ep=8, schedule=s), batch=64) for s in ("1f1b", "dualpipe"))
    assert 0 < hidden["ep"] < 0.2 * shown["ep"]


def test_small_micro_batches_wait_for_the_host():
    rates = replace(IDEAL, host_layer_s=1e-3, host_moe_s=19e-3)
    found = times(MIXTRAL, layout(dp=8, ep=8), batch=8, rates=rates)
    assert found["total"] > 32 * 20e-3
    assert found["host"] > 0.3 * found["total"]


def test_fp8_halves_products_and_pays_for_casts():
    wide, narrow = (times(LLAMA_8B, layout(), batch=4, precision=p) for p in ("bf16", "fp8"))
    assert 0.5 < narrow["products"] / wide["products"] < 0.58  # the head stays in 16 bit
    assert narrow["moved"] > 1.2 * wide["moved"]


def test_lora_needs_no_weight_gradients():
    whole, adapters = (times(LLAMA_8B, layout(), FAST_MEMORY, lora_rank=r) for r in (0, 16))
    assert adapters["products"] == pytest.approx(whole["products"] * 2 / 3, rel=1e-6)
    assert adapters["optimizer"] == 0


def test_evaluation_adds_forward_passes():
    plain, tested = (times(LLAMA_8B, layout(), FAST_MEMORY, evaluation=e) for e in (0.0, 0.3))
    assert tested["total"] == pytest.approx(plain["total"] * 1.1, rel=1e-6)


def test_evaluation_is_dealt_out_in_whole_sequences():
    """Ten sequences on eight data ranks take two rounds of eight, as sixteen would."""

    def share(sequences, evaluation):
        job = {"evaluation": evaluation, "evaluation_sequences": sequences}
        with_it = times(LLAMA_8B, layout(dp=8), FAST_MEMORY, **job)["products"]
        return with_it / times(LLAMA_8B, layout(dp=8), FAST_MEMORY)["products"] - 1

    assert share(10, 0.3) == pytest.approx(1.6 * share(16, 0.3), rel=1e-9)
    assert share(16, 0.3) == pytest.approx(share(0, 0.3), rel=1e-9)


def test_sharded_weights_travel_every_pass():
    once, every = (times(LLAMA_8B, layout(dp=8, zero=z), batch=64) for z in (1, 3))
    assert every["dp"] > 8 * once["dp"]
    inside = times(LLAMA_8B, layout(dp=64, zero=3, shard=8), batch=512)
    across = times(LLAMA_8B, layout(dp=64, zero=3), batch=512)
    assert 0 < inside["dp"] < across["dp"]  # hybrid shards gather inside a node


def test_memory_by_part():
    n = LLAMA_8B.params
    found = {z: memory(cases(LLAMA_8B, layout(dp=8, zero=z))).parts() for z in (0, 1, 2, 3)}
    assert found[0]["weights"] == pytest.approx(2 * n)
    assert found[0]["optimizer"] == pytest.approx(12 * n)
    assert found[1]["optimizer"] == pytest.approx(12 * n / 8)
    assert found[1]["gradients"] == pytest.approx(2 * n)
    assert found[2]["gradients"] == pytest.approx(2 * n / 8)
    assert found[2]["weights"] == pytest.approx(2 * n)
    assert found[3]["weights"] == 0
    assert found[3]["optimizer"] == pytest.approx(12 * n / 8)
    cut = memory(cases(LLAMA_8B, layout(tp=2, pp=2))).parts()
    assert cut["weights"] == pytest.approx(2 * n / 4, rel=0.05)


def test_a_tied_embedding_is_held_once_and_by_both_ends_of_a_pipeline():
    tied = counts(loader.load("models", "llama-3.2-1b"), 8192)
    assert memory(cases(tied, layout())).weights[0] == pytest.approx(2 * tied.params)
    assert memory(cases(tied, layout(pp=2))).weights[0] == pytest.approx(tied.params + tied.embedding)
    assert memory(cases(LLAMA_8B, layout(pp=2))).weights[0] == pytest.approx(LLAMA_8B.params)


def test_gradients_summed_in_32_bit_take_twice_the_room_and_the_wire():
    """As Megatron-LM does by default: 6 + 12/d bytes a weight instead of 4 + 12/d (its distributed optimiser)."""
    as_usual, wide = (cases(LLAMA_8B, layout(dp=8), gradient_bytes=b) for b in (0, 4))
    assert memory(wide).gradients[0] == pytest.approx(4 * LLAMA_8B.params)
    more = float(memory(wide).total[0] - memory(as_usual).total[0])
    assert more == pytest.approx(2 * LLAMA_8B.params)
    sent = [times(LLAMA_8B, layout(dp=8), FAST_MEMORY, batch=8, gradient_bytes=b)["dp"] for b in (0, 2, 4)]
    assert sent[0] == sent[1]
    assert 1.3 < sent[2] / sent[1] < 1.6  # gradients scattered and weights gathered, one of the two twice as large


def test_activations_fall_with_recompute_and_cuts():
    kept = {r: memory(cases(LLAMA_8B, layout(recompute=r))).activations[0] for r in ("none", "selective", "full")}
    assert kept["none"] > kept["selective"] > kept["full"] > 8192 * 4096 * 2 * 32
    halves = [memory(cases(LLAMA_8B, layout(**cut))).activations[0] for cut in ({"tp": 2}, {"cp": 2})]
    assert halves == pytest.approx([kept["none"] / 2] * 2, rel=1e-9)
    # a pipeline holds as many micro-batches on its first stage as it has stages
    assert memory(cases(LLAMA_8B, layout(pp=4))).activations[0] == pytest.approx(kept["none"], rel=0.2)


def test_frozen_weights_stay_in_the_precision_of_their_products():
    wide, narrow = (memory(cases(LLAMA_8B, layout(), lora_rank=16, precision=p)).parts() for p in ("bf16", "fp8"))
    adapters = wide["gradients"]  # trained, so their weights are in 16 bit too
    assert narrow["weights"] - adapters == pytest.approx((wide["weights"] - adapters) / 2)
    trained = [memory(cases(LLAMA_8B, layout(), precision=p)).parts()["weights"] for p in ("bf16", "fp8")]
    assert trained[0] == trained[1]


def test_adapters_have_gradients_and_an_optimiser():
    """Llama 3 70B at rank 16: 80 x 16 x (2 h + q + kv + out, 2 h + 3 x 28672) = 176M adapters, 16 bytes each."""
    n = 80 * 16 * (2 * 8192 + 8192 + 2048 + 8192 + 2 * 8192 + 3 * 28672)
    frozen = 2 * LLAMA_70B.params
    found = memory(cases(LLAMA_70B, layout(dp=8, zero=0), lora_rank=16)).parts()
    assert found["gradients"] == 2 * n
    assert found["optimizer"] == 12 * n
    assert found["weights"] == pytest.approx(frozen + 2 * n)
    cut = memory(cases(LLAMA_70B, layout(tp=4, pp=2, dp=4, zero=2), lora_rank=16)).parts()
    assert cut["gradients"] == 2 * n / 32
    assert cut["optimizer"] == 12 * n / 32
    assert memory(cases(LLAMA_70B, layout(dp=8, zero=0))).parts()["gradients"] == pytest.approx(2 * LLAMA_70B.params)


def test_layer_inputs_wait_on_a_tpu_host():
    tpu = hardware_of(loader.load("accelerators", "tpu-v6e"))
    some, more = (
        memory(cases(LLAMA_8B, layout(recompute="full", micro_batch=m), tpu)).parts()["activations"] for m in (1, 4)
    )
    # of four times the tokens only one layer's activations remain, and the logits of one sequence at a time
    logits = 6 * LLAMA_8B.vocab * 8192
    assert more - logits == pytest.approx(4 * (some - logits), rel=1e-9)
    assert more < memory(cases(LLAMA_8B, layout(recompute="full", micro_batch=4))).parts()["activations"] / 3


def test_experts_memory_divides_over_their_ranks():
    found = [memory(cases(MIXTRAL, layout(dp=8, ep=ep, zero=0))).weights[0] for ep in (1, 8)]
    experts = 2.0 * MIXTRAL.stored[6]
    assert found[0] - found[1] == pytest.approx(experts * 7 / 8)


def test_groups_lie_densely():
    lay = layout(tp=4, pp=2, dp=16)
    found = links(cases(LLAMA_8B, lay).layouts, H100, 8)
    # two of sixteen data ranks share a node of eight: the ring has 8 domains
    assert found.shard_gather.alpha[0].min() > ring_latency_s(16, 2)
    assert found.tp_gather.alpha[0].min() < 50e-6


def test_precisions_without_units_are_refused():
    with pytest.raises(UnsupportedError, match="nvfp4"):
        times(LLAMA_8B, layout(), precision="nvfp4")


@pytest.mark.parametrize(
    "job", [{"global_batch": 0}, {"global_batch": 8, "lora_rank": -1}, {"global_batch": 8, "gradient_bytes": 3}]
)
def test_bad_jobs(job):
    with pytest.raises(BadInputError):
        Job(**job)


def test_a_cluster_fills_domains_evenly():
    from drivetrain.catalogue import loader
    from drivetrain.cost.hardware import hardware_of

    rack = hardware_of(loader.load("accelerators", "gb200-nvl72"))
    assert [Cluster(rack, n).domain for n in (36, 72, 256, 2048)] == [36, 72, 64, 64]
    with pytest.raises(BadInputError):
        Cluster(rack, 0)
