"""``drivetrain fit scaling`` from the command line, on small files made here."""

import csv
import io
import json
import tomllib

import numpy as np
import pytest
from typer.testing import CliRunner

from drivetrain.catalogue import scaling
from drivetrain.cli.fit import fit_app
from drivetrain.errors import DrivetrainError
from drivetrain.training.scaling.known import parametric
from drivetrain.training.scaling.law import Law
from drivetrain.training.scaling.uncertainty import estimated_optimum

TRUE = Law(1.7, 300.0, 1500.0, 0.33, 0.36)
QUICK = ("--bootstrap", "40", "--starts", "300")


def run(*words):
    return CliRunner().invoke(fit_app, ["scaling", *map(str, words)], env={"COLUMNS": "200"})


def table(n=50, seed=0, noise=0.004):
    random = np.random.default_rng(seed)
    flops = 10.0 ** random.uniform(18.5, 21.5, n)
    params = np.sqrt(flops / 120) * np.exp(random.uniform(-1.0, 1.0, n))
    losses = TRUE.loss(params, flops / 6 / params) * np.exp(noise * random.standard_normal(n))
    return [{"Model Size": p, "Training FLOP": c, "loss": v} for p, c, v in zip(params, flops, losses, strict=True)]


def write(path, rows):
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "runs.csv", table())


def test_people_see_the_law_its_ranges_and_what_it_misses(file):
    done = run(file, *QUICK)
    assert done.exit_code == 0, done.output
    wanted = ("irreducible loss E", "compute-optimal models", "tokens per parameter", "Ten times any budget",
              "beyond the runs alone", "next: add --out", "the run of highest loss left out",
              "40 draws, seed 42")  # fmt: skip
    for text in wanted:
        assert text in done.output, text


def test_json_has_every_figure_and_is_the_same_again(file):
    first, second = (json.loads(run(file, *QUICK, "--format", "json").stdout) for _ in range(2))
    first["meta"].pop("elapsed_s")
    second["meta"].pop("elapsed_s")
    assert first == second
    assert first["n"] == 49
    assert first["n_dropped"] == 1
    assert first["E"] == pytest.approx(TRUE.e, rel=0.1)
    assert first["a_opt"] == pytest.approx(first["beta"] / (first["alpha"] + first["beta"]))
    assert set(first["bootstrap"]["alpha"]) == {"se", "median", "p2_5", "p10", "p90", "p97_5"}
    ranged = first["optimum"][0]["tokens_per_param"]
    assert ranged["p10"] < ranged["value"] < ranged["p90"]
    assert first["optimum"][-1]["decades_beyond"] == pytest.approx(4.5, abs=0.1)
    assert first["holdout"]["loss_error"] > 0


def test_another_seed_moves_ranges_only(file):
    one, two = (json.loads(run(file, *QUICK, "--seed", s, "-f", "json").stdout) for s in (1, 2))
    assert one["E"] == two["E"]
    assert one["bootstrap"]["E"]["p10"] != two["bootstrap"]["E"]["p10"]


def test_csv_has_a_row_a_coefficient(file):
    rows = list(csv.DictReader(io.StringIO(run(file, *QUICK, "-f", "csv").stdout)))
    assert [row["coefficient"] for row in rows] == ["E", "A", "B", "alpha", "beta", "a_opt"]
    assert all(float(row["p10"]) < float(row["value"]) < float(row["p90"]) for row in rows)


def test_without_ranges(file):
    done = run(file, "--bootstrap", 0, "--starts", 300, "-f", "json")
    assert json.loads(done.stdout)["bootstrap"] is None
    assert "no ranges" in run(file, "--bootstrap", 0, "--starts", 300).output


def test_tokens_may_stand_instead_of_flops(file, tmp_path):
    rows = [{"Model Size": r["Model Size"], "Training Tokens": r["Training FLOP"] / 6 / r["Model Size"],
             "loss": r["loss"]} for r in table()]  # fmt: skip
    other = write(tmp_path / "tokens.csv", rows)
    by_flops, by_tokens = (json.loads(run(f, *QUICK, "-f", "json").stdout) for f in (file, other))
    assert by_tokens["alpha"] == pytest.approx(by_flops["alpha"], rel=1e-4)


def test_the_law_is_kept_and_every_command_knows_it(file, tmp_path, monkeypatch):
    kept = tmp_path / "scaling-mine.toml"
    done = run(file, *QUICK, "--out", kept)
    assert "DRIVETRAIN_CATALOGUE" in done.output
    content = tomllib.loads(kept.read_text())["laws"]["scaling-mine"]
    assert content["fitted"]["n_runs"] == 49
    assert len(content["draws"]["covariance"]) == 5
    monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path))
    assert parametric("scaling-mine").e == pytest.approx(TRUE.e, rel=0.1)
    assert scaling.law("chinchilla").draws is not None
    best = estimated_optimum(1e24, "scaling-mine")
    assert best.tokens_per_param.wide_p10 < best.tokens_per_param.p10
    assert "decades" in best.notes[0]


def test_a_picture(file, tmp_path):
    drawn = tmp_path / "fit.svg"
    assert run(file, *QUICK, "--plot", drawn).exit_code == 0
    text = drawn.read_text()
    assert "tokens per parameter" in text
    assert "irreducible" in text


def cell(column, value):
    rows = table()
    rows[3] = rows[3] | {column: value}
    return rows


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"Model Size": 1, "loss": 2}], "missing column Training FLOP or Training Tokens"),
        ([{"size": 1, "Training FLOP": 1, "loss": 2}], "missing column Model Size"),
        (cell("loss", "nan"), "line 5: loss is nan"),
        (cell("loss", ""), "line 5: loss is blank"),
        (cell("loss", -2.0), "line 5: loss is -2"),
        (cell("Training FLOP", 0), "line 5: Training FLOP is 0"),
        (cell("Model Size", "7B"), "line 5: Model Size is '7B', not a number"),
        (table(11), "holds 11 runs; five coefficients need at least 12"),
        ([row | {"Model Size": 1e9} for row in table()], "different model sizes"),
    ],
)
def test_bad_files_are_one_line_and_exit_2(rows, told, tmp_path):
    done = run(write(tmp_path / "bad.csv", rows), *QUICK)
    assert isinstance(done.exception, DrivetrainError), done.output
    assert done.exception.exit_code == 2
    assert told in str(done.exception)
    assert "\n" not in str(done.exception)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--out", "{folder}"), "is a folder"),
        (("--out", "{folder}/none/x.toml"), "there is no folder"),
        (("--out", "{file}"), "is the file of runs itself"),
        (("--out", "{folder}/law.json"), "ends in .toml"),
        (("--plot", "{folder}/x.gif"), "pictures are drawn as"),
        (("--drop", 45), "5 with the 45 of highest loss left out"),
        (("--bootstrap", 3), "at least 20"),
    ],
)
def test_bad_options_stop_before_anything_is_written(words, told, file, tmp_path):
    before = sorted(tmp_path.iterdir())
    done = run(file, "--starts", 300, *(str(w).format(folder=tmp_path, file=file) for w in words))
    assert isinstance(done.exception, DrivetrainError), done.output
    assert done.exception.exit_code == 2
    assert told in str(done.exception)
    assert sorted(tmp_path.iterdir()) == before
