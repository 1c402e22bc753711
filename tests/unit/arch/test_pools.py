"""How layouts of prefill and decode pools are spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.arch.layout import Layout
from drivetrain.arch.pools import PoolLayouts, names_pools, parse_pools, spell_pools
from drivetrain.errors import LayoutError

degrees = st.sampled_from([1, 2, 4, 8])
layouts = st.builds(lambda tp, pp, dp: Layout(tp=tp, pp=pp, dp=dp, ep=tp * dp), degrees, degrees, degrees)
counts = st.none() | st.integers(1, 5000)


@given(layouts, layouts, counts, counts)
def test_spelling_and_reading_are_inverse(prefill, decode, x, y):
    pools = PoolLayouts(prefill, decode, x, y)
    assert parse_pools(str(pools)) == pools
    assert parse_pools(str(pools).upper().replace(" ", "").replace(":", " = ")) == pools


@given(layouts, layouts, st.integers(1, 9), st.integers(1, 9))
def test_the_object_of_an_answer_reads_back(prefill, decode, x, y):
    pools = {
        "prefill": {"layout": str(prefill), "replicas": x, "more": 1},
        "decode": {"layout": str(decode), "replicas": y},
    }
    assert parse_pools(spell_pools(pools)) == PoolLayouts(prefill, decode, x, y)


def test_pools_are_told_from_plain_layouts():
    assert names_pools(("prefill: tp4 x2", "decode: tp8"))
    assert names_pools((" Decode:tp8",))
    assert not names_pools(("tp4", "dp8ep8"))
    assert not names_pools(())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prefill: tp4 x2", "no decode pool"),
        ("decode: tp8", "no prefill pool"),
        ("prefill: tp4, prefill: tp2, decode: tp8", "twice"),
        ("prefill: tp4 x0, decode: tp8", "at least one replica"),
        ("prefill: tp4 x1.5, decode: tp8", "cannot read"),
        ("prefill: tp4 two, decode: tp8", "cannot read"),
        ("prefill: xp4, decode: tp8", "cannot read"),
        ("prefill: zp4, decode: tp8", "cannot read layout"),
        ("prefill tp4, decode: tp8", "cannot read"),
        ("tp4, decode: tp8", "cannot read"),
        ("", "no prefill pool"),
    ],
)
def test_what_cannot_be_read_says_so(text, says):
    with pytest.raises(LayoutError, match=says):
        parse_pools(text)


@pytest.mark.parametrize("given_", [{}, {"prefill": {"layout": "tp4"}}, {"prefill": "tp4", "decode": "tp8"}, "tp4"])
def test_an_object_that_is_no_layout_is_refused(given_):
    with pytest.raises(LayoutError, match="cannot read"):
        spell_pools(given_)
