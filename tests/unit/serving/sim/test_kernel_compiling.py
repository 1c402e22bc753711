"""Compiling is announced where it will happen, and compiled code is told apart by all that it was made of."""

from drivetrain.cost import jit


def announced(monkeypatch, tmp_path, *folders):
    heard = []
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(jit, "_announcers", [])
    monkeypatch.setattr(jit, "_known", set())
    jit.announce_with(heard.append)
    for folder in folders:
        jit.ready(folder, f"as long as {folder} takes")
    return heard


def test_compiling_is_announced_once_for_each_program(monkeypatch, tmp_path):
    heard = announced(monkeypatch, tmp_path, "serving", "kernel", "kernel")
    assert len(heard) == 2
    assert "first run on this machine" in heard[0]
    assert "as long as kernel takes" in heard[1]


def test_what_is_compiled_is_not_announced(monkeypatch, tmp_path):
    (tmp_path / "serving_0123").mkdir()
    (tmp_path / "serving_0123" / "kernel.solve-90.py311.nbi").touch()
    heard = announced(monkeypatch, tmp_path, "*", "serving", "kernel")
    assert len(heard) == 1
    assert "kernel" in heard[0]


def test_the_simulator_and_its_policies_are_part_of_the_fingerprint(monkeypatch):
    before = jit.fingerprint()
    read = jit.Path.read_bytes
    for name in ("leap.py", "least_loaded.py", "draws.py", "closed_loop.py"):
        monkeypatch.setattr(jit.Path, "read_bytes", lambda path, name=name: read(path) + b"#" * (path.name == name))
        assert jit.fingerprint() != before
    monkeypatch.setattr(jit.Path, "read_bytes", read)
    assert jit.fingerprint() == before
