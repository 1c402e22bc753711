"""What training counts, against formulas that can be checked by hand."""

import pytest

from drivetrain.arch.params import count
from drivetrain.arch.training import EXPERTS, FFN, HEAD, ROUTER, counts, mean_context
from drivetrain.catalogue import loader


def test_dense_model_flops_are_six_n_plus_causal_attention():
    model = loader.load("models", "llama-3-70b")
    found = counts(model, 8192)
    # 6 x every weight that multiplies (input embedding not) + 3 x 2 x 80 layers x 64 heads x (128 + 128) x 8192 / 2
    attention = 3 * 2 * 80 * 64 * 256 * 4096
    assert found.model_flops == pytest.approx(6 * (found.params - model.hidden * model.vocab) + attention, rel=1e-3)
    assert attention / found.model_flops == pytest.approx(0.0717, abs=1e-3)


@pytest.mark.parametrize("name", ["llama-3-8b", "gpt-3-175b", "deepseek-v3", "mixtral-8x7b", "nemotron-3-super"])
def test_parameters_agree_with_the_catalogue(name):
    model = loader.load("models", name)
    assert counts(model, 4096).params == pytest.approx(count(model).total, rel=1e-6)


def test_experts_count_the_chosen_and_store_all():
    found = counts(loader.load("models", "mixtral-8x7b"), 4096)
    assert found.stored[EXPERTS] == pytest.approx(4 * found.elements[EXPERTS])  # 8 experts, 2 chosen
    assert found.elements[EXPERTS] == pytest.approx(32 * 2 * 3 * 4096 * 14336)
    assert found.elements[ROUTER] == 32 * 4096 * 8
    assert found.elements[FFN] == 0


def test_prediction_layers_train_along_when_asked():
    model = loader.load("models", "deepseek-v3")
    plain, along = counts(model, 4096), counts(model, 4096, mtp=True)
    assert along.elements[HEAD] == 2 * plain.elements[HEAD]
    assert along.n_layers == plain.n_layers + 1
    # published measurements with and without differ by 260.4 to 249.7 GFLOP a token in their own count: 4 %
    assert 1.02 < along.model_flops / plain.model_flops < 1.08


def test_windows_bound_attention():
    assert mean_context(1000, 10) == pytest.approx(10 - 100 / 2000)
    near, far = (counts(loader.load("models", "gpt-oss-120b"), seq) for seq in (4096, 131072))
    dense = counts(loader.load("models", "llama-3-8b"), 131072).attention_flops
    assert far.attention_flops / near.attention_flops < 32  # half of the layers see 128 tokens, whatever the length
    assert dense == counts(loader.load("models", "llama-3-8b"), 4096).attention_flops * 32


def test_attention_is_its_rows_times_the_span():
    model = loader.load("models", "llama-3-8b")
    found = counts(model, 8192)
    assert found.attention_flops == pytest.approx(found.attention_rows * 2 * mean_context(8192), rel=1e-12)
    assert counts(model, 1024).attention_rows == found.attention_rows


def test_the_same_model_is_counted_once():
    model = loader.load("models", "llama-3-8b")
    assert counts(model, 2048) is counts(model, 2048)
    assert counts(model, 2048) is not counts(model, 4096)
