"""Traces with something wrong or large about them, and the choices of how to read one."""

import tracemalloc

import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.serving.traffic import Note, describe, read, read_chunks, reading, rows, write
from drivetrain.serving.traffic.records import compacted, requests_of

HEADER = "arrival_s,input_tokens,output_tokens"


def trace(folder, *rows, header=HEADER):
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def said(notes):
    return {note.what: note.value for note in notes}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,0,5", r"row 2: input_tokens \(0\) is not at least 1 token"),
        ("1,-3,5", r"row 2: input_tokens \(-3\) is not at least 1 token"),
        ("1,5,0", r"row 2: output_tokens \(0\) is not at least 1 token"),
        ("1,nan,5", r"row 2: input_tokens \(nan\) is not a number"),
        ("1,many,5", r"row 2: input_tokens \(many\) is not a number"),
        ("1,,5", r"row 2: input_tokens is missing"),
        ("1,5.5,5", r"row 2: input_tokens \(5.5\) is not a whole number of tokens"),
        ("1,inf,5", r"row 2: input_tokens \(inf\) is not finite"),
        ("1,5,1e12", r"row 2: output_tokens \(1e12\) is more than 1,000,000,000 tokens"),
        ("nan,5,5", r"row 2: arrival_s \(nan\) is not a number"),
        ("soon,5,5", r"row 2: arrival_s \(soon\) is not a number"),
        (",5,5", r"row 2: arrival_s is missing"),
        ("-1,5,5", r"row 2: arrival_s \(-1\) is negative"),
        ("inf,5,5", r"row 2: arrival_s \(inf\) is not finite"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    path = trace(tmp_path, "0,10,10", row, "2,10,10")
    for reader in (read, lambda p: list(read_chunks(p))):
        with pytest.raises(BadInputError, match=message) as caught:
            reader(path)
        assert "\n" not in str(caught.value)


def test_bad_rows_can_be_left_out(tmp_path):
    path = trace(tmp_path, "0,10,10", "1,0,5", "2,0,5", "3,5,nan", "4,7,7")
    requests, notes = read(path, bad_rows="drop")
    assert requests.isl.tolist() == [10, 7]
    assert Note("bad rows", "2 left out: input_tokens is not at least 1 token") in notes
    assert Note("bad rows", "1 left out: output_tokens is not a number") in notes
    with pytest.raises(BadInputError, match="has no requests: all 1 rows are left out"):
        read(trace(tmp_path, "0,0,1"), bad_rows="drop")


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("difficulty", "hard", r"difficulty \(hard\) is not a number"),
        ("difficulty", "", "difficulty is missing"),
        ("origin", "-1", r"origin \(-1\) is negative"),
        ("priority", "0.5", r"priority \(0.5\) is not a whole number"),
        ("gap_s", "-2", r"gap_s \(-2\) is negative"),
        ("after", "0", r"after \(0\) names no earlier row"),
        ("after", "7", r"after \(7\) names no earlier row"),
        ("prefix_hash_ids", '"[1, x]"', r"prefix_hash_ids \(\[1, x\]\) is no list of whole numbers"),
    ],
)
def test_a_bad_cell_of_another_column_is_named(tmp_path, column, cell, message):
    with pytest.raises(BadInputError, match=f"row 1: {message}"):
        read(trace(tmp_path, f"0,10,10,{cell}", header=f"{HEADER},{column}"))


def test_a_line_with_too_few_cells_is_named(tmp_path):
    with pytest.raises(BadInputError, match="CSV Error on Line: 3"):
        read(trace(tmp_path, "0,10,10", "1,10"))


