"""Small real comparisons: one model on one accelerator, so that each mix is quick."""

import json

import pytest

import drivetrain
from drivetrain.errors import BadInputError, FileError, UnknownNameError
from drivetrain.verbs.compare import compare

A = {"model": "llama-3.1-8b", "isl": 1000, "osl": 200, "rate": 10, "accelerators": "h100-sxm", "engines": "vllm",
     "slo": "tpot_p95=40ms,ttft_p95=2s"}  # fmt: skip
CHANGES = {"osl": 400, "rate": 60, "kv": "fp8", "pricing": "own"}
COST = "usd_per_million_output_tokens"


@pytest.fixture(scope="module")
def several():
    return compare(A, changes=CHANGES)


def deltas(answer):
    return [d["effect"]["delta"] for d in answer["differences"]]


def test_effects_of_a_real_comparison_sum_to_the_change(several):
    a, b = (several[letter]["best"][COST] for letter in "ab")
    assert several["metric"] == COST
    assert several["total_delta"] == pytest.approx(b - a)
    assert [d["field"] for d in several["differences"]] == ["osl", "rate", "kv", "pricing"]
    assert sum(deltas(several)) == pytest.approx(b - a, rel=1e-9)
    assert sum(d["effect"]["delta_in_order"] for d in several["differences"]) == pytest.approx(b - a, rel=1e-9)
    assert sum(d["effect"]["share_frac"] for d in several["differences"]) == pytest.approx(1)
    assert several["attribution"]["method"] == "average over orders"
    assert several["attribution"]["orders_used"] == several["attribution"]["orders"] == 24
    assert several["n_answers"] == 16


def test_the_ends_are_what_plan_says(several):
    for letter, extra in (("a", {}), ("b", CHANGES)):
        said = drivetrain.plan_serve(**(A | extra))
        assert several[letter]["best"] == said["best"]
        assert several[letter]["verdict"] == said["verdict"]


def test_turned_round_the_effects_change_sign(several):
    back = compare(A | CHANGES, A)
    assert deltas(back) == pytest.approx([-d for d in deltas(several)])


def test_one_difference_explains_everything():
    answer = compare(A, A | {"rate": 40}, metric="n_accelerators")
    (only,) = answer["differences"]
    assert (only["field"], only["a"], only["b"]) == ("rate", 10.0, 40.0)
    assert only["effect"]["delta"] == answer["total_delta"] > 0
    assert only["effect"]["share_frac"] == 1.0


def test_beyond_four_differences_the_first_to_last_order_is_taken_and_said():
    answer = compare(
        A, changes={"osl": 250, "headroom": 0.3, "layouts": "tp2", "kv": "fp8", "max_num_seqs": 64}, metric="energy"
    )
    assert answer["attribution"]["method"] == "first to last"
    assert answer["attribution"]["orders_used"] == 1
    assert answer["n_answers"] == 6
    assert sum(deltas(answer)) == pytest.approx(answer["total_delta"], rel=1e-9)
    assert deltas(answer) == [d["effect"]["delta_in_order"] for d in answer["differences"]]


def test_the_same_question_twice_is_no_difference():
    answer = compare(A, A | {"accelerators": "H100", "slo": "ttft_p95=2s, tpot_p95=40ms"})
    assert answer["differences"] == []
    assert answer["total_delta"] == 0


def test_an_end_that_nothing_serves_is_an_answer_without_effects():
    answer = compare(A, changes={"slo": "tpot_p95=1ms"})
    assert (answer["a"]["feasible"], answer["b"]["feasible"]) == (True, False)
    assert answer["b"]["verdict"]
    assert answer["total_delta"] is None
    assert deltas(answer) == [None]
    does_not_fit = compare(A, changes={"model": "llama-3.1-405b", "layouts": "tp1"})
    assert not does_not_fit["b"]["feasible"]
    assert "does not fit" in does_not_fit["b"]["verdict"]


