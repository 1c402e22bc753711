import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.errors import BadInputError, UnitError, UnknownNameError
from drivetrain.serving import policies
from drivetrain.serving.sim.records import Policy

BUILT_IN = [(kind, name) for kind in policies.KINDS for name in policies.BUILT_IN[kind]]


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_a_name_alone_has_its_defaults_and_reads_back(kind, name):
    policy = policies.parse(kind, f" {name.upper()} ")
    assert policy == Policy(name, tuple(o.default for o in policies.found(kind, name).options))
    assert policies.written(kind, policy) == name
    assert policies.parse(kind, policies.written(kind, policy)) == policy


@given(
    queue=st.floats(0, 1e6),
    kv=st.floats(0, 1e-3),
    prefix=st.integers(0, 10**9),
)
def test_what_is_written_is_what_is_read(queue, kv, prefix):
    policy = Policy("weighted", (queue, kv, 0.0, float(prefix)))
    assert policies.parse("route", policies.written("route", policy)) == policy


@pytest.mark.parametrize(
    ("kind", "text", "options"),
    [
        ("admit", "slo-aware:ttft=500ms", (0.5,)),
        ("admit", "slo-aware:ttft_s=0.5", (0.5,)),
        ("admit", "token-bucket: burst = 5 , rate = 120 req/min", (2.0, 5.0)),
        ("route", "prefix-aware:match_frac=20%", (0.2, 64.0, 1.5)),
        ("route", "least-tokens:per-request=4 tok", (4.0,)),
        ("schedule", "shortest:aging=100 tok/s", (0.0, 100.0)),
        ("scale", "target-queue:down_after=2min", (5.0, 0.5, 0.1, 120.0)),
    ],
)
def test_options_have_units(kind, text, options):
    assert policies.parse(kind, text).options == options


@pytest.mark.parametrize(
    ("kind", "text", "error", "says"),
    [
        ("route", "prefix-aware:balance_ab=8", UnknownNameError, "Did you mean 'balance_abs'"),
        ("route", "random:seed=1", UnknownNameError, "unknown option of the route policy 'random' 'seed'. It takes no"),
        ("admit", "slo-aware:ttft=5 GB", UnitError, r"admit policy 'slo-aware', option ttft_s: '5 GB' is in bytes"),
        ("admit", "slo-aware:ttft=soon", UnitError, "option ttft_s: cannot read 'soon'"),
        ("admit", "slo-aware:ttft", BadInputError, r"cannot read 'ttft'. With its defaults it is slo-aware:ttft=2"),
        ("admit", "slo-aware:", BadInputError, "nothing follows the colon"),
        ("admit", "slo-aware:ttft=1s,", BadInputError, "cannot read ''"),
        ("admit", "slo-aware:ttft=1s,ttft_s=2", BadInputError, "'ttft_s' is given twice"),
        ("admit", "slo-aware:ttft=0s", BadInputError, "ttft_s must be above 0"),
        ("admit", "token-bucket:burst=0.5", BadInputError, "burst must be at least 1"),
        ("route", "prefix-aware:match=1.5", BadInputError, "match_frac is 0 to 1"),
        ("route", "session:bound=0.5", BadInputError, "bound is 0"),
        ("select", "one-model:service=0.5", BadInputError, "number of a service"),
        ("select", "by-difficulty:threshold=0.9,threshold_2=0.1", BadInputError, "do not fall"),
        ("select", "cascade:skill=2", BadInputError, "skill is 0 to 1"),
        ("scale", "predictive:trend=0", BadInputError, "above 0 and at most 1"),
        ("scale", "target-queue:target=-1", BadInputError, "target must be above 0"),
        ("route", "weighted:kv=-1", BadInputError, "kv must be at least 0"),
    ],
)
def test_what_is_wrong_is_said(kind, text, error, says):
    with pytest.raises(error, match=says) as caught:
        policies.parse(kind, text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("none", ("none", 0.0)),
        ("LRU", ("lru", 0.0)),
        ("lru,host=64GB", ("lru", 64e9)),
        ("lru:host=1GiB", ("lru", 1024.0**3)),
    ],
)
def test_cache_choices(text, choice):
    assert policies.cache_choice(text) == choice


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lfu", "unknown cache 'lfu'. Did you mean 'lru'"),
        ("lru,disk=1TB", "the only option is host"),
        ("lru,host", "the only option is host"),
        ("none,host=1GB", "without a cache"),
        ("lru,host=1s", "is in s, but bytes"),
        ("lru,host=-1GB", "cannot be negative"),
    ],
)
def test_wrong_cache_choices(text, says):
    with pytest.raises(BadInputError, match=says):
        policies.cache_choice(text)
