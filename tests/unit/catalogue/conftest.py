from pathlib import Path

import pytest

from drivetrain.catalogue import loader

DATA = Path(loader.__file__).parent / "data"


@pytest.fixture
def overlay(tmp_path, monkeypatch):
    """A user folder laid over the catalogue; call it with kind, name and the text of a file."""
    monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path))

    def add(kind, name, text):
        folder = tmp_path / kind if kind else tmp_path
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.toml").write_text(text)
        loader.clear_cache()

    loader.clear_cache()
    yield add
    loader.clear_cache()


@pytest.fixture
def h100_text():
    return (DATA / "accelerators" / "h100-sxm-80gb.toml").read_text()
