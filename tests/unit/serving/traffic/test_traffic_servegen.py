from pathlib import Path

import numpy as np
import pytest

from drivetrain.errors import BadInputError, FileError
from drivetrain.serving.traffic import describe, servegen

TRACES = Path(__file__).parents[5] / "shared" / "traces"
SHARED = pytest.mark.skipif(not TRACES.is_dir(), reason=f"the shared traces are not at {TRACES}")

RATES = """workload,client,window_start_s,rate_rps,iat_cv,dist,shape,scale
w,0,0,2.0,1.0,Gamma,1.0,0.5
w,0,600,4.0,4.0,Weibull,0.4,0.1
w,1,0,0.5,8.0,Gamma,0.015625,128
w,1,600,1.0,,,,
w,2,600,0.01,1.0,Gamma,1.0,100
other,0,0,1.0,1.0,Gamma,1.0,1.0
"""
SIDES = ",".join(f"{side}_tokens_p{p}" for side in ("input", "output") for p in (50, 90, 99))
LENGTHS = f"""workload,client,window_start_s,{SIDES}
w,0,0,100,300,900,10,20,40
w,0,600,1000,3000,9000,10,20,40
w,1,0,50,60,70,5,6,7
other,0,0,,,,1,2,3
"""


@pytest.fixture
def tables(tmp_path):
    rates, lengths = tmp_path / "rates.csv", tmp_path / "lengths.csv"
    rates.write_text(RATES)
    lengths.write_text(LENGTHS)
    return rates, lengths


def test_rates_are_exact_and_bursts_as_recorded(tables):
    made, notes = servegen(*tables, workload="w", duration_s=1200.0)
    assert (np.diff(made.arrival_s) >= 0).all()
    assert made.arrival_s[-1] < 1200
    for client, window, rate in ((0, 0, 2.0), (0, 600, 4.0), (1, 0, 0.5), (1, 600, 1.0), (2, 600, 0.01)):
        mine = made.arrival_s[(made.session == client) & (made.arrival_s // 600 * 600 == window)]
        assert abs(len(mine) - rate * 600) <= 1
    bursty = made.arrival_s[(made.session == 0) & (made.arrival_s >= 600)]
    calm = made.arrival_s[(made.session == 0) & (made.arrival_s < 600)]
    assert np.diff(bursty).std() / np.diff(bursty).mean() > 2.0
    assert np.diff(calm).std() / np.diff(calm).mean() == pytest.approx(1.0, abs=0.15)
    assert [note.what for note in notes] == ["ServeGen"]


def test_lengths_have_the_recorded_quantiles(tables):
    made, _ = servegen(*tables, workload="w", duration_s=600.0, rate=100.0)
    for client, p50, p90, p99 in ((0, 100, 300, 900), (1, 50, 60, 70)):
        isl = made.isl[made.session == client]
        assert np.quantile(isl, 0.5) == pytest.approx(p50, rel=0.03)
        assert np.quantile(isl, 0.9) == pytest.approx(p90, rel=0.05)
        assert np.quantile(isl, 0.99) == pytest.approx(p99, rel=0.12)
    later, _ = servegen(*tables, workload="w", start_s=600.0, duration_s=600.0, rate=100.0)
    assert np.median(later.isl[later.session == 0]) == pytest.approx(1000, rel=0.05)
    assert np.median(later.isl[later.session == 1]) == pytest.approx(50, rel=0.05)  # its nearest window
    unknown = later.isl[later.session == 2]  # no lengths of its own: those of the client that sends most
    assert len(unknown)
    assert np.median(unknown) > 300


def test_scaling_and_cutting(tables):
    made, notes = servegen(*tables, workload="w", start_s=300.0, duration_s=600.0, rate=50.0)
    assert describe(made).rate_per_s == pytest.approx(50.0, rel=0.02)
    assert notes[1].what == "rate"
    assert len(servegen(*tables, workload="w", duration_s=600.0, limit=7).requests) == 7
    short, _ = servegen(*tables, workload="w", duration_s=600.0, context=100, too_long="drop")
    assert (short.isl + short.osl).max() <= 100


def test_what_is_wrong_is_said(tables, tmp_path):
    with pytest.raises(BadInputError, match=r"has no rates of 'x' from 0 s to 3600 s\. It has other, w"):
        servegen(*tables, workload="x")
    with pytest.raises(BadInputError, match="has no rates of 'w' from 5000 s"):
        servegen(*tables, workload="w", start_s=5000.0)
    with pytest.raises(BadInputError, match="has no input lengths of 'other'"):
        servegen(*tables, workload="other")
    with pytest.raises(FileError, match="as a ServeGen table"):
        servegen(tmp_path / "nowhere.parquet", tables[1])
    with pytest.raises(FileError, match="as a ServeGen table"):
        servegen(tables[1], tables[1])
    with pytest.raises(BadInputError, match="duration_s is 0"):
        servegen(*tables, workload="w", duration_s=0.0)
    with pytest.raises(BadInputError, match="start_s is -1"):
        servegen(*tables, workload="w", start_s=-1.0)
    with pytest.raises(BadInputError, match="that makes"):
        servegen(*tables, workload="w", duration_s=600.0, rate=1e9)


@SHARED
def test_an_hour_of_the_shared_record():
    made, _ = servegen(
        TRACES / "servegen_client_rates.parquet", TRACES / "servegen_token_lengths.parquet",
        workload="reason/deepseek-r1", start_s=36_000.0, duration_s=1800.0,
    )  # fmt: skip
    found = describe(made)
    assert found.rate_per_s == pytest.approx(13.1, rel=0.1)
    assert found.osl.mean > found.isl.mean  # a reasoning model
