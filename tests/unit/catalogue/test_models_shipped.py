"""The shipped models: each loads, has the size its authors state, and answers to every spelling in use."""

import csv
from pathlib import Path

import pytest

from drivetrain.arch import params
from drivetrain.arch.precision import BYTES_PER_KV, BYTES_PER_WEIGHT
from drivetrain.catalogue import loader
from drivetrain.catalogue.model import WEIGHT_PARTS, Model
from drivetrain.registry import slug

NAMES = loader.names("models")
SPELLINGS = Path(__file__).parents[4] / "shared" / "facts" / "names.csv"

# Spellings that no model answers to, and why.
NOT_COVERED = {
    "llama-3.1-70b / llama-3.1-8b": "two models in one cell",
}


@pytest.fixture(params=NAMES)
def model(request) -> Model:
    return loader.load("models", request.param)


def test_the_catalogue_covers_the_families_people_serve_and_train():
    assert len(NAMES) >= 40
    for name in ("llama-2-70b", "llama-3.1-405b", "llama-3.2-1b", "llama-3.3-70b", "llama-4-maverick", "qwen2.5-72b",
                 "qwen3-235b-a22b", "mistral-7b", "mixtral-8x7b", "gemma-2-27b", "gemma-3-27b", "phi-4", "deepseek-r1",
                 "gpt-oss-120b", "kimi-k2", "gpt-3-175b", "opt-175b", "bloom-176b", "palm-540b", "mt-nlg-530b"):  # fmt: skip
        assert name in NAMES


def test_total_is_what_the_authors_state(model):
    """Within 1 %, or the rounding of the figure where that alone is stated and coarser."""
    assert model.published.total, f"{model.name} states no published count"
    tolerance = 0.01 if model.published.active else max(0.01, model.published.rounding)
    assert params.count(model).total == pytest.approx(model.published.total, rel=tolerance)


def test_active_is_what_the_authors_state(model):
    if model.published.active is None:
        counts = params.count(model)
        assert counts.active == counts.total
        return
    tolerance = max(0.01, model.published.rounding)
    assert params.count(model).active == pytest.approx(model.published.active, rel=tolerance)


def test_every_model_says_where_it_comes_from(model):
    assert model.source
    assert model.published.source
    assert model.convention
    assert model.seen == "2026-11"
    assert all(checkpoint.source for checkpoint in model.checkpoints)


def test_checkpoints_are_named_once_and_in_known_precisions(model):
    names = [checkpoint.name for checkpoint in model.checkpoints]
    assert names
    assert all(names)
    assert len(set(names)) == len(names)
    for checkpoint in model.checkpoints:
        assert set(checkpoint.dtypes) <= {"default", *WEIGHT_PARTS}
        assert {checkpoint.weight_dtype, *checkpoint.dtypes.values()} <= set(BYTES_PER_WEIGHT)
        assert checkpoint.kv_dtype in BYTES_PER_KV


def test_names_are_lower_case_with_dashes(model):
    assert model.name == slug(model.name)


def test_no_two_models_share_a_spelling():
    owner: dict[str, str] = {}
    for name in NAMES:
        for spelling in {slug(text) for text in (name, *loader.load("models", name).aliases)}:
            assert owner.setdefault(spelling, name) == name, f"{spelling}: both {owner[spelling]} and {name}"


def test_every_checkpoint_finds_its_model(model):
    for checkpoint in model.checkpoints:
        if "/" in checkpoint.name:
            assert loader.resolve("models", checkpoint.name) == model.name


def spellings() -> list[tuple[str, str]]:
    """Distinct (spelling, suggested name) of the models in the shared table of names."""
    if not SPELLINGS.is_file():
        return []
    with SPELLINGS.open(newline="", encoding="utf-8") as lines:
        rows = {(row["variant"], row["canonical_suggested"]) for row in csv.DictReader(lines) if row["kind"] == "model"}
    return sorted(rows)


@pytest.mark.skipif(not SPELLINGS.is_file(), reason=f"{SPELLINGS} is not here")
@pytest.mark.parametrize(("spelling", "suggested"), spellings())
def test_shared_spellings_find_one_model(spelling, suggested):
    if spelling in NOT_COVERED:
        pytest.skip(NOT_COVERED[spelling])
    bare = suggested.partition(" (")[0]
    assert loader.resolve("models", spelling) == loader.resolve("models", bare)
