"""Public series: order, months, own folders and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.catalogue.series import every_series, series, year_of
from drivetrain.errors import FileError, UnknownNameError


def test_points_are_in_order_and_positive() -> None:
    for one in every_series().values():
        years = [point.year for point in one.points]
        assert years == sorted(set(years)), one.name
        assert all(point.value > 0 for point in one.points)


def test_projections_are_not_measured() -> None:
    assert [point.month for point in series("data-centre-energy").measured()] == ["2024-12", "2025-12"]
    assert series("inference-share").measured() == ()


def test_a_month_ends_where_the_next_begins() -> None:
    assert year_of("2025-01") == pytest.approx(2025 + 1 / 12)


def test_unknown_series_is_named_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="google-tokens"):
        series("google-token")


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (
            '[{ at = "2026-02", value = 1.0, kind = "measured" }, { at = "2026-01", value = 1.0, kind = "measured" }]',
            "order",
        ),
        ('[{ at = "soon", value = 1.0, kind = "measured" }]', "2026-03"),
        ('[{ at = "2026-01", value = -1.0, kind = "measured" }]', "positive"),
        ('[{ at = "2026-01", value = 1.0, kind = "guessed" }]', "measured"),
    ],
)
def test_bad_points_name_file_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: str, message: str
) -> None:
    (tmp_path / "series.toml").write_text(
        f'[mine]\ntitle = "Mine"\nunit = "1"\nsource = "assumption"\nseen = "2026-11"\npoints = {points}\n'
    )
    monkeypatch.setenv("DRIVETRAIN_CATALOGUE", str(tmp_path))
    with pytest.raises(FileError, match=message):
        series("mine")
