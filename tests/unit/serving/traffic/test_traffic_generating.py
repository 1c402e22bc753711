import math

import numpy as np
import pytest

from drivetrain.catalogue import loader
from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.serving.lengths import lengths_of
from drivetrain.serving.traffic import Arrivals, Reuse, Sessions, describe, generate
from drivetrain.serving.traffic.arrivals import arrival_times, gaps_of, weibull_shape
from drivetrain.serving.traffic.prefixes import named
from drivetrain.serving.traffic.sessions import prompts_of
from drivetrain.serving.traffic.statistics import found_tokens

OPEN = Arrivals(rate=10.0)
ALWAYS = Arrivals(concurrency=8)


def said(notes):
    return {note.what: note.value for note in notes}


@pytest.mark.parametrize("name", ["chat", "azure-2023-conv", "agent", "servegen-m-large"])
@pytest.mark.parametrize("how", ["classes", "quantiles"])
def test_lengths_have_the_means_of_the_closed_form(name, how):
    profile = loader.load("workloads", name)
    closed = lengths_of(profile)
    made = generate(profile, OPEN, n=100_000, lengths=how, reuse=Reuse(share=0.0)).requests
    for found, exact, values in ((made.isl, closed.isl_mean, closed.isl), (made.osl, closed.osl_mean, closed.osl)):
        assert found.mean() == pytest.approx(exact, abs=5 * found.std() / math.sqrt(len(found)) + 0.003 * exact)
        assert found.min() >= 1
        if how == "classes":
            assert set(np.unique(found)) <= {*np.floor(values), *np.ceil(values)}


def test_quantiles_are_those_of_the_profile():
    profile = loader.load("workloads", "chat")
    made = generate(profile, OPEN, n=100_000, lengths="quantiles", reuse=Reuse(share=0.0)).requests
    for lengths, table in ((made.isl, profile.isl_quantiles), (made.osl, profile.osl_quantiles)):
        for p, length in table[:-1]:
            assert np.quantile(lengths, p) == pytest.approx(length, rel=0.02)
        assert lengths.max() <= table[-1][1]


def test_fixed_and_even_lengths():
    made = generate(isl=1024, osl=200, arrivals=OPEN, n=1000).requests
    assert set(made.isl) == {1024}
    assert set(made.osl) == {200}
    assert made.hash_tokens == 0
    made = generate(isl=1000, osl=100, range_frac=0.25, arrivals=OPEN, n=20_000).requests
    assert (made.isl.min(), made.isl.max()) == (750, 1000)
    assert (made.osl.min(), made.osl.max()) == (75, 100)
    assert made.isl.mean() == pytest.approx(875, rel=0.005)
    assert abs(np.corrcoef(made.isl, made.osl)[0, 1]) < 0.03


@pytest.mark.parametrize("law", ["gamma", "weibull"])
@pytest.mark.parametrize("cv", [0.4, 1.0, 2.5])
def test_gaps_have_the_stated_burstiness(law, cv):
    gaps = gaps_of(law, cv, np.random.default_rng(3), 400_000)
    assert gaps.mean() == pytest.approx(1.0, rel=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.03)


@pytest.mark.parametrize("cv", [0.05, 0.3, 1.0, 4.0, 30.0])
def test_weibull_shapes(cv):
    k = weibull_shape(cv)
    log = math.lgamma(1 + 2 / k) - 2 * math.lgamma(1 + 1 / k)
    assert math.expm1(log) == pytest.approx(cv**2, rel=1e-6)


def test_a_duration_ends_where_it_should():
    made = generate(isl=10, osl=1, arrivals=Arrivals(rate=50.0, cv=3.0), duration_s=200.0).requests
    assert made.arrival_s[-1] < 200.0
    assert len(made) == pytest.approx(10_000, rel=0.15)
    capped = generate(isl=10, osl=1, arrivals=Arrivals(rate=50.0, cv=3.0), duration_s=200.0, n=500).requests
    assert capped.arrival_s.tolist() == made.arrival_s[:500].tolist()


def test_the_profiles_day():
    profile = loader.load("workloads", "chat")
    hours = profile.day_shape
    times = arrival_times(Arrivals(rate=5.0, day="profile"), 5.0, 1.0, hours, None, 2 * 86400.0, 1)
    per_hour = np.histogram(times, bins=np.arange(0, 2 * 86400 + 1, 3600))[0] / (5.0 * 3600)
    assert per_hour == pytest.approx(np.tile(hours, 2), abs=0.05)
    short = arrival_times(
        Arrivals(rate=500.0, day="profile", day_s=864.0, start_s=432.0), 500.0, 1.0, hours, None, 864.0, 1
    )
    per_hour = np.histogram(short, bins=np.linspace(0, 864, 25))[0] / (500.0 * 36)
    assert per_hour == pytest.approx(np.roll(hours, 12), abs=0.05)


