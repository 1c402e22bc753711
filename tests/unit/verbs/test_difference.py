import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import UnknownNameError
from drivetrain.scenario import ServeScenario
from drivetrain.verbs.difference import applied, differences

BASE = {"model": "llama-3.1-8b", "isl": 1000.0, "osl": 200.0, "rate": 5.0}
CHANGES = {
    "model": "qwen3-8b", "isl": 2000.0, "osl": 100.0, "rate": 9.0, "slo": "ttft_p95=1s", "objective": "energy",
    "accelerators": ("h200-sxm",), "engines": ("vllm",), "layouts": ("tp2",), "weights": "fp8", "kv": "fp8",
    "headroom": 0.2, "prefix_hit": 0.5, "pricing": "own", "region": "germany", "techniques": "power-cap=0.7",
}  # fmt: skip


@given(st.sets(st.sampled_from(sorted(CHANGES))))
def test_applying_every_difference_gives_the_other(names):
    a = ServeScenario(**BASE)
    b = ServeScenario(**(BASE | {name: CHANGES[name] for name in names}))
    found = differences(a, b)
    assert len(found) == len(names)
    assert differences(applied(a, found), b) == []
    assert applied(a, found) == b
    assert applied(a, []) == a


def test_spellings_of_one_thing_are_no_difference():
    a = ServeScenario(**BASE, accelerators=("h100", "h200-sxm"), slo="tpot_p95=50ms,ttft_p95=2s", region="us")
    b = ServeScenario(**(BASE | {"model": "meta-llama/Llama-3.1-8B"}), slo="ttft_p95=2s, tpot_p95=0.05s",
                      accelerators=("h200-sxm-141gb", "h100-sxm"), region="us")  # fmt: skip
    assert differences(a, b) == []


def test_names_that_are_none_are_told():
    with pytest.raises(UnknownNameError, match="h100-sxm"):
        differences(ServeScenario(**BASE), ServeScenario(**BASE, accelerators=("h100sxm",)))


def test_ways_of_saying_the_load_change_together():
    rate, loop = BASE, {**BASE, "rate": None, "concurrency": 8.0}
    (only,) = differences(ServeScenario(**rate), ServeScenario(**loop))
    assert (only.field, only.a, only.b) == ("load", {"rate": 5.0}, {"concurrency": 8.0})


def test_each_technique_is_a_difference_of_its_own():
    a = ServeScenario(**BASE, techniques="power-cap=0.7,speculative=ngram")
    b = ServeScenario(**BASE, techniques="power-cap=0.8")
    found = {d.field: (d.a, d.b) for d in differences(a, b)}
    assert found == {"techniques.power-cap": ("0.7", "0.8"), "techniques.speculative": ("ngram", "")}
    (cap,) = (d for d in differences(a, b) if d.field == "techniques.power-cap")
    assert (
        applied(a, [cap]).techniques == ServeScenario(**BASE, techniques="power-cap=0.8,speculative=ngram").techniques
    )
