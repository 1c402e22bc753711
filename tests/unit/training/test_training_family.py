"""Dense models of any size, and the batch of a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.arch.params import count
from drivetrain.arch.training import counts
from drivetrain.errors import BadInputError
from drivetrain.training.batch import usual_batch
from drivetrain.training.family import LEAST, MOST, dense_model


@given(st.floats(min_value=1e8, max_value=2e13))
def test_a_dense_model_has_the_size_asked_for_and_divides(params):
    model = dense_model(params)
    assert count(model).total == pytest.approx(params, rel=0.02)
    assert count(model).active == count(model).total
    attention = model.layers[0].mixer
    assert attention.n_heads * attention.head_dim == model.hidden
    assert attention.n_heads % attention.n_kv_heads == 0
    assert model.n_layers % 4 == 0
    assert 30 < model.hidden / model.n_layers < 300 or params < 1e9
    assert counts(model, 4096).forward_flops > 2 * 0.7 * (params - model.vocab * model.hidden)


def test_it_has_the_shape_of_llama_at_its_sizes():
    big, small = dense_model(70.6e9), dense_model(8.03e9)
    assert (big.hidden, big.n_layers) == (8192, 80)
    assert (small.hidden, small.n_layers) == (4096, 32)
    assert big.layers[0].ffn.intermediate == pytest.approx(28672, rel=0.03)


@pytest.mark.parametrize("params", [LEAST / 2, MOST * 2])
def test_sizes_that_nobody_trains_are_refused(params):
    with pytest.raises(BadInputError, match="outside what can be planned"):
        dense_model(params)


@given(st.floats(min_value=1e8, max_value=1e15), st.sampled_from([2048, 8192]), st.integers(1, 20_000))
def test_the_usual_batch_divides_over_the_cluster(tokens, seq, n):
    batch = usual_batch(tokens, seq, n)
    odd = n // (n & -n)
    assert batch % odd == 0
    ideal = 0.58 * tokens**0.571 / seq
    assert batch == odd or ideal / 1.5 < batch < ideal * 1.5


def test_batches_of_known_runs():
    # Llama 3: 16 M tokens on 15.6 T; GPT-3: 3.2 M on 0.3 T
    assert usual_batch(15.6e12, 8192, 16_384) * 8192 == pytest.approx(16e6, rel=0.1)
    assert usual_batch(0.3e12, 2048, 1024) * 2048 == pytest.approx(2.1e6, rel=0.01)