def test_a_sinusoid_day_peaks_at_noon():
    times = arrival_times(Arrivals(rate=5.0, day="sine", peak_to_mean=1.8), 5.0, 1.0, (), None, 86400.0, 1)
    per_hour = np.histogram(times, bins=np.arange(0, 86401, 3600))[0] / (5.0 * 3600)
    middle = 2 * np.pi * (np.arange(24) + 0.5) / 24
    assert per_hour == pytest.approx(1 - 0.8 * np.cos(middle), abs=0.06)
    assert len(times) == pytest.approx(5.0 * 86400, rel=0.01)


def test_a_closed_loop():
    made, notes = generate("chat", Arrivals(concurrency=8, think_s=3.0), n=20_000, reuse=Reuse(share=0.0))
    assert made.concurrency == 8
    assert not made.arrival_s.any()
    assert made.gap_s.mean() == pytest.approx(3.0, rel=0.05)
    assert said(notes)["arrivals"] == "a closed loop of 8, 3 s (exponential) after each answer"
    assert not generate("chat", ALWAYS, n=10).requests.gap_s.any()


@pytest.mark.parametrize(
    ("name", "n"), [("chat", 300), ("chat", 30_000), ("agent", 400), ("reasoning", 3000), ("rag", 3000)]
)
def test_prefixes_are_found_as_often_as_the_profile_says(name, n):
    profile = loader.load("workloads", name)
    made, notes = generate(profile, OPEN, n=n)
    assert describe(made).prefix_frac == pytest.approx(profile.prefix_hit_frac, abs=0.003)
    assert f"({profile.prefix_hit_frac:.1%} wanted)" in said(notes)["shared prefixes"]
    blocks = (made.isl + made.osl) // 64
    assert made.hash_count.tolist() == blocks.tolist()


def test_prefixes_come_back_at_the_reuse_interval():
    isl = np.full(40_000, 1280)
    names, note = named(isl, np.full(40_000, 64), 0.5, Reuse(interval_s=50.0), 10.0, 0, 1)
    assert "500 prefixes, each used every 50 s on average" in note.value
    first = names.flat[names.start]
    assert len(np.unique(first)) == 500


def test_a_closed_loop_has_a_prefix_for_each_client():
    made, notes = generate(isl=1000, osl=10, arrivals=ALWAYS, n=2000, reuse=Reuse(share=0.5))
    assert "8 prefixes" in said(notes)["shared prefixes"]
    assert describe(made).prefix_frac == pytest.approx(0.5, abs=0.002)


def test_one_prefix_is_common_to_all_and_blocks_can_be_larger():
    made = generate(
        isl=1000, osl=10, arrivals=OPEN, n=500, reuse=Reuse(share=0.5, prefixes=1, hash_tokens=100)
    ).requests
    assert made.hash_tokens == 100
    lists = [made.hashes[s : s + c] for s, c in zip(made.hash_start, made.hash_count, strict=True)]
    assert len({ids[0] for ids in lists}) == 1
    assert len({ids[-1] for ids in lists}) == 500
    assert describe(made).prefix_frac == pytest.approx(0.5, abs=0.01)


def test_a_share_that_cannot_be_reached_says_how_much_is():
    _, note = named(np.full(10, 100), np.full(10, 5), 0.9, Reuse(prefixes=10), 1.0, 0, 1)
    assert "(90.0% wanted)" in note.value
    assert not note.value.startswith("90")


def names_of(made, row):
    return made.hashes[made.hash_start[row] : made.hash_start[row] + made.hash_count[row]].tolist()


def test_sessions_have_the_means_and_hits_of_the_profile():
    made, notes = generate("agent", Arrivals(rate=2.0), n=4000, sessions=Sessions(calls=8, shared_tokens=10_000))
    found = describe(made)
    assert found.isl.mean == pytest.approx(67_800, rel=0.03)
    assert found.prefix_frac == pytest.approx(0.857, abs=0.01)
    assert found.n_arriving == 500
    assert "500 of 8 calls (fixed)" in said(notes)["sessions"]
    assert said(notes)["arrivals"] == "0.25 sessions, 2 requests/s, gamma, CV 1.5"