def test_broken_json_is_named(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"timestamp": 0, "input_length": 5, "output_length": 5}\n{"timestamp": 3\n', encoding="utf-8")
    with pytest.raises(BadInputError, match=r"cannot read .*Malformed JSON"):
        read(path)


def test_unsorted_rows_are_sorted_and_said_so(tmp_path):
    path = trace(tmp_path, "3,30,1", "1,10,1", "2,20,1", "2,21,1")
    requests, notes = read(path)
    assert requests.isl.tolist() == [10, 20, 21, 30]
    assert said(notes)["order"] == "1 of 4 rows came before the row above them; sorted by time"
    with pytest.raises(BadInputError, match=r"row 2: arrival_s \(1\) is earlier than that of the row before. Sort"):
        list(read_chunks(path))


def test_rows_that_wait_stay_behind_those_they_wait_for(tmp_path):
    path = trace(
        tmp_path, "5,50,1,,", "5,51,1,0,1", "1,10,1,,", "1,11,1,2,1", "1,12,1,3,1", header=f"{HEADER},after,gap_s"
    )
    requests, _ = read(path)
    assert requests.isl.tolist() == [10, 11, 12, 50, 51]
    assert requests.after.tolist() == [-1, 0, 1, -1, 3]
    with pytest.raises(BadInputError, match="Read such a trace as a whole"):
        list(read_chunks(path))


def test_gaps_of_hours_are_kept_and_said(tmp_path):
    requests, notes = read(trace(tmp_path, "0,1,1", "10,1,1", "20000,1,1", "20001,1,1"))
    assert requests.arrival_s[-1] == 20001.0
    text = "1 of an hour or more without arrivals, the longest 5.6 h before request 3; the fleet waits them out"
    assert said(notes)["long gaps"] == text
    assert said(read(trace(tmp_path, "7200,1,1")).notes)["late start"] == "the first request comes after 2.0 h"


def test_a_million_simultaneous_arrivals(tmp_path):
    n = 1_000_000
    write(requests_of(np.full(n, 7), np.full(n, 3)), tmp_path / "m.parquet")
    requests, notes = read(tmp_path / "m.parquet")
    assert len(requests) == n
    assert not requests.arrival_s.any()
    assert (
        said(notes)["simultaneous arrivals"] == "999,999 of 1,000,000 requests arrive together with the one before them"
    )
    found = describe(requests)
    assert (found.span_s, np.isnan(found.rate_per_s), np.isnan(found.iat_cv)) == (0.0, True, True)


def test_simultaneous_arrivals_have_no_rate_to_scale(tmp_path):
    path = trace(tmp_path, *["4,7,3"] * 50)
    with pytest.raises(BadInputError, match="arrive at one time: there is no rate to scale"):
        read(path, rate=5.0)
    assert [len(part) for part in read_chunks(path, rows=20)] == [20, 20, 10]


def test_scaling_and_cutting(tmp_path):
    path = trace(tmp_path, *(f"{t},{100 + t},1" for t in range(11)))
    assert describe(read(path, rate=5.0).requests).rate_per_s == pytest.approx(5.0)
    assert read(path, speedup=4.0).requests.arrival_s.tolist() == [t / 4.0 for t in range(11)]
    assert read(path, limit=3).requests.isl.tolist() == [100, 101, 102]
    assert read(path, speedup=2.0, duration_s=2.0).requests.isl.tolist() == [100, 101, 102, 103]
    assert "2 times as fast: 2 instead of 1 requests/s" in said(read(path, speedup=2.0).notes)["time axis"]
    with pytest.raises(BadInputError, match="no request arrives within"):
        read(trace(tmp_path, "9,1,1"), duration_s=1.0)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"rate": 0.0}, "rate is 0. Give a number above 0"),
        ({"speedup": float("nan")}, "speedup is nan"),
        ({"rate": 1.0, "speedup": 2.0}, "both scale"),
        ({"limit": 0}, "limit is 0"),
        ({"jitter": "some"}, "jitter is some"),
        ({"jitter": -1.0}, "jitter is -1"),
        ({"too_long": "crop"}, "too_long is 'crop'. Give one of error, drop, truncate"),
        ({"bad_rows": "mend"}, "bad_rows is 'mend'"),
        ({"hashes": "some"}, "hashes is 'some'"),
        ({"concurrency": -1}, "concurrency is -1"),
        ({"concurrency": 2, "rate": 1.0}, "a closed loop"),
        ({"seed": -1}, "the seed is -1"),
        ({"context": 1}, "the context is 1 tokens"),
    ],
)
def test_bad_choices(tmp_path, choice, message):
    with pytest.raises(BadInputError, match=message):
        read(trace(tmp_path, "0,1,1", "1,1,1"), **choice)


