"""Networks: what an accelerator meets, and what slower ones cost."""

import pytest
from training_machines import H100, LLAMA_8B, LLAMA_70B, MIXTRAL, cases

from drivetrain.catalogue import loader
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.training.cases import Cluster, Job
from drivetrain.training.coefficients import coefficients
from drivetrain.training.fabric import network_of, on_network
from drivetrain.training.layout import TrainingLayout, parse_layout
from drivetrain.training.links import inner_ranks, slower_hop_s
from drivetrain.training.marginal import crosses, first_limit, gains
from drivetrain.training.predict import predict

ACCELERATOR = loader.load("accelerators", "h100-sxm")
RATES, _ = coefficients("megatron", H100.generation)


def step_s(fabric, layout="tp8dp16", model=LLAMA_70B):
    got = parse_layout(layout, recompute="full")
    hardware = on_network(H100, network_of(fabric, ACCELERATOR), got.n_accelerators)
    return predict(
        model, Job(128), Cluster(hardware, got.n_accelerators), got, framework="megatron", must_fit=False
    ).step_s


def test_rates_come_from_the_port_the_instance_or_the_person():
    assert network_of("ib-ndr", ACCELERATOR).nic_bytes_per_s == 50e9
    assert network_of("roce", ACCELERATOR).name == "roce-400g"
    assert network_of("efa", ACCELERATOR).nic_bytes_per_s == 50e9  # 32 interfaces of 100 Gbit/s for eight GPUs
    assert "p5.48xlarge" in network_of("efa", ACCELERATOR).source
    assert network_of("roce-400g:200Gbit/s", ACCELERATOR).nic_bytes_per_s == 25e9
    assert network_of("roce-400g:ecmp", ACCELERATOR).nic_bytes_per_s == pytest.approx(50e9 / 1.4)
    assert network_of("ethernet", ACCELERATOR).nic_bytes_per_s == 12.5e9


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("foo", UnknownNameError, "unknown fabric"),
        ("pcie5", BadInputError, "inside a server"),
        ("roce-400g:fast", BadInputError, "For example"),
        ("ib-ndr:ecmp", BadInputError, "does not place flows by hash"),
        ("roce-400g:0Gbit/s", BadInputError, "above 0"),
        ("nvlink:1GB/s", BadInputError, "one rate"),
    ],
)
def test_what_is_no_network_is_refused(text, error, match):
    with pytest.raises(error, match=match):
        network_of(text, ACCELERATOR)


def test_scale_up_joins_all():
    found = on_network(H100, network_of("nvlink", ACCELERATOR), 512)
    assert found.topology.domain == 512
    assert on_network(H100, network_of("nvlink", ACCELERATOR), 4).topology.domain == 8
    assert network_of("scale-up", loader.load("accelerators", "mi300x")).scale_up


def test_a_better_network_is_never_slower():
    for layout in ("tp8dp16", "dp64zero3", "tp4pp4dp8", "tp8cp4dp4"):
        order = [step_s(name, layout) for name in ("nvlink", "ib-ndr", "roce-400g", "efa", "ethernet")]
        assert order == sorted(order), layout
        assert step_s("ib-xdr", layout) <= step_s("ib-ndr", layout) <= step_s("ib-hdr", layout)


def test_inside_a_node_the_network_does_not_matter():
    assert step_s("ethernet", "tp8", LLAMA_8B) == step_s("ib-ndr", "tp8", LLAMA_8B)


def test_a_hop_costs_what_the_catalogue_says_more_than_infiniband():
    assert slower_hop_s("ib-ndr") == slower_hop_s("") == 0.0
    assert slower_hop_s("roce-400g") == pytest.approx(0.8e-6)
    # one all-gather round 16 nodes of 8: 15 hops between nodes
    layout = TrainingLayout(tp=8, dp=16, zero=3)
    one = [cases(LLAMA_8B, layout, on_network(H100, network_of(f"{name}:400Gbit/s", ACCELERATOR), 128), 128).links
           for name in ("ib-ndr", "efa-v2")]  # fmt: skip
    more = one[1].shard_gather.alpha[0][0] - one[0].shard_gather.alpha[0][0]
    assert inner_ranks(16, 8, 8) == 1
    assert more == pytest.approx(15 * 12.3e-6)


def test_crossing_groups():
    inside = crosses(TrainingLayout(tp=8), 8)
    assert not any(inside.values())
    spread = crosses(TrainingLayout(tp=8, dp=4, pp=2, ep=4), 8)
    assert spread["shard_gather"]
    assert spread["pp_send"]
    assert not spread["tp_gather"]
    assert not spread["ep_exchange"]  # four neighbours of one node


def test_gains_are_bounded_and_name_the_limit():
    def found(model, layout, batch=128):
        got = parse_layout(layout, recompute="full")
        return gains(model, Job(batch), Cluster(H100, got.n_accelerators), got, RATES)

    for model, layout in ((LLAMA_70B, "tp8dp16"), (MIXTRAL, "dp64ep8"), (LLAMA_8B, "dp128zero3"), (LLAMA_8B, "tp8")):
        got = found(model, layout)
        assert all(-1e-9 <= gain <= 1.0 + 1e-9 for gain in got.values())
        assert list(got.values()) == sorted(got.values(), reverse=True)
    assert first_limit(found(LLAMA_70B, "tp8dp16")) == "compute"
    assert found(LLAMA_8B, "tp8")["network"] == 0.0
    assert first_limit(found(LLAMA_70B, "tp64dp2", 2)) == "network"  # matrices cut across nodes