def test_each_call_finds_the_prompt_and_answer_before_it():
    made = generate("agent", Arrivals(rate=2.0), n=64, sessions=Sessions(calls=8)).requests
    for row in range(64):
        if row % 8 == 0:
            assert made.after[row] == -1
            continue
        assert made.after[row] == row - 1
        assert made.session[row] == made.session[row - 1]
        assert made.isl[row] > made.isl[row - 1] + made.osl[row - 1]
        before = names_of(made, row - 1)
        assert names_of(made, row)[: len(before)] == before
    assert not set(names_of(made, 7)) & set(names_of(made, 8))
    assert found_tokens(made)[1] == (made.isl[0] + made.osl[0]) // 64 * 64


def test_system_prompts_are_shared_within_groups():
    sessions = Sessions(calls=1, first_isl=2000, new_tokens=1, shared_tokens=1024, shared_groups=3)
    made = generate("chat", Arrivals(rate=2.0), n=300, sessions=sessions).requests
    heads = [tuple(names_of(made, row)[:16]) for row in range(300)]
    assert len(set(heads)) == 3
    assert len({names_of(made, row)[16] for row in range(300)}) == 300
    assert made.isl.min() >= 1025


@pytest.mark.parametrize(("law", "calls", "mean_square"), [("fixed", 4, 16), ("even", 4, 20), ("geometric", 4, 28)])
def test_numbers_of_calls(law, calls, mean_square):
    made = generate(
        "chat", Arrivals(rate=2.0), n=40_000, sessions=Sessions(calls=calls, law=law, first_isl=100, new_tokens=50)
    ).requests
    counts = np.bincount(made.session)[:-1]  # the last session is cut at n
    assert counts.mean() == pytest.approx(calls, rel=0.03)
    assert (counts.astype(float) ** 2).mean() == pytest.approx(mean_square, rel=0.06)
    assert len(made) == 40_000


def test_gaps_between_answer_and_call():
    sessions = Sessions(calls=10, first_isl=100, new_tokens=50, gap_s=4.0, gap_cv=0.5)
    made = generate("chat", Arrivals(rate=2.0), n=20_000, sessions=sessions).requests
    waits = made.gap_s[made.after >= 0]
    assert waits.mean() == pytest.approx(4.0, rel=0.02)
    assert waits.std() == pytest.approx(2.0, rel=0.05)
    assert not made.gap_s[made.after < 0].any()
    still = generate("chat", Arrivals(rate=2.0), n=20, sessions=Sessions(first_isl=9, new_tokens=9, gap_s=0.0)).requests
    assert not still.gap_s.any()


def test_agents_work_on_one_session_after_another():
    sessions = Sessions(calls=3, first_isl=100, new_tokens=50)
    made = generate("chat", Arrivals(concurrency=4, think_s=5.0), n=30, sessions=sessions).requests
    assert made.concurrency == 0
    begins = np.arange(0, 30, 3)
    assert made.after[begins].tolist() == [-1] * 4 + [b - 10 for b in begins[4:].tolist()]
    assert not made.gap_s[begins[:4]].any()
    assert (made.gap_s[begins[4:]] > 0).all()


def test_a_session_ends_where_the_context_does():
    sessions = Sessions(calls=10, first_isl=1000, new_tokens=500, new_cv=0.0)
    made, notes = generate("chat", Arrivals(concurrency=2), n=100, sessions=sessions, context=4096, too_long="drop")
    assert (made.isl + made.osl).max() <= 4096
    assert len(np.unique(made.session)) == 10  # every session lives on, shorter
    begins = np.flatnonzero(np.diff(made.session, prepend=-1))
    assert (made.after[begins][2:] >= 0).all()
    assert "left out" in said(notes)["too long for the context"]
    with pytest.raises(BadInputError, match="no request of chat fits the context"):
        generate("chat", OPEN, n=5, context=50, too_long="drop")


def test_origins_and_priorities_by_request_and_by_session():
    made = generate("chat", OPEN, n=10_000, origins=(1, 3), priorities=(0.2, 0.8), reuse=Reuse(share=0.0)).requests
    assert np.bincount(made.origin) / 10_000 == pytest.approx([0.25, 0.75], abs=0.02)
    assert np.bincount(made.priority) / 10_000 == pytest.approx([0.2, 0.8], abs=0.02)
    talk = generate("chat", OPEN, n=600, sessions=Sessions(first_isl=100, new_tokens=50), origins=(1, 1)).requests
    assert all(len(set(talk.origin[talk.session == s])) == 1 for s in range(75))
    assert set(talk.origin) == {0, 1}


def test_choices_do_not_move_each_others_draws():
    plain = generate("chat", OPEN, n=100, seed=5).requests
    other = generate(
        "chat", Arrivals(rate=10.0, cv=3.0), n=100, reuse=Reuse(share=0.0), origins=(1, 1), seed=5
    ).requests
    assert plain.isl.tolist() == other.isl.tolist()
    assert plain.difficulty.tolist() == other.difficulty.tolist()
    assert plain.arrival_s.tolist() != other.arrival_s.tolist()
    assert generate("chat", OPEN, n=100, seed=6).requests.isl.tolist() != plain.isl.tolist()


