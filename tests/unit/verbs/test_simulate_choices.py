"""What a simulation's choices mean, in every spelling, and which contradict one another."""

import json

import pytest

from drivetrain.errors import BadInputError, DrivetrainError
from drivetrain.report.simulate_command import simulate_command
from drivetrain.verbs.simulate_choices import SimulateChoices, question_of
from drivetrain.verbs.simulate_file import read_simulation

BASE = {"model": "llama-3.1-8b", "accelerator": "h100-sxm", "rate": 5, "isl": 1000, "osl": 100}
LOOP = {"model": "llama-3.1-8b", "isl": 10, "osl": 10, "concurrency": 4}


def test_flat_choices_are_sorted_into_deployment_and_simulation():
    q = question_of(
        {**BASE, "replicas": 4, "route": "session", "scrape": "1s", "requests": "10k", "pool": "b: replicas=2"}
    )
    assert q.serve == {"model": "llama-3.1-8b", "accelerators": ("h100-sxm",), "rate": 5.0, "isl": 1000.0, "osl": 100.0}
    assert (q.own.replicas, q.own.route, q.own.scrape_s, q.own.requests) == (4, "session", 1.0, 10000)
    assert q.own.pools == ("b: replicas=2",)
    scenario = q.scenario(900.0, 80.0)
    assert (scenario.isl, scenario.rate) == (900.0, None)  # sized for what comes, whatever the rate


def test_what_was_chosen_can_be_asked_again():
    q = question_of({**BASE, "pools": ["a: replicas=1"], "horizon": "10min", "replications": 3})
    again = question_of(json.loads(json.dumps(q.flat())))
    assert again == q
    assert again.flat() == q.flat()


def test_changes_that_say_the_same_in_another_way_replace():
    q = question_of(BASE)
    assert "rate" not in q.changed({"concurrency": 8}).serve
    traced = q.changed({"trace": "x.csv"})
    assert (traced.own.trace, traced.serve.get("isl"), traced.serve["rate"]) == ("x.csv", None, 5.0)
    assert traced.changed({"workload": "chat"}).own.trace == ""
    drawn = question_of({**BASE, "requests": 50, "burstiness": 2}).changed({"trace": "x.csv"})
    assert drawn.own.requests is None
    assert q.changed({"replicas": "3"}).own.replicas == 3


def test_only_traffic_decides_what_the_requests_are():
    q = question_of(BASE)
    assert q.traffic() == q.changed({"route": "random", "replicas": 9, "kv": "fp8"}).traffic()
    for change in ({"rate": 6}, {"requests": 7}, {"sessions": "calls=2"}, {"prefix_hit": 0.5}):
        assert q.traffic() != q.changed(change).traffic()


BAD = {
    "no model": ({"rate": 5, "isl": 10, "osl": 10}, "--model"),
    "no traffic": ({"model": "m", "isl": 10, "osl": 10}, "--rate"),
    "no lengths": ({"model": "m", "rate": 5, "isl": 10}, "--osl"),
    "two kinds of load": ({**BASE, "concurrency": 5}, "not both"),
    "two kinds of lengths": ({**BASE, "workload": "chat"}, "not both"),
    "a trace with lengths": ({"model": "m", "trace": "x.csv", "isl": 10}, "--isl"),
    "a trace with a number of requests": ({"model": "m", "trace": "x.csv", "requests": 10}, "--limit"),
    "a trace scaled twice": ({"model": "m", "trace": "x.csv", "rate": 1, "speedup": 2}, "once"),
    "a limit without a trace": ({**BASE, "limit": 5}, "--trace"),
    "requests and duration": ({**BASE, "requests": 5, "duration": "1min"}, "not both"),
    "no replica": ({**BASE, "replicas": 0}, "--replicas"),
    "half a replica": ({**BASE, "replicas": 1.5}, "whole number"),
    "infinitely many": ({**BASE, "replicas": float("inf")}, "whole number"),
    "fewer at most than at first": ({**BASE, "replicas": 4, "max_replicas": 2}, "--max-replicas"),
    "a negative pause": ({**BASE, "retry": -1}, "--retry"),
    "not a number": ({**BASE, "horizon": float("nan")}, "--horizon"),
    "a wrong unit": ({**BASE, "horizon": "5 GB"}, "--horizon"),
    "an unknown rule": ({**BASE, "too_long": "cut"}, "truncate"),
    "a plan's choice": ({**BASE, "objective": "cost"}, "plan serve"),
    "a typo": ({**BASE, "repliccas": 4}, "replicas"),
    "a typo of a deployment's choice": ({**BASE, "acelerators": "x"}, "accelerators"),
    "the same twice": ({**BASE, "duration": "1min", "duration_s": 5}, "twice"),
    "a seed below zero": ({**BASE, "seed": -1}, "--seed"),
    "a closed loop for some time": (
        {"model": "m", "isl": 1, "osl": 1, "concurrency": 4, "duration": "1min"},
        "--requests",
    ),
    "a bursty closed loop": ({"model": "m", "isl": 1, "osl": 1, "concurrency": 4, "burstiness": 2}, "--burstiness"),
    "a text that is none": ({**BASE, "route": 5}, "--route"),
    "jitter without a trace": ({**BASE, "jitter": "1s"}, "--jitter goes with --trace"),
    "jitter backwards": ({"model": "m", "trace": "x.csv", "jitter": -1}, "--jitter"),
    "half a token": ({**BASE, "hash_tokens": 0.5}, "--hash-tokens"),
    "an unknown rule for names": ({"model": "m", "trace": "x.csv", "hashes": "some"}, "keep, drop"),
    "rows of a record of rates": (
        {"model": "m", "trace": "x", "lengths": "y", "speedup": 2},
        "--speedup means nothing",
    ),
    "output lengths of a record of rates": ({"model": "m", "trace": "x", "lengths": "y", "osl": 9}, "--osl"),
    "a category without its lengths": ({"model": "m", "trace": "x", "servegen": "reason"}, "--lengths"),
    "a pause in an open loop": ({**BASE, "think": 3}, "--concurrency"),
    "a pause in a trace": ({"model": "m", "trace": "x.csv", "think": 3}, "--concurrency"),
    "an hour of a flat day": ({**BASE, "start": "3h"}, "--day"),
    "a closed loop made faster": ({"model": "m", "trace": "x", "concurrency": 2, "speedup": 2}, "--speedup"),
    "a prompt of nothing": ({"model": "m", "rate": 1, "isl": 0, "osl": 5, "workload": "chat"}, "not both"),
    "nobody in flight": ({**LOOP, "concurrency": 0}, "at least 1"),
    "a choice of nothing": ({**BASE, "xyzzy": 1}, "drivetrain simulate --help"),
    "a word for a number": ({**BASE, "replicas": "many"}, "plain number"),
    "no context": ({**BASE, "max_context": 1}, "--max-context"),
    "no requests": ({**BASE, "requests": 0.0}, "not 0."),
}