def test_a_closed_loop_over_a_traces_lengths(tmp_path):
    requests, notes = read(trace(tmp_path, "0,10,1", "7,11,1", "9,12,1"), concurrency=2, think_s=1.5)
    assert requests.concurrency == 2
    assert requests.isl.tolist() == [10, 11, 12]
    assert not requests.arrival_s.any()
    assert requests.gap_s.tolist() == [1.5] * 3
    assert said(notes)["arrivals"].startswith("a closed loop of 2")
    waiting = trace(tmp_path, "0,10,1,", "7,11,1,0", header=f"{HEADER},after")
    with pytest.raises(BadInputError, match="wait for the answers of others"):
        read(waiting, concurrency=2)


def test_files_without_times_need_a_rate(tmp_path):
    path = trace(tmp_path, "10,1", "20,2", header="input_tokens,output_tokens")
    with pytest.raises(BadInputError, match=r"has no arrival times\. Give a rate"):
        read(path)
    requests, _ = read(path, rate=4.0, seed=3)
    again = np.concatenate([part.arrival_s for part in read_chunks(path, rate=4.0, seed=3, rows=1)])
    assert requests.arrival_s.tolist() == again.tolist()


def test_a_coarse_clock_is_spread_and_a_fine_one_is_not(tmp_path):
    coarse = trace(tmp_path, *(f"{3 * (i // 5)},10,1" for i in range(200)))
    requests, notes = read(coarse)
    assert np.floor(requests.arrival_s / 3).tolist() == [i // 5 for i in range(200)]
    assert len(np.unique(requests.arrival_s)) == 200
    assert "steps of 3 s" in said(notes)["clock"]
    assert read(coarse, jitter=0).requests.arrival_s[:6].tolist() == [0, 0, 0, 0, 0, 3]
    half = read(coarse, jitter=0.5).requests.arrival_s
    assert (half % 3).max() < 0.5
    assert len(np.unique(half)) == 200
    even = trace(tmp_path, *(f"{i},10,1" for i in range(200)))  # one a second, on the second: meant so
    assert read(even).requests.arrival_s.tolist() == list(range(200))


@pytest.mark.parametrize("choices", [{}, {"rate": 3.0}, {"jitter": 7.0}, {"context": 120, "too_long": "drop"},
                                     {"limit": 37, "rate": 2.0}, {"duration_s": 30.0}])  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_parts_are_the_whole(tmp_path, choices, size):
    header = f"{HEADER},prefix_hash_ids,session"
    path = trace(
        tmp_path,
        *(f'{2 * (i // 3)},{100 + i % 40},{1 + i},"[{i // 9}, {i}]",s{i % 4}' for i in range(150)),
        header=header,
    )
    whole, notes = read(path, file_hash_tokens=64, **choices)
    found = []
    parts = list(read_chunks(path, rows=size, notes=found, file_hash_tokens=64, **choices))
    assert max(len(part) for part in parts) <= size
    whole = compacted(whole)
    for key in ("arrival_s", "isl", "osl", "difficulty", "session", "hash_count", "hashes"):
        assert np.concatenate([getattr(part, key) for part in parts]).tolist() == getattr(whole, key).tolist(), key
    if "duration_s" not in choices:  # where it stops early it has not seen the rest of the file
        assert found == list(notes)


def test_parts_take_memory_that_does_not_grow_with_the_trace(tmp_path, monkeypatch):
    """Twenty times the rows, about the same peak of Python's and numpy's memory, through which all rows pass."""
    monkeypatch.setattr(rows, "READ", 500)
    monkeypatch.setattr(reading, "LOOK", 500)

    def peak(n):
        path = trace(tmp_path, *(f"{i // 7},10,1" for i in range(n)))
        tracemalloc.start()
        total = sum(len(part) for part in read_chunks(path, rows=200, jitter=2.0))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == n
        return used

    peak(1000)  # imports
    assert peak(40_000) < 1.5 * peak(2000)


def test_parts_need_a_size():
    with pytest.raises(BadInputError, match="rows is 0"):
        read_chunks("x.csv", rows=0)
