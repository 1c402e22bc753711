"""The shipped models: each loads, has the size its authors state, and answers to every spelling in use."""

import csv
from pathlib import Path

import pytest

from drivetrain.arch import params
from drivetrain.arch.precision import BYTES_PER_KV, BYTES_PER_WEIGHT
from drivetrain.catalogue import loader
from drivetrain.catalogue.huggingface import import_config
from drivetrain.catalogue.model import WEIGHT_PARTS
from drivetrain.registry import slug

NAMES = loader.names("models")
SHARED = Path(__file__).parents[4] / "shared"
SPELLINGS = SHARED / "facts" / "names.csv"
CONFIGS = sorted((SHARED / "configs").glob("*.json"))

# fmt: off
FAMILIES = [
    "llama-2", "llama-3", "llama-3.1", "llama-3.2", "llama-3.3", "llama-4", "qwen2.5", "qwen3", "qwen3.5",
    "mistral", "mixtral", "gemma-2", "gemma-3", "gemma-4", "phi-4", "deepseek", "gpt-oss", "kimi", "glm",
    "nemotron", "minimax", "mimo", "step", "gpt-3", "opt", "bloom", "palm", "mt-nlg", "megatron", "mpt",
]
# fmt: on
# Mixtures whose total is stated to two figures; of the others the rounding is that of the active count.
COARSE_TOTALS = ("deepseek-v4-pro",)

# Spellings that no model answers to, and why.
NOT_COVERED = {
    "llama-3.1-70b / llama-3.1-8b": "two models in one cell",
}


@pytest.fixture(params=NAMES)
def model(request):
    return loader.load("models", request.param)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_people_serve_and_train_is_there(family):
    assert any(f"{name}-".startswith(f"{family}-") for name in NAMES)


def test_at_least_forty_models_are_shipped():
    assert len(NAMES) >= 40


def test_total_is_what_the_authors_state(model):
    """Within 1 %, or the rounding of the figure where it is the coarser one."""
    assert model.published.total, f"{model.name} states no published count"
    coarse = model.published.active is None or model.name in COARSE_TOTALS
    tolerance = max(0.01, model.published.rounding) if coarse else 0.01
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
        rows = [row for row in csv.DictReader(lines) if row["kind"] == "model"]
    return sorted({(row["variant"], row["canonical_suggested"]) for row in rows})


@pytest.mark.skipif(not SPELLINGS.is_file(), reason="skipped: ../shared/facts/names.csv is absent")
@pytest.mark.parametrize(("spelling", "suggested"), spellings())
def test_shared_spellings_find_one_model(spelling, suggested):
    if spelling in NOT_COVERED:
        pytest.skip(NOT_COVERED[spelling])
    assert loader.resolve("models", spelling) == loader.resolve("models", suggested)


@pytest.mark.skipif(not CONFIGS, reason="skipped: ../shared/configs is absent")
@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_a_configuration_gives_the_model_that_is_shipped(path):
    imported = import_config(path)
    shipped = loader.load("models", path.stem.replace("--", "/"))
    for field in ("hidden", "vocab", "layers", "tied_embeddings", "norm_params", "embedding_params", "mtp"):
        assert getattr(imported, field) == getattr(shipped, field), field
