import csv
from pathlib import Path

import numpy as np
import pytest

from drivetrain.errors import BadInputError, FileError
from drivetrain.serving.traffic import Arrivals, Sessions, describe, generate, read, write
from drivetrain.serving.traffic.records import Names, compacted, requests_of
from drivetrain.serving.traffic.statistics import found_tokens

TRACES = Path(__file__).parents[5] / "shared" / "traces"
FIELDS = tuple(requests_of(np.array([1]), np.array([1])).__slots__)


def same(one, other):
    one = compacted(one)
    for name in FIELDS:
        a, b = getattr(one, name), getattr(other, name)
        assert np.array_equal(a, b), name
        assert np.asarray(a).dtype == np.asarray(b).dtype, name


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_what_is_written_is_read_back(tmp_path, ending):
    path = tmp_path / f"r.{ending}"
    made = generate(
        "agent", Arrivals(rate=3.0), n=70, sessions=Sessions(shared_tokens=5000), origins=(1, 1), priorities=(1, 1)
    )
    write(made.requests, path)
    same(made.requests, read(path).requests)
    first = path.read_bytes()
    write(read(path).requests, path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_loops_coarse_times_and_plain_rows_come_back_too(tmp_path, ending):
    loop = generate("chat", Arrivals(concurrency=4, think_s=1.0), n=50).requests
    write(loop, tmp_path / f"l.{ending}")
    same(loop, read(tmp_path / f"l.{ending}").requests)
    coarse = requests_of(np.full(200, 9), np.full(200, 2), arrival_s=np.repeat(np.arange(40.0), 5))
    write(coarse, tmp_path / f"c.{ending}")
    same(coarse, read(tmp_path / f"c.{ending}").requests)  # no jitter: our own writer knows what it wrote


def test_nothing_half_written(tmp_path, monkeypatch):
    path = tmp_path / "r.csv"
    path.write_text("before")
    made = requests_of(np.array([1]), np.array([1]))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drivetrain.serving.traffic.writing.shutil.copyfileobj", full)
    with pytest.raises(FileError, match=r"cannot write .*r\.csv: No space left on device"):
        write(made, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_where_it_cannot_be_written(tmp_path):
    made = requests_of(np.array([1]), np.array([1]))
    with pytest.raises(FileError, match=r"ends in \.parquet or .csv"):
        write(made, tmp_path / "r.txt")
    with pytest.raises(FileError, match="cannot write"):
        write(made, tmp_path / "nowhere" / "r.csv")


def test_statistics_by_hand():
    names = Names(np.array([0, 3, 6, 9]), np.array([3, 3, 3, 0]), np.array([1, 2, 3, 1, 2, 4, 9, 2, 3]))
    made = requests_of(
        np.array([30, 30, 30, 5]),
        np.array([1, 2, 3, 4]),
        arrival_s=np.array([0.0, 1.0, 3.0, 3.0]),
        names=names,
        hash_tokens=10,
    )
    # row 1 finds names 1 and 2; row 2 stops at 9, which is new; the last token of a prompt is never found
    assert found_tokens(made).tolist() == [0, 20, 0, 0]
    found = describe(made)
    assert (found.n, found.n_arriving, found.span_s, found.rate_per_s) == (4, 4, 3.0, 1.0)
    assert found.iat_cv == pytest.approx(np.std([1, 2, 0]) / 1.0)
    assert (found.isl.mean, found.isl.p50, found.isl.max, found.osl.mean) == (23.75, 30.0, 30.0, 2.5)
    assert found.prefix_frac == pytest.approx(20 / 95)
    assert np.isnan(describe(made, prefix=False).prefix_frac)


def test_a_prompt_that_is_there_already_still_computes_its_last_token():
    names = Names(np.array([0, 0]), np.array([3, 3]), np.array([1, 2, 3]))
    assert found_tokens(requests_of(np.array([30, 30]), np.array([1, 1]), names=names, hash_tokens=10)).tolist() == [
        0,
        20,
    ]
    assert found_tokens(requests_of(np.array([30, 31]), np.array([1, 1]), names=names, hash_tokens=10)).tolist() == [
        0,
        30,
    ]


def test_names_that_are_large_or_negative_numbers():
    names = Names(np.array([0, 2, 4]), np.array([2, 2, 2]), np.array([1 << 60, -5, 1 << 60, -5, -5, 1 << 60]))
    made = requests_of(np.full(3, 21), np.full(3, 1), names=names, hash_tokens=10)
    assert found_tokens(made).tolist() == [0, 20, 20]  # an unlimited cache knows names, not their order


def test_statistics_of_few_or_no_arrivals():
    one = describe(requests_of(np.array([5]), np.array([2])))
    assert (one.span_s, np.isnan(one.rate_per_s), np.isnan(one.iat_cv), one.prefix_frac) == (0.0, True, True, 0.0)
    loop = describe(generate("chat", Arrivals(concurrency=3), n=9).requests)
    assert loop.n_arriving == 0
    assert np.isnan(loop.span_s)


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the shared traces are not at {TRACES}")
def test_shared_traces_have_the_statistics_on_record():
    with (TRACES / "traces_summary.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["input_tokens_mean"] and row["mean_rate_per_s"]]
    assert len(rows) >= 5
    for row in rows:
        found = describe(read(TRACES / row["file"], jitter=0).requests)
        assert found.n == int(row["rows"])
        assert found.span_s == pytest.approx(float(row["span_s"]), abs=0.06)
        assert found.rate_per_s == pytest.approx(float(row["mean_rate_per_s"]), rel=1.2 / found.n + 1e-3)
        assert found.iat_cv == pytest.approx(float(row["iat_cv"]), abs=0.002)
        for side, spread in (("input", found.isl), ("output", found.osl)):
            for key in ("mean", "p50", "p90", "p99"):
                assert getattr(spread, key) == pytest.approx(float(row[f"{side}_tokens_{key}"]), abs=0.51)


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the shared traces are not at {TRACES}")
def test_the_shared_mooncake_trace():
    requests, notes = read(TRACES / "mooncake_conversation_first80pct.parquet")
    said = {note.what: note.value for note in notes}
    assert said["clock"].startswith("arrivals come in steps of 3 s")
    assert said["prefix blocks"] == "a name stands for 512 tokens"
    found = describe(requests)
    assert found.prefix_frac == pytest.approx(0.366, abs=0.006)  # on record with partly filled last blocks
    assert found.iat_cv == pytest.approx(1.0, abs=0.05)
    with pytest.raises(BadInputError, match="context of 32,768"):
        read(TRACES / "mooncake_conversation_first80pct.parquet", context=32768)
    cut, _ = read(TRACES / "mooncake_conversation_first80pct.parquet", context=32768, too_long="truncate")
    assert (cut.isl + cut.osl).max() == 32768


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the shared traces are not at {TRACES}")
def test_lengths_without_times():
    path = TRACES / "vidur_arxiv_summarization_lengths.parquet"
    with pytest.raises(BadInputError, match="has no arrival times"):
        read(path)
    assert describe(read(path, rate=20.0).requests).rate_per_s == pytest.approx(20.0, rel=0.02)