@pytest.mark.parametrize("name", BAD)
def test_contradictions_are_named_in_one_line(name):
    choices, hint = BAD[name]
    with pytest.raises(BadInputError) as error:
        question_of(choices)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


def test_what_traces_are_read_by():
    """The clock's tick is told from the file unless a number of seconds is given; 0 leaves arrivals as they are."""
    trace = {"model": "m", "trace": "x.jsonl"}
    assert question_of(trace).own.jitter_s is question_of({**trace, "jitter": "auto"}).own.jitter_s is None
    assert question_of({**trace, "jitter": "0s"}).own.jitter_s == 0.0
    q = question_of({**trace, "osl": 200, "hash_tokens": "1k", "file_hash_tokens": 512, "jitter": 3})
    assert (q.number("osl"), q.own.hash_tokens, q.own.file_hash_tokens, q.own.jitter_s) == (200.0, 1000, 512, 3.0)
    again = question_of(json.loads(json.dumps(q.flat())))
    assert again == q
    assert "--jitter 3s" in simulate_command(q.flat())
    for change in ({"jitter": 0}, {"hashes": "drop"}, {"max_context": 99}, {"chars_per_token": 3}):
        assert q.traffic() != q.changed(change).traffic()


def test_the_context_is_the_smaller_of_the_models_and_what_is_asked():
    assert question_of(BASE).context(131072.0) == 131072
    assert question_of({**BASE, "max_context": "8k"}).context(131072.0) == 8000
    assert question_of({**BASE, "max_context": 200_000}).context(131072.0) == 131072


def test_every_choice_has_a_documented_name():
    for name in SimulateChoices.__slots__:
        assert f"``{name}``" in (SimulateChoices.__doc__ or ""), name


def test_a_command_line_asks_what_was_asked(tmp_path):
    q = question_of({**BASE, "pools": ["b: layout=tp2, replicas=2"], "slo": "ttft_p95=1s", "scrape": 0.5, "kv": "fp8"})
    text = simulate_command(q.flat(), replicas=3)
    assert "--pool 'b: layout=tp2, replicas=2'" in text
    assert "--scrape 0.5s" in text
    assert "--replicas 3" in text
    assert "--too-long" not in text
    assert "--max-replicas" not in text


def test_files_hold_questions_answers_and_plans(tmp_path):
    (tmp_path / "t.csv").write_text("arrival_s,input_tokens,output_tokens\n0,5,5\n")
    file = tmp_path / "s.toml"
    file.write_text('verb = "simulate"\nmodel = "llama-3.1-8b"\naccelerator = "h100-sxm"\ntrace = "t.csv"\n'
                    'compare = "route=random,session"\nhorizon = "10 min"\n')  # fmt: skip
    found = read_simulation(file)
    assert found["trace"] == str(tmp_path / "t.csv")
    assert found.pop("compare") == "route=random,session"
    assert question_of(found).own.horizon_s == 600.0
    q = question_of(BASE)
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps({"scenario": q.flat(), "ttft_s": {}}))
    assert question_of(read_simulation(answer)) == q
    best = {"accelerator": "h100-sxm-80gb", "layout": "tp1", "engine": "vllm-0.19", "weight_dtype": "bf16", "with": "",
            "kv_dtype": "bf16", "output_changes": [], "max_concurrency": 256, "max_batched_tokens": 8192,
            "replicas": 3}  # fmt: skip
    scenario = {"model": "llama-3.1-8b", "workload": "chat", "rate": 20.0, "slo": "", "headroom": 0.1, "kv": "shipped"}
    (tmp_path / "plan.json").write_text(json.dumps({"feasible": True, "best": best, "scenario": scenario}))
    planned = question_of(read_simulation(tmp_path))
    assert (planned.own.replicas, planned.serve["layouts"], planned.serve["rate"]) == (3, ("tp1",), 20.0)
    assert "headroom" not in planned.serve


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("a.toml", 'model = "m"\nroutte = "random"\n', "route"),
        ("b.toml", 'verb = "train"\n', "verb"),
        ("c.json", '{"feasible": false, "best": null, "scenario": {"model": "m"}}', "feasible"),
        ("d.toml", "model = \n", "TOML"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, text, hint):
    (tmp_path / name).write_text(text)
    with pytest.raises(DrivetrainError) as error:
        read_simulation(tmp_path / name)
    assert name in str(error.value)
    assert hint in str(error.value)
