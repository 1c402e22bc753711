import json

import pytest

from drivetrain.errors import BadInputError, FileError
from drivetrain.scenario import ServeScenario
from drivetrain.scenario_file import choices_of, override, read_question

TOML = """
model = "llama-3.1-70b"
workload = "chat"
rate = "300 req/min"
accelerator = "h100-sxm"
max-num-seqs = 64
slo = { ttft_p95 = "2s", tpot_p95 = "50ms" }
"""


def test_toml_and_json_say_the_same(tmp_path):
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "a.json").write_text(json.dumps({
        "model": "llama-3.1-70b", "workload": "chat", "rate": 5, "accelerators": ["h100-sxm"], "max_num_seqs": 64,
        "slo": "ttft_p95=2s,tpot_p95=50ms", "isl": None,
    }))  # fmt: skip
    a, b = (read_question(tmp_path / name).scenario for name in ("a.toml", "a.json"))
    assert a == b
    assert (a.rate, a.accelerators, a.slo) == (5.0, ("h100-sxm",), "ttft_p95=2s,tpot_p95=50ms")


@pytest.mark.parametrize(
    ("extra", "verb"),
    [("rate = 5", "plan"), ("concurrency = 8", "predict"), ('rate = 5\nverb = "predict"', "predict"),
     ('rate = 5\nlayout = "tp1"\naccelerator = "h100"', "plan")],
)  # fmt: skip
def test_the_verb_is_said_or_inferred(tmp_path, extra, verb):
    path = tmp_path / "q.toml"
    path.write_text(f'model = "m"\nisl = 10\nosl = 5\n{extra}\n')
    assert read_question(path).verb == verb


def test_a_saved_plan_and_its_folder_hold_their_question(tmp_path):
    scenario = {"model": "m", "workload": "chat", "isl": None, "rate": 5.0, "accelerators": ["h100"], "engines": []}
    saved = {"feasible": True, "verdict": "…", "best": {"power_w": 1.0}, "scenario": scenario}
    (tmp_path / "plan.json").write_text(json.dumps(saved))
    for path in (tmp_path, tmp_path / "plan.json"):
        question = read_question(path)
        assert question.verb == "plan"
        assert question.answer == saved
        assert question.scenario == ServeScenario(model="m", workload="chat", rate=5.0, accelerators=("h100",))


def test_a_model_beside_the_file_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "q.toml").write_text('model = "config.json"\nworkload = "chat"\n')
    monkeypatch.chdir("/")
    assert read_question(tmp_path / "q.toml").scenario.model == str(tmp_path / "config.json")
    (tmp_path / "config.json").unlink()
    assert read_question(tmp_path / "q.toml").scenario.model == "config.json"


BAD = {
    "unknown field": ('model = "m"\nworkload = "chat"\nheadrom = 0.1', "Did you mean 'headroom'"),
    "two spellings": ('model = "m"\nworkload = "chat"\naccelerator = "a"\naccelerators = "b"', "twice"),
    "no model": ('workload = "chat"', "which model"),
    "wrong unit": ('model = "m"\nworkload = "chat"\nrate = "5 GB"', "bytes"),
    "text for a number": ('model = "m"\nworkload = "chat"\nrate = "fast"', "fast"),
    "truth for a number": ('model = "m"\nworkload = "chat"\nrate = true', "number"),
    "number for a name": ('model = 8', "text"),
    "number for names": ('model = "m"\nworkload = "chat"\naccelerators = 5', "list of names"),
    "list of numbers": ('model = "m"\nworkload = "chat"\naccelerators = [5]', "list of names"),
    "contradiction": ('model = "m"\nworkload = "chat"\nisl = 5\nosl = 5', "not both"),
    "out of range": ('model = "m"\nworkload = "chat"\nrate = -5', "positive"),
    "unknown verb": ('model = "m"\nworkload = "chat"\nverb = "simulate"', "plan or predict"),
    "not TOML": ("model = ", "TOML"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_says_nonsense_is_named_with_the_way_out(tmp_path, name):
    text, says = BAD[name]
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(FileError, match=r"bad\.toml") as caught:
        read_question(path)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("q.yaml", b"model: m", ".toml or .json"), ("q.json", b"{", "JSON"), ("q.json", b"[1]", "list"),
     ("q.json", b"\xff\xfe\x00", "UTF-8"), ("q.json", b"[" * 100_000, "q.json"),
     ("q.json", b'{"feasible": true, "best": null}', "without its scenario")],
)  # fmt: skip
def test_what_is_no_scenario_file_is_one_message(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileError, match=name) as caught:
        read_question(path)
    assert says in str(caught.value)


def test_missing_files_and_folders_without_a_plan(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_question(tmp_path / "nowhere.toml")
    with pytest.raises(FileError, match=r"plan\.json: no such file"):
        read_question(tmp_path)


def test_one_way_to_say_a_thing_replaces_the_other():
    chat = {"model": "m", "workload": "chat", "rate": 5.0}
    assert override(chat, {"isl": 10.0, "osl": 5.0}) == {"model": "m", "rate": 5.0, "isl": 10.0, "osl": 5.0}
    fixed = {"model": "m", "isl": 10.0, "osl": 5.0, "concurrency": 8.0}
    assert override(fixed, {"isl": 20.0}) == fixed | {"isl": 20.0}
    assert override(fixed, {"workload": "chat"}) == {"model": "m", "workload": "chat", "concurrency": 8.0}
    assert override(fixed, {"rate": 2.0}) == {"model": "m", "isl": 10.0, "osl": 5.0, "rate": 2.0}


def test_options_are_understood_as_the_command_line_spells_them():
    found = choices_of({"max-power": "200kW", "max": {"h100-sxm": 64}, "region": ["us", "germany"], "budget": "$50/h",
                        "with": {"power-cap": 0.7}, "isl": "2k", "headroom": "10%", "provider": "aws", "spares": "n+1",
                        "layout": {"prefill": {"layout": "tp4", "replicas": 2}, "decode": "tp8 x1"}})  # fmt: skip
    assert found == {"max_power_w": 200e3, "max": ("h100-sxm=64",), "region": "us,germany",
                     "budget_usd_per_hour": 50.0, "techniques": "power-cap=0.7", "isl": 2000.0,
                     "headroom": 0.1, "providers": ("aws",), "spares": 1,
                     "layouts": ("prefill=tp4 x2", "decode=tp8 x1")}  # fmt: skip
    with pytest.raises(BadInputError, match="budget_usd_per_hour"):
        choices_of({"budget": "much"})
