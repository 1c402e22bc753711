import pytest

from drivetrain.arch.layout import Layout, check_layout, layout_problem, parse_layout
from drivetrain.catalogue.model import Attention, Dense, LayerGroup, Model, MoE
from drivetrain.errors import LayoutError


def model(ffn, n_heads=8, n_kv_heads=2, count=4):
    layer = LayerGroup(count, Attention(n_heads, n_kv_heads, 64, 64), ffn)
    return Model("toy", (), "test", 512, 1000, (layer,), False, 4096, ())


DENSE, MIXTURE = model(Dense(2048)), model(MoE(8, 2, 512))


@pytest.mark.parametrize(
    "text", ["", "8", "tp", "tp8tp8", "tp8xp2", "tpp8", "tp0", "tp-8", "ep8", "tp2dp2ep3", "8tp", "tp8.5"]
)
def test_layouts_that_make_no_sense_are_refused(text):
    if text == "tp-8":  # a dash is only spelling
        assert parse_layout(text) == Layout(tp=8)
        return
    with pytest.raises(LayoutError, match=r"^DT030"):
        parse_layout(text)


def test_accelerators_and_expert_slices():
    layout = parse_layout("tp2pp3dp4ep4")
    assert layout.n_accelerators == 24
    assert layout.expert_slices == 2
    assert str(Layout()) == "tp1"


@pytest.mark.parametrize(
    ("served", "layout", "says"),
    [
        (DENSE, "pp8", "4 layers"),
        (DENSE, "dp2", "no experts"),
        (DENSE, "tp2ep2", "no experts"),
        (DENSE, "tp16", "8 heads"),
        (DENSE, "tp3", "tp1, tp2, tp4, tp8"),
        (model(Dense(1001), n_heads=8), "tp2", "1001"),
        (model(Dense(2048), n_heads=12, n_kv_heads=6), "tp4", "6 KV heads"),
        (MIXTURE, "tp16ep16", "8 experts"),
        (model(MoE(8, 2, 511)), "tp2", "raise ep"),
    ],
)
def test_a_cut_that_cannot_be_says_why(served, layout, says):
    with pytest.raises(LayoutError, match=says):
        check_layout(served, parse_layout(layout))


@pytest.mark.parametrize(
    ("served", "layout"), [(DENSE, "tp8pp4"), (MIXTURE, "dp8ep8"), (MIXTURE, "tp4dp2ep8"), (MIXTURE, "tp8")]
)
def test_a_cut_that_can_be_has_no_problem(served, layout):
    assert layout_problem(served, parse_layout(layout)) == ""
