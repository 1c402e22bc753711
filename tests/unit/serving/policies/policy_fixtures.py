"""A registry of built-ins only, which is afterwards what it was before."""

import pytest

from drivetrain.serving.policies import registry


@pytest.fixture
def clean_registry():
    known = {kind: dict(entries) for kind, entries in registry._known.items()}
    seen = set(registry._entry_points_seen)
    for kind, entries in known.items():
        for name, entry in entries.items():
            if entry.custom:
                del registry._known[kind][name]
    yield
    for kind, entries in known.items():
        registry._known[kind].clear()
        registry._known[kind].update(entries)
    registry._entry_points_seen.clear()
    registry._entry_points_seen.update(seen)