def test_mixes_that_nothing_serves_are_marked_and_the_sum_still_holds():
    big = A | {"model": "llama-3.1-70b", "rate": 1, "slo": "tpot_p95=80ms"}
    answer = compare(A | {"layouts": "tp1", "rate": 1, "slo": "tpot_p95=80ms"}, big | {"layouts": "tp4"})
    gaps = answer["attribution"]["infeasible_between"]
    assert [gap["with"] for gap in gaps] == [["model"]]
    assert "does not fit" in gaps[0]["reason"]
    assert answer["attribution"]["orders_used"] == 1
    assert all(d["effect"]["infeasible_between"] for d in answer["differences"] if d["field"] == "model")
    assert sum(deltas(answer)) == pytest.approx(answer["total_delta"], rel=1e-9)


def test_when_no_order_works_the_joint_effect_stands_with_the_last():
    start = {"model": "llama-3.1-8b", "weights": "bf16", "isl": 1000, "osl": 200, "rate": 5, "accelerators": "h100-sxm"}
    answer = compare(start, changes={"model": "gpt-oss-120b", "weights": "mxfp4"})
    model, weights = (d["effect"] for d in answer["differences"])
    assert answer["attribution"]["method"] == "first to last"
    assert len(answer["attribution"]["infeasible_between"]) == 2  # neither model has the other's checkpoint
    assert model["delta"] is None
    assert model["together_with"] == ["weights"]
    assert weights["delta"] == answer["total_delta"]
    assert model["infeasible_between"]
    assert weights["infeasible_between"]


def test_a_prediction_is_compared_with_a_prediction():
    one = {"model": "llama-3.1-8b", "isl": 1000, "osl": 200, "accelerators": "h100-sxm", "layouts": "tp1",
           "engines": "vllm", "concurrency": 8}  # fmt: skip
    answer = compare(one, changes={"concurrency": 64}, metric="tpot_p95")
    assert answer["verb"] == "predict"
    assert answer["metric"] == "tpot_s.p95"
    assert answer["differences"][0]["effect"]["delta"] > 0
    with pytest.raises(BadInputError, match="same verb"):
        compare(one, A)


def test_saved_answers_are_asked_again_and_what_moved_is_said(tmp_path):
    saved = drivetrain.plan_serve(**A)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(saved))
    assert compare(tmp_path, A)["a"]["moved"] == []
    saved["best"]["usd_per_hour"] *= 2
    saved["best"]["ttft_s"]["p95"] = None
    path.write_text(json.dumps(saved))
    moved = {row["field"]: (row["saved"], row["now"]) for row in compare(path, A)["a"]["moved"]}
    assert set(moved) == {"usd_per_hour", "ttft_s.p95"}
    assert moved["usd_per_hour"][0] == pytest.approx(2 * moved["usd_per_hour"][1])
    prediction = drivetrain.predict_serve(**(A | {"layouts": "tp1"}))
    (tmp_path / "p.json").write_text(json.dumps(prediction))
    assert compare(tmp_path / "p.json", tmp_path / "p.json")["a"]["moved"] == []


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({}, BadInputError, "second file"),
        ({"b": A | {"rate": 9}, "metric": "tpot_p59"}, BadInputError, "tpot_p95"),
        ({"b": A | {"rate": 9}, "metric": "accelerator"}, BadInputError, "accelerators"),
        ({"changes": {"acelerators": "h200"}}, BadInputError, "accelerators"),
        ({"changes": {"accelerators": "h200sxm"}}, UnknownNameError, "h200-sxm"),
        ({"changes": {"rate": "-1"}}, BadInputError, "positive"),
        ({"b": "/nowhere/b.toml"}, FileError, "no such file"),
        ({"b": A | {"verb": "train"}}, BadInputError, "plan or predict"),
    ],
)  # fmt: skip
def test_bad_input_is_told(kwargs, error, says):
    with pytest.raises(error, match=says):
        compare(A, **kwargs)


def test_the_metric_follows_a_shared_objective():
    answer = compare(A | {"objective": "energy"}, A | {"objective": "energy", "rate": 11})
    assert answer["metric"] == "joules_per_output_token"
    assert compare(A, A | {"objective": "energy"})["metric"] == COST
