"""Saving a plan: everything in the folder, or no folder."""

import json
import os
import pathlib
import shlex
import stat

import pytest
import yaml
from deployable_plans import DENSE, EXPERTS, plan_of

from drivetrain.deploy.read_args import scenario_from_args
from drivetrain.deploy.save import check_folder, deployable, save_plan
from drivetrain.errors import FileError, InfeasibleError, UnsupportedError

WORKLOAD = {"workload": "azure-2023-conv", "isl": None, "osl": None}
LENGTHS = {"workload": "", "isl": 1000.0, "osl": 200.0}


def answer(weights=DENSE, scenario=WORKLOAD, **changes):
    return {
        "feasible": True, "verdict": "A plan.", "best": plan_of(weights, **changes),
        "scenario": {"model": weights["model"], "slo": "tpot_p95=50ms", "prefix_hit": None, **scenario},
        "assumptions": [{"what": "pue", "value": 1.2, "source": "somewhere"}],
    }  # fmt: skip


def test_a_folder_holds_all_that_starts_the_plan(tmp_path):
    plan = answer()
    folder = save_plan(plan, tmp_path / "plan")
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "kubernetes.yaml", "launch.sh", "plan.json"]
    assert json.loads((folder / "plan.json").read_text()) == json.loads(json.dumps(plan))
    assert (folder / "launch.sh").stat().st_mode & stat.S_IXUSR
    assert [d["kind"] for d in yaml.safe_load_all((folder / "kubernetes.yaml").read_text())] == [
        "Deployment",
        "Service",
    ]
    readme = (folder / "README.md").read_text()
    for said in ("A plan.", "pue: 1.2 (somewhere)", "`launch.sh`", "drivetrain predict serve --from-args", "0.19.1"):
        assert said in readme
    assert list(tmp_path.iterdir()) == [folder], "nothing is left beside it"


def test_the_readmes_check_reads_its_own_launch_line(tmp_path):
    folder = save_plan(answer(layout="tp2"), tmp_path / "plan")
    check = next(line for line in (folder / "README.md").read_text().splitlines() if line.startswith("drivetrain"))
    words = shlex.split(check)
    line = words[words.index("--from-args") + 1]
    assert scenario_from_args(line).choices["layouts"] == ("tp2",)
    assert line in (folder / "launch.sh").read_text()


def test_requests_of_the_workload_fit_the_context():
    fixed = deployable(answer(scenario=LENGTHS)).files["launch.sh"]
    assert "--max-model-len 2048" in fixed  # 1200 tokens, rounded up
    longest = deployable(answer(scenario=LENGTHS | {"isl": 131_000.0, "osl": 72.0})).files["launch.sh"]
    assert "--max-model-len 131072" in longest  # never beyond the model's own


def test_prefix_caching_follows_the_question():
    on = deployable(answer(scenario=LENGTHS | {"prefix_hit": 0.5})).files["launch.sh"]
    off = deployable(answer(scenario=LENGTHS | {"prefix_hit": 0.0})).files["launch.sh"]
    unsaid = deployable(answer(scenario=LENGTHS)).files["launch.sh"]
    assert " --enable-prefix-caching" in on
    assert " --no-enable-prefix-caching" in off
    assert "prefix-caching" not in unsaid


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        ({"engine": "trtllm-1.2"}, {"server-options.yaml", "kubernetes.yaml"}),
        ({"engine": "trtllm-1.2", "layout": "tp16"}, {"server-options.yaml", "hosts", "kubernetes.yaml"}),
        ({"layout": {"prefill": {"layout": "tp4", "replicas": 2}, "decode": {"layout": "tp8"}}}, {"llm-d-values.yaml"}),
        ({"layout": "tp8pp2", "engine": "sglang-0.5"}, {"kubernetes.yaml"}),
    ],
)
def test_folders_differ_by_what_the_plan_needs(changes, files):
    written = deployable(answer(**changes)).files
    assert set(written) == files | {"README.md", "launch.sh", "plan.json"}
    for name, text in written.items():
        if name.endswith(".yaml"):
            assert all(isinstance(doc, dict) for doc in yaml.safe_load_all(text))
        assert text.endswith("\n")
    assert all(f"`{name}`" in written["README.md"] for name in written if name != "README.md")


def test_what_no_flag_does_is_left_to_the_person():
    techniques = {"power_cap": 0.7, "sparsity": "2:4", "lora_adapters": 8, "lora_rank": 16, "speculative": "eagle"}
    text = deployable(answer(techniques=techniques)).files["README.md"]
    for said in ("70% of its TDP", "pruned 2:4", "--lora-modules", "REPLACE-WITH-THE-EAGLE-HEAD"):
        assert said in text
    support = {"status": "unverified", "reasons": ["nobody ran it"], "notes": []}
    text = deployable(answer(tier="roofline", support=support)).files["README.md"]
    assert "unverified. nobody ran it" in text
    assert "roofline" in text


