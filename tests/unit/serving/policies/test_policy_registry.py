# ruff: noqa: ARG005 - parameters of policies have fixed names

import dataclasses
import sys

import numpy as np
import pytest
from policy_fixtures import clean_registry  # noqa: F401 - a fixture

from drivetrain.errors import BadInputError, UnknownNameError
from drivetrain.serving import policies
from drivetrain.serving.policies import dispatch, entries
from drivetrain.serving.sim.records import Policies, Policy

pytestmark = pytest.mark.usefixtures("clean_registry")

BUILT_IN = [(kind, name) for kind in policies.KINDS for name in policies.BUILT_IN[kind]]
CALLED = {"route": "score", "admit": "admit", "schedule": "key", "select": "choose", "scale": "desired"}


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_every_built_in_says_what_it_does_and_stands_in_its_file(kind, name):
    found = policies.found(kind, name)
    assert not found.custom
    assert found.source == f"drivetrain.serving.policies.{kind}.{name.replace('-', '_')}"
    assert found.summary.endswith(".")
    text = found.made.__doc__
    assert "Equation:" in text
    assert "Reads\n" in text or "Reads " in text
    assert dataclasses.is_dataclass(found.made)
    assert found.made() == found.made(**{o.name: o.default for o in found.options})
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
        found.made().extra = 1.0


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_the_dispatcher_calls_the_policy_of_the_code(kind, name, monkeypatch):
    called = []
    for other in policies.BUILT_IN[kind]:
        place = f"{other.replace('-', '_')}_{CALLED[kind]}"
        assert getattr(dispatch, place) is policies.found(kind, other).function
        monkeypatch.setattr(dispatch, place, lambda *a, other=other: called.append(other) or 1)
    arguments = tuple(object() for _ in entries.ARGUMENTS[kind])
    getattr(dispatch, CALLED[kind]).py_func(policies.code_of(kind, name), *arguments)
    assert called == [name]


def test_codes_are_places():
    for kind in policies.KINDS:
        assert [policies.code_of(kind, name) for name in policies.BUILT_IN[kind]] == list(
            range(len(policies.BUILT_IN[kind]))
        )
        assert [found.name for found in policies.everything(kind)] == list(policies.names(kind))


def test_the_list_has_every_policy_with_options_that_can_be_read():
    rows = policies.listed()
    assert [(row["kind"], row["name"]) for row in rows][: len(BUILT_IN)] == BUILT_IN
    for row in rows:
        text = f"{row['name']}:{row['options']}" if row["options"] else row["name"]
        assert policies.parse(row["kind"], text) == policies.parse(row["kind"], row["name"])
        assert row["summary"]


def test_default_policies_of_a_fleet_exist_and_take_their_options():
    chosen = Policies()
    for kind in policies.KINDS:
        policy = getattr(chosen, kind)
        assert policies.code_of(kind, policy.name) >= 0
        assert (policies.option_values(kind, policy) == 0).all() or policies.found(kind, policy.name).options


def test_an_unknown_policy_or_kind_says_what_was_meant():
    with pytest.raises(UnknownNameError, match=r"unknown route policy 'least-load'\. Did you mean 'least-loaded'"):
        policies.code_of("route", "least-load")
    with pytest.raises(UnknownNameError, match="Policies: fcfs, priority, shortest"):
        policies.parse("schedule", "sjf")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'route'"):
        policies.parse("routing", "random")


def test_option_values_fill_in_defaults_and_check():
    assert list(policies.option_values("route", Policy("prefix-aware"))[:4]) == [0.3, 64.0, 1.5, 0.0]
    assert list(policies.option_values("route", Policy("prefix-aware", (0.5,)))[:4]) == [0.5, 64.0, 1.5, 0.0]
    with pytest.raises(BadInputError, match="has 0 options; 1 are given"):
        policies.option_values("route", Policy("random", (1.0,)))
    with pytest.raises(BadInputError, match="burst must be at least 1"):
        policies.option_values("admit", Policy("token-bucket", (1.0, 0.0)))


def test_what_runners_must_keep_is_what_is_read():
    assert policies.reads("route", "least-loaded") == frozenset()
    assert policies.reads("route", "prefix-events") == {"HIT_EXACT"}
    assert policies.reads("route", "weighted") == {"QUEUE", "KV_FRAC", "HIT_APPROX"}


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, n in BUILT_IN if k == "route"])
def test_what_is_read_is_what_the_source_names(kind, name):
    used = set(policies.python_function(kind, name).__code__.co_names)
    assert used & entries.SIGNALS == policies.reads(kind, name)


