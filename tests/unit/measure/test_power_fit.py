"""The power fit recovers known coefficients; power follows its laws and the steady state's own."""

from dataclasses import replace

import numpy as np
import pytest

from drivetrain.errors import BadInputError
from drivetrain.measure import power
from drivetrain.measure.power import Host, predicted, read_run, watts
from drivetrain.measure.power_fit import (
    HOST_NAMES,
    NAMES,
    Sample,
    across,
    fit,
    fit_host,
    fit_power,
    periods,
    read_samples,
    shares,
)
from drivetrain.measure.table import Raw, Table
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.steady import at_concurrency, prepare

TRUTH = np.array([0.3, 2.0, 0.5, 0.8])
HOST = Host(step_s=2e-3, sequence_s=4e-5, media_s=0.2)
CELLS = {"model": "Qwen/Qwen3-8B", "task": "lm-arena-chat", "precision": "bfloat16", "gpu": "H100", "n_gpus": "1",
         "avg_batch": "31.9", "tok_s": "2928", "power_W": "476", "itl_ms": "11", "avg_out": "655",
         "par": '{"expert_parallel": 1}'}  # fmt: skip


def a_run(**cells):
    return read_run(Raw("a", 2, CELLS | {k: str(v) for k, v in cells.items()}))


def samples(n=120, generation="hopper"):
    """Runs of four models whose measured period is our own and what HOST adds, and whose power is TRUTH's."""
    rng = np.random.default_rng(5)
    out = []
    for i in range(n):
        own = float(rng.uniform(5e-3, 5e-2))
        rates = tuple(own * float(rng.uniform(0, high)) for high in (0.4, 0.9, 0.5))
        batch, gpus, media = float(rng.uniform(4, 500)), int(rng.choice([1, 2, 8])), i % 3 == 0
        terms = (1 / gpus, batch / gpus, batch / 500 / gpus if media else 0.0)
        out.append(Sample(f"m{i % 4}", generation, 1.0, rates, 1.0, own, terms))
    made = [replace(s, period=float(t)) for s, t in zip(out, periods(out, HOST), strict=True)]
    return [replace(s, share=float(p)) for s, p in zip(made, shares(TRUTH, made, None), strict=True)]


def test_known_coefficients_come_back():
    made = samples()
    host = fit_host(made)
    for name in HOST_NAMES:
        assert getattr(host, name) == pytest.approx(getattr(HOST, name), rel=0.02)
    assert fit_power(made, host) == pytest.approx(TRUTH, rel=0.02)


def test_errors_with_models_left_out_are_small_where_the_model_is_right():
    found = fit(samples())
    assert found.power == pytest.approx(tuple(TRUTH), rel=0.02)
    for errors in (found.given, found.own, found.throughput):
        assert errors.max() < 0.02
    assert found.n == len(found.given) == 120


def test_a_generation_is_predicted_from_the_others():
    found = across(samples() + samples(60, "blackwell"))
    assert set(found) == {"hopper", "blackwell"}
    assert max(max(pair) for pair in found.values()) < 0.02
    assert across(samples()) == {}


def test_too_little_to_fit_is_told():
    with pytest.raises(BadInputError, match="too few"):
        fit(samples(3))
    with pytest.raises(BadInputError, match="no model can be left out"):
        fit([replace(s, model="one") for s in samples(8)])


def test_only_steady_rows_with_power_are_fitted():
    rows = [
        Raw("good", 2, CELLS),
        Raw("not steady", 3, CELLS | {"itl_ms": "2"}),
        Raw("no power", 4, CELLS | {"power_W": ""}),
        Raw("no throughput", 5, CELLS | {"tok_s": ""}),
        Raw("unknown model", 6, CELLS | {"model": "nobody/knows"}),
        Raw("negative", 7, CELLS | {"avg_batch": "-3"}),
    ]
    found = read_samples(Table(tuple(CELLS), tuple(rows)))
    assert len(found) == 1
    assert found[0].share == pytest.approx(476 / 700)
    assert found[0].period == pytest.approx(31.9 / 2928)


def test_a_sample_adds_up_to_the_watts_of_the_run():
    run = a_run()
    (sample,) = read_samples(Table(tuple(CELLS), (Raw("a", 2, CELLS),)))
    eff = run.deployment.efficiency
    share = shares(np.array([getattr(eff, name) for name in NAMES]), [sample], None)[0]
    assert watts(run, sample.period) == pytest.approx(share * 700, rel=1e-6)


def test_watts_rise_with_the_rate_and_stay_within_tdp():
    run = a_run(n_gpus=2)
    drawn = [watts(run, period) for period in (10.0, 0.1, 0.01, 0.005, 1e-6)]
    assert drawn == sorted(drawn)
    assert drawn[0] == pytest.approx(2 * 700 * run.deployment.efficiency.static_power, rel=0.01)
    assert drawn[-1] <= 2 * 700 * (1 + 1e-9)


def test_the_mean_step_draws_what_the_steady_state_draws():
    run = a_run(avg_batch=64, avg_out=400)
    d = run.deployment
    state = at_concurrency(prepare(d, lengths_of(power.fixed(run.prompt, run.osl)), 8192.0), 64.0)
    period, gap = predicted(run, Host())
    assert gap == pytest.approx(state.itl.mean, rel=0.05)
    assert watts(run, period) == pytest.approx(state.power_w, rel=0.08)


def test_a_host_slows_servers_that_share_it():
    few, many = a_run(n_gpus=8, task="image-chat"), a_run(n_gpus=1, task="image-chat")
    assert HOST.period_s(few) == pytest.approx(HOST.period_s(many) / 8)
    assert HOST.period_s(many) > HOST.gap_s(many) > 0
    assert HOST.period_s(a_run()) == HOST.gap_s(a_run())


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"n_gpus": ""}, "n_gpus is blank"),
        ({"par": "tp8"}, "JSON"),
        ({"avg_out": "0"}, "avg_out"),
        ({"gpu": "H9"}, "H9"),
    ],
)
def test_bad_rows_are_told(cells, said):
    row = power.outcomes(Table(tuple(CELLS), (Raw("a", 2, CELLS | cells),)))[0]
    assert said in row.reason
