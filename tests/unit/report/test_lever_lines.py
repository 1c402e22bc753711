"""Levers as lines: what is shown, what is left out, that they fit."""

import pytest

import drivetrain
from drivetrain.report.levers import lever_lines

QUESTION = {"model": "llama-3.1-70b", "workload": "azure-2023-conv", "rate": 40.0, "engines": ("vllm",),
            "slo": "ttft_p95=2s,tpot_p95=50ms", "accelerators": ("h100-sxm",)}  # fmt: skip


@pytest.fixture(scope="module")
def answer():
    return drivetrain.plan_serve(**QUESTION)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_are_few_and_fit(answer, width):
    lines = [line.plain for line in lever_lines(answer, width)]
    assert 6 <= len(lines) <= 14
    assert all(len(line) <= width for line in lines)


def test_lines_say_gain_quality_and_what_needs_leave(answer):
    text = "\n".join(line.plain for line in lever_lines(answer, 100))
    assert "cheaper per token at full load" in text
    assert "99.9 % * (8, this model)" in text
    assert "outputs unchanged" in text
    assert "best pair   weights=fp8 + speculative=eagle" in text
    assert "100 % $" in text
    assert "(as shipped)" in text


def test_what_may_not_start_is_left_to_the_answer(answer):
    text = "\n".join(line.plain for line in lever_lines(answer, 100))
    assert any(row["unverified"] for row in answer["levers"])
    assert "kv-compression" not in text


def test_of_other_models_the_one_that_keeps_most_is_shown():
    answer = drivetrain.plan_serve(**(QUESTION | {"model": "qwen3-32b"}))
    shown = [line.plain for line in lever_lines(answer, 100) if "sibling=" in line.plain and "kept" not in line.plain]
    assert len([line for line in shown if line.startswith(" " * 12 + "sibling")]) <= 1
    assert not any("qwen3-0.6b" in line for line in shown if line.startswith(" " * 12 + "sibling"))


def test_unknown_quality_is_called_unknown(answer):
    row = next(row for row in answer["levers"] if row["quality_delta"]["recovery"] is None)
    only = answer | {"levers": [row | {"unverified": None}], "quality_frontier": []}
    assert "unknown *" in [line.plain for line in lever_lines(only, 100)][1]


def test_nothing_to_say_says_nothing(answer):
    assert list(lever_lines(answer | {"levers": [], "quality_frontier": []}, 80)) == []
    flat = [row | {"gain_frac": 0.0} for row in answer["levers"]]
    assert list(lever_lines(answer | {"levers": flat, "quality_frontier": []}, 80)) == []