def test_mean_lengths_of_sessions_follow_from_the_profile():
    with pytest.raises(BadInputError, match="sessions of 8 calls cannot have prompts of 1,200"):
        generate("chat", OPEN, n=10, sessions=Sessions())
    with pytest.raises(BadInputError, match="geometric length need new_tokens"):
        prompts_of(Sessions(law="geometric"), 1000.0, 100.0, 0.5)
    first, new = prompts_of(Sessions(law="geometric", new_tokens=20.0), 2000.0, 100.0, 0.5)
    assert first + 7 * (new + 100) == pytest.approx(2000.0)
    first, new = prompts_of(Sessions(first_isl=300.0), 2000.0, 100.0, 0.5)
    assert first + 3.5 * (new + 100) == pytest.approx(2000.0)
    assert prompts_of(Sessions(calls=1), 2000.0, 100.0, 0.5) == (2000.0, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Arrivals(), "either a rate"),
        (lambda: Arrivals(rate=1.0, concurrency=2), "either a rate"),
        (lambda: Arrivals(rate=-1.0), "rate is -1"),
        (lambda: Arrivals(rate=float("nan")), "rate is nan"),
        (lambda: Arrivals(rate=1.0, cv=0.0), "cv is 0"),
        (lambda: Arrivals(rate=1.0, cv=99.0), "cv is 99. Give at most 50"),
        (lambda: Arrivals(rate=1.0, law="normal"), "law is 'normal'. Give one of gamma, weibull, poisson"),
        (lambda: Arrivals(rate=1.0, law="poisson", cv=2.0), "a Poisson process has cv 1"),
        (lambda: Arrivals(rate=1.0, day="weekly"), "day is 'weekly'"),
        (lambda: Arrivals(rate=1.0, day="sine"), "peak_to_mean belongs to day=sine"),
        (lambda: Arrivals(rate=1.0, peak_to_mean=1.5), "peak_to_mean belongs to day=sine"),
        (lambda: Arrivals(rate=1.0, day="sine", peak_to_mean=2.5), "Give 1 to 2"),
        (lambda: Arrivals(concurrency=1, think_s=-1.0), "think_s is -1"),
        (lambda: Reuse(share=1.0), "share of prompts found is 1"),
        (lambda: Reuse(prefixes=0), "prefixes is 0"),
        (lambda: Reuse(interval_s=0.0), "interval_s is 0"),
        (lambda: Sessions(calls=0.5), "calls is 0.5"),
        (lambda: Sessions(calls=2.5), "Give a whole number, or the law geometric"),
        (lambda: Sessions(law="normal"), "law of calls is 'normal'"),
        (lambda: Sessions(gap_s=-1.0), "gap_s is -1"),
        (lambda: generate("chat", n=5), "say how requests come"),
        (lambda: generate("chat", OPEN), "how many requests to make"),
        (lambda: generate("chat", ALWAYS), "a closed loop ends"),
        (lambda: generate("chat", OPEN, n=0), "n is 0"),
        (lambda: generate("chat", OPEN, duration_s=0.0), "duration_s is 0"),
        (lambda: generate("chat", OPEN, duration_s=1e9), "would come in"),
        (lambda: generate("chat", Arrivals(rate=0.001), duration_s=1.0), "nothing comes within 1 s"),
        (lambda: generate(arrivals=OPEN, n=5), "give a workload, or both isl and osl"),
        (lambda: generate(isl=5, arrivals=OPEN, n=5), "give a workload, or both isl and osl"),
        (lambda: generate("chat", OPEN, isl=5, osl=5, n=5), "give a workload, or both isl and osl"),
        (lambda: generate(isl=0, osl=5, arrivals=OPEN, n=5), "isl is 0"),
        (lambda: generate(isl=5, osl=5, range_frac=1.0, arrivals=OPEN, n=5), "range of lengths is 1"),
        (lambda: generate("chat", OPEN, n=5, lengths="all"), "lengths is 'all'"),
        (lambda: generate("chat", OPEN, n=5, origins=()), "origins are none"),
        (lambda: generate("chat", OPEN, n=5, priorities=(-1, 2)), "priorities are -1, 2"),
        (lambda: generate("chat", OPEN, n=5, seed=1.5), "the seed is 1.5"),
    ],
)  # fmt: skip
def test_bad_choices(make, message):
    with pytest.raises(BadInputError, match=message):
        make()


def test_an_unknown_workload_is_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'chat'"):
        generate("chatt", OPEN, n=5)
