import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_arrays import options, request, requests

from drivetrain.serving import policies
from drivetrain.serving.policies import dispatch
from drivetrain.serving.policies import signals as s

SCHEDULES, SELECTS = policies.BUILT_IN["schedule"], policies.BUILT_IN["select"]
STATE, DRAWS = np.zeros(s.N_STATE), np.zeros(4)


def key(text, row):
    policy = policies.parse("schedule", text)
    return policies.python_function("schedule", policy.name)(row, options("schedule", text))


def chosen(text, row, n_services=3):
    policy = policies.parse("select", text)
    function = policies.python_function("select", policy.name)
    return function(row, np.zeros((n_services, s.N_SERVICE)), STATE, DRAWS, options("select", text))


@pytest.mark.parametrize("text", [*SCHEDULES, "priority:aging=30s", "shortest:output=1,aging=100 tok/s"])
@given(row=requests())
def test_keys_agree_bit_for_bit(text, row):
    name = text.partition(":")[0]
    found = dispatch.key(SCHEDULES.index(name), row, options("schedule", text))
    assert np.float64(found).tobytes() == np.float64(key(text, row)).tobytes()


@pytest.mark.parametrize("text", [*SELECTS, "cascade:skill=0.2,skill_2=0.5", "by-difficulty:threshold=0.1"])
@given(row=requests(), stage=st.integers(0, 5), n=st.integers(1, 5))
def test_choices_agree_and_exist(text, row, stage, n):
    row[s.STAGE] = stage
    name = text.partition(":")[0]
    services = np.zeros((n, s.N_SERVICE))
    found = dispatch.choose(SELECTS.index(name), row, services, STATE, DRAWS, options("select", text))
    assert found == chosen(text, row, n)
    assert -1 <= found < n
    assert stage > 0 or found >= 0, "the first stage always goes somewhere"


def test_fcfs_knows_no_difference():
    assert key("fcfs", request(isl=5, priority=1)) == key("fcfs", request(isl=900, enqueued_s=7))


def test_priority_goes_by_class_and_with_aging_by_time_as_well():
    urgent, patient = request(priority=0, enqueued_s=100.0), request(priority=1, enqueued_s=60.0)
    assert key("priority", urgent) < key("priority", patient)
    assert key("priority:aging=30s", urgent) > key("priority:aging=30s", patient), "it has waited 40 s longer"
    assert key("priority:aging=50s", urgent) < key("priority:aging=50s", patient)


def test_shortest_goes_by_tokens():
    assert key("shortest", request(isl=10, osl=900)) < key("shortest", request(isl=20, osl=1))
    assert key("shortest:output=1", request(isl=10, osl=900)) == 910
    early, late = request(isl=300, enqueued_s=0.0), request(isl=100, enqueued_s=3.0)
    assert key("shortest:aging=100 tok/s", early) < key("shortest:aging=100 tok/s", late)


def test_one_model_sends_all_to_it_and_keeps_the_answer():
    assert chosen("one-model", request()) == 0
    assert chosen("one-model:service=2", request()) == 2
    assert chosen("one-model", request(stage=1)) == -1


def test_by_difficulty_counts_thresholds():
    text = "by-difficulty:threshold=0.3,threshold_2=0.6"
    assert [chosen(text, request(difficulty=x)) for x in (0.0, 0.3, 0.59, 0.6, 0.99)] == [0, 1, 1, 2, 2]
    assert chosen(text, request(difficulty=0.99), n_services=2) == 1
    assert chosen(text, request(difficulty=0.99, stage=1)) == -1


def stages(text, difficulty, n_services=3):
    """Services that answer one after another."""
    seen = []
    while True:
        service = chosen(text, request(difficulty=difficulty, stage=len(seen)), n_services)
        if service < 0:
            return seen
        seen.append(service)


def test_a_cascade_escalates_what_is_too_hard():
    text = "cascade:skill=0.5,skill_2=0.8"
    assert stages(text, 0.5) == [0]
    assert stages(text, 0.51) == [0, 1]
    assert stages(text, 0.8) == [0, 1]
    assert stages(text, 0.9) == [0, 1, 2]
    assert stages(text, 0.9, n_services=2) == [0, 1]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(1, 6))
def test_every_cascade_ends(difficulty, skill, skill_2, n):
    seen = stages(f"cascade:skill={skill!r},skill_2={skill_2!r},skill_3=0", difficulty, n)
    assert seen == list(range(len(seen)))
    assert 1 <= len(seen) <= min(n, 4)