def test_the_script_runs_in_a_shell(tmp_path):
    """A stand-in for the engine receives exactly the words of the line."""
    folder = save_plan(answer(EXPERTS, layout="dp16ep16", techniques={"speculative": "mtp"}), tmp_path / "plan")
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "vllm").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (fake / "vllm").chmod(0o755)
    import subprocess

    def run(*args, **environment):
        return subprocess.run(
            [str(folder / "launch.sh"), *args], capture_output=True, text=True, check=False,
            env={"PATH": f"{fake}:{os.environ['PATH']}", **environment},
        )  # fmt: skip

    words = run("server-node-1", HEAD_ADDRESS="10.0.0.1").stdout.splitlines()
    assert words[:2] == ["serve", "deepseek-ai/DeepSeek-V3"]
    assert words[words.index("--data-parallel-address") + 1] == "10.0.0.1"
    assert json.loads(words[words.index("--speculative-config") + 1])["method"] == "mtp"
    missing = run("server-node-0")
    assert missing.returncode != 0
    assert "HEAD_ADDRESS" in missing.stderr
    assert run().returncode == 2


def test_nothing_is_left_when_writing_fails_in_the_middle(tmp_path, monkeypatch):
    written = []
    write = pathlib.Path.write_text

    def failing(self, text, *args, **kwargs):
        written.append(self.name)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return write(self, text, *args, **kwargs)

    monkeypatch.setattr(pathlib.Path, "write_text", failing)
    with pytest.raises(FileError, match="No space left on device"):
        save_plan(answer(), tmp_path / "plan")
    assert len(written) == 3, "it did fail in the middle"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_it_is_interrupted(tmp_path, monkeypatch):
    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_plan(answer(), tmp_path / "plan")
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_cannot_be_told_leaves_nothing(tmp_path):
    with pytest.raises(UnsupportedError, match="jetstream"):
        save_plan(answer(engine="jetstream"), tmp_path / "plan")
    with pytest.raises(InfeasibleError, match="no plan to save"):
        save_plan(answer() | {"best": None}, tmp_path / "plan")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "plan").mkdir()
    assert (save_plan(answer(), tmp_path / "plan") / "plan.json").is_file()


def test_what_is_there_is_never_overwritten(tmp_path):
    full, file, dangling = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    full.mkdir()
    (full / "mine").write_text("keep")
    file.write_text("keep")
    dangling.symlink_to(tmp_path / "nowhere")
    for target, says in ((full, "not empty"), (file, "is no folder"), (dangling, "is no folder"),
                         (tmp_path / "no" / "plan", "does not exist"), (file / "plan", "does not exist"),
                         ("", "say which folder")):  # fmt: skip
        with pytest.raises(FileError, match=says) as caught:
            save_plan(answer(), target)
        assert caught.value.exit_code == 2
    assert (full / "mine").read_text() == "keep"
    assert file.read_text() == "keep"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full", "link"]


def test_a_place_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere, so the answer is made up
    with pytest.raises(FileError, match="cannot be written"):
        check_folder(tmp_path / "plan")


OFFERED = {"rate_mean": 5.0, "mean": 1004.6, "rate_peak": 7.914, "peak": 1590.0}
LEVERS = [
    {"lever": "weights=fp8", "gain_frac": 0.52, "metric": "usd_per_million_tokens_full_load", "changes_output": True,
     "quality_delta": {"recovery": 0.99}, "unverified": False},
    {"lever": "speculative=relaxed", "gain_frac": 0.9, "metric": "usd_per_million_tokens_full_load",
     "changes_output": True, "quality_delta": {"recovery": None}, "unverified": True},
    {"lever": "layout=tp2", "gain_frac": 0.1, "metric": "usd_per_million_tokens_full_load", "changes_output": False,
     "quality_delta": None, "unverified": False},
]  # fmt: skip


def test_the_readme_tells_load_loss_doubt_and_what_would_be_better():
    lost = {"recovery": 0.985, "low": 0.97, "high": 0.991, "n": 4, "matched": "on its family", "unverified": True}
    plan = answer(DENSE, output_changes=["weights=nvfp4"], quality_delta=lost, range_notes=["an engine not in the fit"])
    plan |= {"offered_output_tokens_per_s": OFFERED, "levers": LEVERS}
    plan["assumptions"] = [{"what": "mean input, output tokens", "value": [1182.87, 200.9], "source": "trace"}]
    text = deployable(plan).files["README.md"]
    for said in (
        "Mean load: 5 requests/s, 1,005 output tokens/s", "Peak load: 7.91 requests/s, 1,590 output tokens/s",
        "weights=nvfp4 keeps 98.5 %", "lost: 1.5 %", "not verified", "an engine not in the fit",
        "mean input, output tokens: 1,183 / 200.9 (trace)", "`weights=fp8`: 52 % cheaper", "keeps 99 %",
        "`layout=tp2`: 10 % cheaper", "outputs unchanged",
    ):  # fmt: skip
        assert said in text
    assert "relaxed" not in text, "a lever that may not start is no advice"
    assert "[1182" not in text


@pytest.mark.parametrize(
    ("changes", "delta", "said"),
    [
        ([], {"recovery": 1.0}, "nothing is lost"),
        (["kv=nvfp4"], {"recovery": None, "note": "unknown"}, "nobody measured"),
    ],
)
def test_the_readme_says_when_nothing_is_lost_and_when_nobody_knows(changes, delta, said):
    text = deployable(answer(DENSE, output_changes=changes, quality_delta=delta)).files["README.md"]
    assert said in text
