import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import BadInputError
from drivetrain.serving.slo import METRICS, STATISTICS, Target, parse_slo

names = st.tuples(st.sampled_from(METRICS), st.sampled_from(STATISTICS))


@given(
    st.lists(st.tuples(names, st.integers(1, 10**6)), unique_by=lambda t: t[0]),
    st.sampled_from(["=", "<=", "<", " = "]),
)
def test_what_is_written_is_what_is_read(targets, sign):
    text = ", ".join(f"{m}_{s}{sign}{ms}ms" for (m, s), ms in targets)
    assert parse_slo(text) == tuple(Target(m, s, ms / 1000) for (m, s), ms in targets)


def test_no_text_is_no_target():
    assert parse_slo("") == parse_slo(" , ") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ttft=2s", "cannot read"),
        ("ttft_p42=2s", "cannot read"),
        ("speed_p95=2s", "cannot read"),
        ("ttft_p95", "cannot read"),
        ("ttft_p95=2", "no unit.*ttft_p95=2s"),
        ("ttft_p95=0s", "positive"),
        ("ttft_p95=2 bytes", "is in bytes"),
        ("ttft_p95=soon", "cannot read"),
        ("ttft_p95=2s,ttft_p95=3s", "twice"),
    ],
)
def test_a_target_that_cannot_be_read_says_how_to_write_it(text, says):
    with pytest.raises(BadInputError, match=says):
        parse_slo(text)


def test_the_same_target_twice_counts_once():
    assert parse_slo("TTFT_P95=2s, ttft_p95=2000ms") == (Target("ttft", "p95", 2.0),)
    assert parse_slo("ttft_p95=2s")[0].name == "ttft_p95"
