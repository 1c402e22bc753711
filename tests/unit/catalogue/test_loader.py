import csv
from pathlib import Path

import pytest

from drivetrain.catalogue import loader
from drivetrain.errors import BadInputError, FileError, UnknownNameError

NAMES = Path(__file__).parents[4] / "shared" / "facts" / "names.csv"
needs_names = pytest.mark.skipif(not NAMES.exists(), reason="skipped: ../shared/facts/names.csv is absent")


def rows(kind):
    with NAMES.open() as file:
        return [row for row in csv.DictReader(file) if row["kind"] == kind]


@needs_names
def test_every_accelerator_spelling_resolves():
    missing = []
    for row in rows("accel"):
        canonical, variant = row["canonical_suggested"], row["variant"]
        if canonical.startswith("(") or not variant:
            continue  # the row says itself that no accelerator is stated
        names = {loader.resolve("accelerators", text) for text in (canonical, variant) if resolves(text)}
        if len(names) != 1 or not resolves(canonical) or not resolves(variant):
            missing.append((canonical, variant, names))
    assert missing == []


def resolves(text):
    try:
        loader.resolve("accelerators", text)
    except UnknownNameError:
        return False
    return True


@needs_names
def test_every_fabric_spelling_that_states_one_resolves():
    for row in rows("fabric"):
        if row["variant"] and not row["variant"].startswith(("nan", "H100 cluster, fabric not stated")):
            loader.resolve("fabrics", row["variant"])


@needs_names
def test_every_engine_version_resolves():
    families = {"0.5.9": "sglang", "0.19.0": "vllm", "1.2.0rc6.post2": "trtllm", "0.8.1.post2": "trtllm"}
    seen = {row["variant"] for row in rows("engine")}
    for version, family in families.items():
        assert version in seen
        loader.resolve("engines", f"{family}-{version}")


@pytest.mark.parametrize("spelling", ["h100-sxm", "h100_sxm", "H100", "NVIDIA H100-SXM-80GB", " h100 sxm "])
def test_spellings_of_one_part(spelling):
    assert loader.load("accelerator", spelling).name == "h100-sxm-80gb"


def test_unknown_name_suggests():
    with pytest.raises(UnknownNameError) as caught:
        loader.load("accelerators", "h100sxm")
    assert "DT012 unknown accelerator 'h100sxm'. Did you mean 'h100-sxm-80gb'" in str(caught.value)


def test_unknown_kind_suggests():
    with pytest.raises(UnknownNameError, match="accelerators"):
        loader.load_all("acelerators")


def test_kind_without_entries_says_so():
    with pytest.raises(BadInputError, match="no policies in the catalogue yet"):
        loader.load_all("policies")


def test_singular_and_synonyms():
    assert loader.names("grids") == loader.names("region") == loader.names("regions")


def test_one_entry_is_read_without_its_kin(monkeypatch):
    loader.clear_cache()
    read = []
    monkeypatch.setattr(loader, "read_toml", lambda path: read.append(path.name) or original(path))
    loader.load("accelerators", "l4")
    assert read == ["l4.toml"]
    loader.clear_cache()


original = loader.read_toml


def test_path_of_a_file(tmp_path, h100_text):
    path = tmp_path / "mine.toml"
    path.write_text(h100_text.replace('"h100-sxm-80gb"', '"mine"', 1))
    assert loader.load("accelerators", str(path)).name == "mine"
    with pytest.raises(FileError, match="no such file"):
        loader.load("accelerators", str(tmp_path / "gone.toml"))


def test_user_folder_is_laid_over(overlay, h100_text):
    overlay("accelerators", "my-gpu", h100_text.replace('"h100-sxm-80gb"', '"my-gpu"', 1))
    overlay("accelerators", "l4", (h100_text.replace('"h100-sxm-80gb"', '"l4"', 1)))
    assert "my-gpu" in loader.names("accelerators")
    assert loader.load("accelerators", "l4").tdp_w == 700
    assert loader.load("accelerators", "a30").tdp_w == 165


def test_missing_user_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path / "gone"))
    with pytest.raises(FileError, match="DRIVETRAIN_CATALOGUE"):
        loader.load("accelerators", "h100")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("[flops]", "[flops", "TOML"),
        ('tdp = {', 'tpd = {', "tdp"),
        ('vendor = "nvidia"', 'vendor = "nvidia"\ncolour = "green"', "colour"),
        ('"3.35 TB/s"', '"3.35 TB"', "hbm_bandwidth"),
        ('"3.35 TB/s"', '"-3.35 TB/s"', "hbm_bandwidth"),
        ('"700 W"', "0", "tdp"),
        ('"700 W"', '"lots"', "tdp"),
        ("bf16 =", "bf15 =", "flops: bf15"),
        ('kind = "switch"', 'kind = "web"', "scaleup: kind"),
        ('kind = "gpu"', 'kind = 3', "kind"),
        ('value = 18', 'value = 17.5', "n_links"),
        ('aliases = [', 'aliases = [4, ', "aliases"),
    ],
)  # fmt: skip
def test_faulty_files_name_file_and_field(overlay, h100_text, old, new, field):
    assert old in h100_text
    text = h100_text.replace('"h100-sxm-80gb"', '"faulty"', 1)
    overlay("accelerators", "faulty", text.replace(old, new, 1))
    with pytest.raises(FileError) as caught:
        loader.load("accelerators", "faulty")
    assert "faulty.toml" in str(caught.value)
    assert field in str(caught.value)


def test_missing_source_is_refused(overlay, h100_text):
    text = h100_text.replace('"h100-sxm-80gb"', '"faulty"', 1)
    overlay(
        "accelerators",
        "faulty",
        text.replace('"700 W", source = "aiconfigurator"', '"700 W"'),
    )
    with pytest.raises(FileError, match="source missing"):
        loader.load("accelerators", "faulty")


def test_name_must_match_file(overlay, h100_text):
    overlay("accelerators", "other", h100_text)
    with pytest.raises(FileError, match="Rename the file"):
        loader.load("accelerators", "other")


def test_price_bounds_must_be_ordered(overlay):
    fact = '{{ value = "{} USD/h", source = "assumption", seen = "2026-11", kind = "assumed" }}'
    text = 'accelerator = "l4"\n[[prices]]\nkind = "rental"\nusd = {}\nusd_low = {}\n'
    overlay("prices", "l4", text.format(fact.format(1), fact.format(2)))
    with pytest.raises(FileError, match="usd_low <= usd <= usd_high"):
        loader.load_all("prices")
