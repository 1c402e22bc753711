"""``predict train``: one layout, the best one, and the same job on several networks."""

import pytest

from drivetrain.errors import BadInputError, DoesNotFitError, InfeasibleError, LayoutError
from drivetrain.verbs.predict_train import predict_train
from drivetrain.verbs.train_file import read_training

JOB = {"model": "llama-3.1-70b", "accelerator": "h100-sxm", "global_batch": 512}


def test_one_layout():
    got = predict_train(layout="tp8pp4dp4", **JOB)
    assert got["n_accelerators"] == 128
    assert got["layout"] == "tp8pp4dp4"
    assert got["n_layouts"] == 1
    assert got["exposed_communication_s"].keys() == {"tp", "ep", "cp", "pp", "dp"}
    assert got["waiting_frac"] == pytest.approx(sum(got["exposed_communication_s"].values()) / got["step_time_s"])
    assert predict_train(layout="tp8pp4", n=128, **JOB)["step_time_s"] == got["step_time_s"]


def test_the_best_layout_is_not_slower_than_any_named():
    best = predict_train(n=128, **JOB)
    for layout in ("tp8pp4dp4", "tp4pp4dp8", "tp8dp16zero3"):
        assert best["step_time_s"] <= predict_train(layout=layout, n=128, **JOB)["step_time_s"]


def test_recompute_is_the_lightest_that_fits_unless_asked():
    assert predict_train(layout="tp8pp4dp4", **JOB)["recompute"] == "none"
    full = predict_train(layout="tp8pp4dp4", recompute="full", **JOB)
    assert full["hfu"] > full["mfu"]
    assert full["breakdown"]["recompute"] > 0.1


def test_fp8_is_faster_and_uses_less_of_its_peak():
    wide, narrow = (predict_train(layout="tp8pp4dp4", precision=p, **JOB) for p in ("bf16", "fp8"))
    assert narrow["tokens_per_s"] > wide["tokens_per_s"]
    assert narrow["mfu"] < wide["mfu"]


@pytest.mark.parametrize(
    ("choices", "error", "match"),
    [
        ({"layout": "tp8pp4dp32", "n": 1000}, LayoutError, "is for 1024 accelerators"),
        ({"layout": "tp8pp4", "n": 1000}, LayoutError, "multiple of 32"),
        ({"layout": "tp8pp4dp3"}, LayoutError, "does not divide"),
        ({"layout": "tp8dp1024"}, LayoutError, "smaller than"),
        ({"layout": "tp8pp128"}, LayoutError, "more than the 80 layers"),
        ({"layout": "tp8pp4dp4", "recompute": "none", "seq": 65536}, DoesNotFitError, "It fits with|more accelerators"),
        ({"layout": "what"}, LayoutError, "cannot read layout"),
        ({"n": 8}, DoesNotFitError, r"Use more accelerators \(16 hold it\)"),
        ({"layout": "tp8"}, DoesNotFitError, r"Use more accelerators \(16 hold it\)"),
        ({"layout": "tp8dp8", "schedule": "zero-bubble"}, BadInputError, "has one stage. Add pp"),
        ({"layout": "tp8pp8vp2dp1", "schedule": "1f1b"}, BadInputError, "has vp2. Drop one"),
        ({"layout": "tp8pp8dp1", "schedule": "interleaved"}, BadInputError, "Add vp2"),
        ({"layout": "tp8pp4dp4", "mtbf": 1.0}, InfeasibleError, "next to nothing is trained"),
        ({}, BadInputError, "how large the cluster"),
    ],
)
def test_layouts_that_cannot_be(choices, error, match):
    with pytest.raises(error, match=match):
        predict_train(**JOB, **choices)


def test_model_and_one_accelerator_are_needed():
    with pytest.raises(BadInputError, match="which model"):
        predict_train(accelerator="h100", n=8)
    with pytest.raises(BadInputError, match="one --accelerator"):
        predict_train(model="llama-3.1-8b", n=8)


@pytest.mark.parametrize("model", ["llama-3.1-8b", "mixtral-8x7b", "deepseek-v3", "nemotron-h-56b", "qwen3-30b-a3b"])
def test_every_kind_of_model(model):
    got = predict_train(model=model, accelerator="h200-sxm", n=256, global_batch=1024, seq=4096)
    assert 0.02 < got["mfu"] < 0.7
    assert got["memory_bytes"]["total"] < got["memory_bytes"]["capacity"]


def test_networks_side_by_side():
    got = predict_train(n=256, fabric="nvlink,ib-ndr,ethernet", sizes="64,512,4096", **JOB)
    rows = got["fabrics"]["rows"]
    assert [(row["fabric"], row["n_accelerators"]) for row in rows] == [
        (fabric, n) for fabric in ("nvlink4", "ib-ndr", "tcp-100g") for n in (64, 512, 4096)
    ]
    assert all(row["feasible"] for row in rows)
    speed = {(row["fabric"], row["n_accelerators"]): row["tokens_per_s_per_accel"] for row in rows}
    for n in (64, 512, 4096):
        assert speed["nvlink4", n] >= speed["ib-ndr", n] >= speed["tcp-100g", n]
    for row in rows:
        assert sum(row["breakdown"].values()) == pytest.approx(1.0)
        assert row["waiting_frac"] == pytest.approx(row["breakdown"]["communication"])
        assert row["hypothetical"] == (row["fabric"] == "nvlink4")
    told = {row["fabric"]: row for row in got["fabrics"]["by_fabric"]}
    assert told["ib-ndr"]["fits_from"] == 64
    assert told["ib-ndr"]["efficiency_frac"] < 1.0


def test_sizes_that_do_not_hold_the_model_are_told():
    got = predict_train(n=256, fabric="ib-ndr,efa", sizes="8,256", **JOB)
    small = got["fabrics"]["rows"][0]
    assert not small["feasible"]
    assert "does not fit" in small["reason"]
    with pytest.raises(BadInputError, match="whole numbers"):
        predict_train(n=256, fabric="ib-ndr,efa", sizes="8,many", **JOB)


def test_a_file_holds_a_question(tmp_path):
    file = tmp_path / "job.toml"
    file.write_text('verb = "predict train"\nmodel = "llama-3.1-8b"\naccelerator = "h100-sxm"\nn = 8\nbatch = 64\n')
    assert predict_train(**read_training(file))["global_batch"] == 64
    for text, match in (("modle = 1", "Did you mean"), ('verb = "serve"', "verb"), ("n = -1", "above 0")):
        file.write_text(text)
        with pytest.raises(BadInputError, match=match):
            read_training(file)


def test_adapters_are_what_is_saved():
    job = {"model": "llama-2-70b", "accelerator": "h100-sxm", "n": 64, "global_batch": 64, "checkpoint": "blocking"}
    lora, whole = predict_train(lora_rank=16, **job), predict_train(tokens="1B", **job)
    # 176M adapters against 69B weights: Young's interval goes with the root of the write
    ratio = lora["goodput"]["checkpoint_every_s"] / whole["goodput"]["checkpoint_every_s"]
    assert ratio == pytest.approx((175.6e6 / 69e9) ** 0.5, rel=0.05)


def test_what_the_run_costs_without_a_contract():
    job = {"model": "llama-2-70b", "accelerator": "h100-sxm", "n": 64, "global_batch": 64}
    reserved, hourly = predict_train(**job), predict_train(pricing="on-demand", **job)
    assert reserved["usd_on_demand"] == pytest.approx(hourly["usd"])
    assert hourly["usd_on_demand"] is None
