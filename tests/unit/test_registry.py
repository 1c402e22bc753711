import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import UnknownNameError
from drivetrain.registry import Registry, slug, suggest

NAMES = ["h100-sxm-80gb", "h200-sxm-141gb", "l40s", "mi300x", "b200-sxm-180gb"]


def registry():
    made = Registry("accelerator")
    for name in NAMES:
        made.register(name)(name.upper())
    return made


@given(st.text())
def test_a_slug_is_its_own_slug(name):
    assert slug(slug(name)) == slug(name)


@given(st.sampled_from(NAMES), st.data())
def test_one_slip_still_finds_the_name(name, data):
    i = data.draw(st.integers(0, len(name) - 1))
    slips = [name[:i] + name[i + 1 :], name[:i] + "q" + name[i + 1 :], name[:i] + "q" + name[i:]]
    for slip in slips:
        assert name in suggest(slip, NAMES), slip


@given(st.text(max_size=20), st.integers(1, 4))
def test_suggestions_are_known_distinct_and_few(name, limit):
    found = suggest(name, NAMES, limit)
    assert len(found) <= limit
    assert len(set(found)) == len(found)
    assert set(found) <= set(NAMES)


@pytest.mark.parametrize("spelling", ["H100_SXM_80GB", " h100 sxm 80gb ", "h100-sxm-80gb"])
def test_spelling_does_not_matter(spelling):
    assert spelling in registry()
    assert registry()[spelling] == "H100-SXM-80GB"


def test_an_unknown_name_says_what_was_meant():
    with pytest.raises(UnknownNameError, match=r"DT012 unknown accelerator 'h100sxm'.*'h100-sxm-80gb'") as caught:
        registry()["h100sxm"]
    assert caught.value.suggestions[0] == "h100-sxm-80gb"
    assert caught.value.exit_code == 2


def test_a_registry_is_a_mapping():
    assert list(registry()) == NAMES
    assert len(registry()) == len(NAMES)
    assert 7 not in registry()
