"""The load test played by the fleet simulator, beside the harness's own replay."""

import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.measure import harness, harness_fleet
from drivetrain.measure.serving import predict_rows, prepared_for, read_query
from drivetrain.measure.table import Raw
from drivetrain.verbs.validate import validate

ROW = {
    "engine": "vllm", "model": "llama-3.1-8b", "accelerator": "h100-sxm", "weight_dtype": "bf16", "n_gpus": "1",
    "concurrency_requests": "8", "input_tokens_mean": "900", "output_tokens_mean": "90",
}  # fmt: skip


def prepared(**cells):
    return prepared_for(read_query(Raw("x", 2, ROW | cells), []))[0]


@pytest.mark.parametrize(
    ("cells", "close"),
    [
        ({}, 0.05),
        ({"engine": "trtllm"}, 0.05),
        ({"model": "qwen3-32b", "n_gpus": "2"}, 0.05),
        ({"engine": "sglang"}, 0.15),
    ],
)
def test_both_replays_tell_the_same_of_a_test_that_fits(cells, close):
    """SGLang spends longest before a prompt reaches the scheduler, where the two differ."""
    one = prepared(**cells)
    ours, fleet = (played.simulate(one, 900, 90, 0.2, 8) for played in (harness, harness_fleet))
    assert fleet.tpot == pytest.approx(ours.tpot, rel=close)
    assert fleet.ttft == pytest.approx(ours.ttft, rel=close)
    assert fleet.duration == pytest.approx(ours.duration, rel=close)


def test_more_in_flight_wait_longer_and_one_token_has_no_gap():
    one = prepared()
    assert harness_fleet.simulate(one, 900, 90, 0.0, 8).ttft > harness_fleet.simulate(one, 900, 90, 0.0, 1).ttft
    assert np.isnan(harness_fleet.simulate(one, 900, 1, 0.0, 2).tpot)


def test_rows_are_predicted_by_the_player_given():
    row = Raw("x", 2, ROW)
    ours, fleet = (predict_rows([row], play=played.simulate)[0] for played in (harness, harness_fleet))
    assert ours.reason == fleet.reason == ""
    assert fleet.tpot.value == pytest.approx(ours.tpot.value, rel=0.1)


def test_only_load_tests_can_be_played(tmp_path):
    with pytest.raises(BadInputError, match="--simulate goes with 'validate serving'"):
        validate("power", tmp_path / "x.csv", simulate=True)