def test_a_plain_function_is_a_policy_with_its_keywords_as_options():
    @policies.register("route")
    def my_choice(request, endpoints, state, draws, scores, *, weight=2.0, limit_s=1.0):
        """Mine."""
        scores[:] = weight * endpoints - limit_s

    assert policies.parse("route", "my_choice:limit=500ms") == Policy("my-choice", (2.0, 0.5))
    assert policies.is_custom("route", "my-choice")
    assert policies.code_of("route", "my-choice") == -1
    assert policies.reads("route", "my-choice") == entries.SIGNALS
    assert policies.names("route")[-1] == "my-choice"
    values = policies.option_values("route", policies.parse("route", "my-choice:weight=3"))
    scores = np.zeros(2)
    policies.python_function("route", "my-choice")(None, np.array([5.0, 6.0]), None, None, values, scores)
    assert list(scores) == [14.0, 17.0]


@pytest.mark.parametrize(
    ("kind", "function", "says"),
    [
        ("route", lambda request, endpoints, scores: None, r"must begin with the parameters \(request, endpoints"),
        ("schedule", lambda request, weight: 0.0, "'weight' is an option and needs a number as its default"),
        ("schedule", lambda request, weight="much": 0.0, "'weight' is an option and needs a number"),
        ("admit", lambda request, endpoints, state, draws, *rest: True, "'rest' is an option and needs a number"),
        ("scale", lambda pool, state, a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1, i=1: 1, "9 options; 8 are the most"),
    ],
)
def test_a_function_of_the_wrong_shape_is_refused(kind, function, says):
    with pytest.raises(BadInputError, match=says):
        policies.register(kind, "odd")(function)
    assert "odd" not in policies.names(kind)


def test_a_class_of_the_wrong_shape_is_refused():
    with pytest.raises(BadInputError, match="must be a dataclass and name its function"):
        policies.register("route", "odd")(type("Odd", (), {}))
    with pytest.raises(BadInputError, match=r"reads \['AGE'\]"):
        policies.register("schedule", "odd", reads=("AGE",))(lambda request: 0.0)


def test_a_dataclass_of_another_package_is_a_policy():
    @dataclasses.dataclass(frozen=True)
    class Patient:
        """The later the better."""

        kv: float = 1.0
        kv_frac: float = 0.5

    policies.register("schedule", "patient", lambda request, options: options[0], reads=())(Patient)
    assert policies.parse("schedule", "patient:kv=3").options == (3.0, 0.5), "a full name before a short one"
    assert policies.parse("schedule", "patient:kv_frac=3").options == (1.0, 3.0)
    assert policies.is_custom("schedule", "patient")
    assert policies.python_function("schedule", "patient")(None, [7.0]) == 7.0

    @dataclasses.dataclass(frozen=True)
    class Demanding:
        """Without a default."""

        weight: float

    with pytest.raises(BadInputError, match="'weight' is an option and needs a number"):
        policies.register("schedule", "demanding", lambda request, options: 0.0)(Demanding)


def test_nobody_takes_the_name_of_a_built_in():
    with pytest.raises(BadInputError, match="the name is built in already"):
        policies.register("schedule", "fcfs")(lambda request: 0.0)
    assert policies.python_function("schedule", "fcfs")(None, None) == 0.0


def test_an_entry_point_is_a_door(tmp_path, monkeypatch):
    (tmp_path / "acme_policies.py").write_text(
        "from drivetrain.serving.policies import register\n"
        "@register('schedule')\n"
        "def last_come(request):\n"
        "    'The latest first.'\n"
        "    return -request[10]\n"
    )
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[drivetrain.policies]\nacme = acme_policies\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert policies.parse("schedule", "last-come") == Policy("last-come")
    assert policies.is_custom("schedule", "last-come")
    assert "last-come" in [found.name for found in policies.everything("schedule")]
    sys.modules.pop("acme_policies")


def test_a_broken_entry_point_is_named_and_leaves_built_ins_alone(tmp_path, monkeypatch):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[drivetrain.policies]\nbroken = no_such_module_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert policies.parse("route", "least-loaded") == Policy("least-loaded")
    with pytest.raises(BadInputError, match=r"entry point 'broken' .*no_such_module_at_all.*does not load"):
        policies.parse("route", "acme")
