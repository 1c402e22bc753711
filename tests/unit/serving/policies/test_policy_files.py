"""A user's own policies in a file."""

import re
from pathlib import Path

import numpy as np
import pytest
from policy_arrays import decision, endpoints, picked
from policy_fixtures import clean_registry  # noqa: F401 - a fixture

from drivetrain.errors import FileError
from drivetrain.serving import policies
from drivetrain.serving.policies import signals
from drivetrain.serving.sim.records import Policy

pytestmark = pytest.mark.usefixtures("clean_registry")

HOWTO = Path(__file__).parents[4] / "docs" / "howto"
GUIDE, EXAMPLE = HOWTO / "write-a-policy.md", HOWTO / "policies" / "calm.py"

CALM = """
import numpy as np
from drivetrain.serving.policies import register
from drivetrain.serving.policies.signals import ALIVE, INFLIGHT, KV_FRAC

@register("route")
def calm(request, endpoints, state, draws, scores, *, kv_frac=0.9):
    "The least loaded among those whose cache is not full."
    scores[:] = -endpoints[:, INFLIGHT] - 1000 * (endpoints[:, KV_FRAC] > kv_frac)
    scores[endpoints[:, ALIVE] == 0] = -np.inf
"""


def test_a_file_of_ten_lines_is_a_policy(tmp_path):
    file = tmp_path / "calm.py"
    file.write_text(CALM)
    assert policies.load_file(file) == (("route", "calm"),)
    assert policies.parse("route", "calm:kv=50%") == Policy("calm", (0.5,))
    assert policies.found("route", "calm").summary.startswith("The least loaded")
    d = decision(endpoints(3, inflight=[9, 1, 2], kv_frac=[0.2, 0.8, 0.3]))
    assert picked("calm", d) == 1
    assert picked("calm:kv=50%", d) == 2
    assert np.isfinite(d.endpoints).all()


def test_a_file_that_is_read_again_replaces_what_it_said(tmp_path):
    file = tmp_path / "calm.py"
    file.write_text(CALM)
    policies.load_file(file)
    file.write_text(CALM.replace("def calm", "def wild").replace("0.9", "0.7"))
    assert policies.load_file(str(file)) == (("route", "wild"),)
    assert policies.names("route")[-1] == "wild"
    assert "calm" not in policies.names("route")


def test_two_files_do_not_take_each_others_names(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "calm.py").write_text(CALM)
    policies.load_file(tmp_path / "a" / "calm.py")
    with pytest.raises(FileError, match=r"b/calm\.py.*registered by .*a/calm\.py already"):
        policies.load_file(tmp_path / "b" / "calm.py")
    assert policies.found("route", "calm").source == str(tmp_path / "a" / "calm.py")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n", "registers no policy. Put @register"),
        ("x = 1\ny = 1 / 0\n", r"mine\.py, line 2: ZeroDivisionError: division by zero"),
        ("x = 1\ndef broken(:\n", r"mine\.py, line 2: SyntaxError"),
        (CALM.replace("*, kv_frac=0.9", "kv"), r"mine\.py: route policy 'calm': 'kv' is an option"),
        (CALM.replace("def calm", "def random"), r"mine\.py: route policy 'random' .*built in already"),
        (CALM.replace('"route"', '"rout"'), r"mine\.py: unknown kind of policy 'rout'. Did you mean 'route'"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(tmp_path, text, says):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(FileError, match=says) as caught:
        policies.load_file(file)
    assert caught.value.exit_code == 2


def test_a_missing_file_and_one_that_is_not_python(tmp_path):
    with pytest.raises(FileError, match=r"there is no policy file nowhere\.py"):
        policies.load_file("nowhere.py")
    (tmp_path / "mine.txt").write_text(CALM)
    with pytest.raises(FileError, match=r"must end in \.py"):
        policies.load_file(tmp_path / "mine.txt")


def test_the_guide_shows_its_file_and_the_file_is_a_policy():
    assert f"```text\n{EXAMPLE.read_text()}```" in GUIDE.read_text()
    assert policies.load_file(EXAMPLE) == (("route", "calm"),)
    assert picked("calm:kv=50%", decision(endpoints(3, inflight=[9, 1, 2], kv_frac=[0.2, 0.8, 0.3]))) == 2


@pytest.mark.parametrize("columns", ["N_REQUEST", "N_ENDPOINT", "N_SERVICE", "N_POOL"])
def test_the_guide_names_every_column(columns):
    lines = Path(signals.__file__).read_text().split(f"\n{columns} = ")[0]
    names = re.findall(r"[A-Z][A-Z_]+", lines.rpartition("\n\n(")[2].partition(")")[0])
    assert len(names) == getattr(signals, columns)
    assert [name for name in names if f"`{name}`" not in GUIDE.read_text()] == []
