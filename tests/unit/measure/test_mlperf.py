"""MLPerf rows: read, predicted by the best layout of a node, bounded by the host."""

from dataclasses import replace

import pytest

from drivetrain.errors import BadInputError, UnsupportedError
from drivetrain.measure import mlperf
from drivetrain.measure.mlperf import Tuning, capacity, predicted, read_case, tuned_efficiency
from drivetrain.measure.table import Raw, Table

PLAIN = Tuning({})
ROW = {"row_id": "a", "benchmark": "llama3.1-8b", "scenario": "Offline", "accelerator": "NVIDIA H200-SXM-141GB",
       "n_accelerators": "8.0", "accelerators_per_node": "8.0", "weight_dtype": "fp8",
       "software": "TensorRT 10.11, CUDA 12.9"}  # fmt: skip


def case_of(**cells):
    return read_case(Raw("a", 2, ROW | {k: str(v) for k, v in cells.items()}), [])


def test_a_row_asks_of_one_node():
    case, nodes = case_of(n_accelerators=32)
    assert (case.n, nodes, case.engine_family, case.accelerator) == (8, 4.0, "trtllm", "h200-sxm-141gb")
    assert case_of(software="vLLM v0.9.2")[0].engine_family == "vllm"
    assert case_of(mean_output_tokens_per_request=127.96)[0].osl == 128.0
    assert case_of(accelerators_per_node="")[0].n == 8


def test_a_card_of_two_accelerators_counts_twice():
    notes = []
    cells = ROW | {"accelerator": "[MAXSUN] MS-Intel Arc Pro B60 Dual 48G Turbo", "weight_dtype": "UINT4",
                   "n_accelerators": "4", "accelerators_per_node": "4"}  # fmt: skip
    case, nodes = read_case(Raw("a", 2, cells), notes)
    assert (case.n, nodes) == (8, 1.0)
    assert "cards of two" in notes[0]


@pytest.mark.parametrize(
    ("cells", "error", "said"),
    [
        ({"benchmark": "gpt-99"}, BadInputError, "unknown benchmark"),
        ({"accelerator": ""}, UnsupportedError, "CPU"),
        ({"weight_dtype": "UNSET"}, BadInputError, "weight_dtype"),
        ({"weight_dtype": "fp9"}, BadInputError, "fp9"),
        ({"n_accelerators": ""}, BadInputError, "n_accelerators is blank"),
        ({"n_accelerators": "2.5"}, BadInputError, "whole number"),
        ({"scenario": "SingleStream"}, BadInputError, "Known: Offline"),
        ({"scenario": "Server", "ttft_limit_s": "-1"}, BadInputError, "ttft_limit_s"),
        ({"scenario": "Server", "tpot_limit_s": "soon"}, BadInputError, "tpot_limit_s"),
    ],
)
def test_bad_rows_are_told(cells, error, said):
    with pytest.raises(error, match=said):
        case_of(**cells)


def test_limits_cost_capacity():
    offline = predicted(case_of()[0], PLAIN).tokens_per_s
    server = predicted(case_of(scenario="Server", ttft_limit_s=2.0, tpot_limit_s=0.1)[0], PLAIN).tokens_per_s
    tight = predicted(case_of(scenario="Server", ttft_limit_s=0.5, tpot_limit_s=0.03)[0], PLAIN).tokens_per_s
    assert 0 < tight < server <= offline * (1 + 1e-4)


def test_long_answers_cost_capacity_at_the_same_mean():
    case = case_of(benchmark="deepseek-r1", accelerator="B200-SXM-180GB", weight_dtype="fp4")[0]
    equal = replace(case, benchmark=replace(case.benchmark, pairs=((800.0, 3720.0),)))
    assert capacity(case).tokens_per_s < 0.9 * capacity(equal).tokens_per_s


def test_tuning_is_faster_and_the_host_limits():
    case = case_of()[0]
    plain, tuned = capacity(case), predicted(case, Tuning({"trtllm": 1.2}))
    assert plain.tokens_per_s < tuned.tokens_per_s <= 1.2 * plain.tokens_per_s
    assert predicted(case, Tuning({"vllm": 1.2})) == plain
    assert predicted(case, Tuning({}, host_requests_per_s=100.0)).tokens_per_s == pytest.approx(100.0 * case.osl)
    server = replace(case, scenario="Server")
    assert predicted(server, Tuning({}, kept={"Server": 0.9})).tokens_per_s == pytest.approx(0.9 * plain.tokens_per_s)


def test_tuned_shares_stay_shares():
    assert tuned_efficiency("trtllm", "hopper", 50.0).narrow_compute == 1.0


def test_what_does_not_fit_says_so():
    case = case_of(benchmark="llama3.1-405b", n_accelerators=1, accelerators_per_node=1)[0]
    found = predicted(case, PLAIN)
    assert "fits the memory" in found.why
    assert found.tokens_per_s == 0.0


def test_outcomes_pair_clean_rows_only():
    raws = [
        Raw("a", 2, ROW | {"result": "60000", "division": "closed"}),
        Raw("b", 3, ROW | {"result": "60000", "division": "open"}),
        Raw("c", 4, ROW | {"result": "nan"}),
        Raw("d", 5, ROW | {"weight_dtype": ""}),
    ]
    a, b, c, d = mlperf.outcomes(Table(tuple(ROW), tuple(raws)))
    pair = a.pairs["output_tokens_per_s"]
    assert pair.p10 < pair.predicted < pair.p90
    assert pair.measured == 60000
    assert b.values["output_tokens_per_s"]
    assert not b.pairs
    assert "result" in c.unscored
    assert "weight_dtype" in d.reason
