"""Pipeline schedules beside the one of a run: who has them, what each gives, which choice a layout contradicts."""

import pytest

from drivetrain.errors import LayoutError
from drivetrain.training.layout import parse_layout
from drivetrain.verbs.predict_train import predict_train
from drivetrain.verbs.train_schedules import check_schedule, schedule_note, schedules_for

JOB = {"model": "llama-2-70b", "accelerator": "h100-sxm", "global_batch": 64, "seq": 4096, "n": 64}


def test_a_search_takes_what_the_software_ships():
    assert schedules_for("megatron") == schedules_for("") == ("1f1b", "interleaved")
    assert "zero-bubble" in schedules_for("fsdp")
    assert schedules_for("fsdp", "1f1b") == ("1f1b",)


def test_every_schedule_stands_beside_the_best():
    got = predict_train(**JOB)
    rows = {row["schedule"]: row for row in got["schedules"]}
    assert len(rows) == 4
    chosen = [row for row in rows.values() if row["chosen"]]
    assert [row["layout"] for row in chosen] == [got["layout"]]
    searched = [row for row in rows.values() if row["searched"]]
    assert min(row["step_time_s"] for row in searched) == got["step_time_s"]
    for row in rows.values():
        alone = predict_train(**JOB, schedule=row["schedule"])
        if row["schedule"] == alone["schedule"]:
            assert alone["step_time_s"] == pytest.approx(row["step_time_s"])
            assert row["faster_frac"] == pytest.approx(got["step_time_s"] / row["step_time_s"] - 1.0)


def test_a_given_layout_is_kept_under_every_schedule():
    got = predict_train(**JOB, layout="tp8pp4dp2")
    rows = {row["schedule"]: row for row in got["schedules"]}
    assert set(rows) == {"1f1b", "zero-bubble", "dualpipe"}
    assert {row["layout"] for row in rows.values()} == {"tp8pp4dp2"}
    m, p = 64 / 2, 4
    assert rows["1f1b"]["bubble_frac"] > rows["zero-bubble"]["bubble_frac"]
    assert rows["1f1b"]["bubble_frac"] == pytest.approx((p - 1) / m / (1 + (p - 1) / m), rel=0.35)
    # two copies of a stage's 16-bit weights: 69e9 / 32 parameters, 2 bytes more each
    more = rows["dualpipe"]["memory_bytes"] - rows["1f1b"]["memory_bytes"]
    assert more == pytest.approx(69e9 / 32 * 2, rel=0.02)
    assert predict_train(**JOB, layout="tp8dp8")["schedules"] == []


def test_dualpipe_is_neither_listed_nor_taken_where_it_cannot_run():
    few = JOB | {"global_batch": 8, "layout": "tp8pp4dp2"}  # four micro-batches for four stages
    assert {row["schedule"] for row in predict_train(**few)["schedules"]} == {"1f1b", "zero-bubble"}
    with pytest.raises(LayoutError, match=r"even number of micro-batches, at least 8 for pp4.* use a batch of 16"):
        predict_train(**few, schedule="dualpipe")
    with pytest.raises(LayoutError, match="even number of stages, not of 5; use pp6"):
        predict_train(**JOB | {"n": 40, "layout": "tp8pp5"}, schedule="dualpipe")


def test_what_is_faster_and_not_searched_is_told():
    rows = [{"schedule": "dualpipe", "faster_frac": 0.3, "chosen": False, "searched": False, "where": "there"}]
    assert schedule_note(rows) == "--schedule dualpipe would be 30% faster, where the software has it (there)"
    assert not schedule_note([rows[0] | {"faster_frac": 0.001}])
    assert not schedule_note([rows[0] | {"searched": True}])
    got = predict_train(model="deepseek-v3", accelerator="h800-sxm", n=2048, precision="fp8", seq=4096)
    assert any(note.startswith("--schedule dualpipe would be") for note in got["notes"])


def test_a_schedule_that_fits_its_layout_passes():
    check_schedule(parse_layout("tp8pp4vp2dp2"), "interleaved")
    check_schedule(parse_layout("tp8pp4dp2"), "zero-bubble")
    check_schedule(parse_layout("tp8dp2"), "")
