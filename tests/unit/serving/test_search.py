"""What the search offers: layouts, engines and batch limits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.arch.layout import Layout, layout_problem
from drivetrain.catalogue.model import Attention, LayerGroup, Model, MoE
from drivetrain.serving import sweep as sw
from drivetrain.serving.search import layouts, pareto
from strategies import models


@given(models(), st.sampled_from([2, 4, 8, 72]), st.sampled_from([1, 8, 64]))
def test_offered_layouts_can_run_are_distinct_and_small_enough(model, domain, most):
    found = list(layouts(model, domain, most))
    assert len(set(found)) == len(found)
    assert Layout() in found
    for layout in found:
        assert layout_problem(model, layout) == ""
        assert layout.n_accelerators <= most
        assert layout.tp <= domain


def test_accelerators_that_stand_alone_are_offered_no_tensor_parallelism():
    layer = LayerGroup(2, Attention(8, 8, 64, 64), MoE(8, 2, 512))
    model = Model("toy", (), "test", 512, 1000, (layer,), False, 4096, ())
    assert {layout.tp for layout in layouts(model, 1)} == {1}


@given(models(moe_only=True))
def test_mixtures_are_offered_experts_over_ranks(model):
    assert any(layout.ep > 1 for layout in layouts(model, 8))


@given(models(dense_only=True))
def test_dense_models_are_not(model):
    assert all(layout.ep == layout.dp == 1 for layout in layouts(model, 8))


def test_the_front_leaves_out_what_is_slower_and_dearer():
    rows = np.zeros((5, sw.N_COLUMNS))
    rows[:, sw.TPOT_MEAN] = [0.02, 0.01, 0.03, 0.02, np.nan]
    rows[:, sw.TOKENS_PER_ACCELERATOR] = [200.0, 100.0, 150.0, 180.0, 999.0]
    assert pareto(rows) == [1, 0]
