"""What the pictures say, on the terminal and in files, of answers as the verbs give them."""

import re
from xml.etree import ElementTree

import pytest

import drivetrain
from drivetrain.errors import FileError, UnsupportedError
from drivetrain.report.figures.save import checked, save
from drivetrain.report.figures.sheets import figure_of
from drivetrain.report.picture_data import front_of, memory_parts, quality_frontier
from drivetrain.report.pictures import plan_pictures
from drivetrain.verbs.compare import compare

QUESTION = {"model": "llama-3.1-8b", "isl": 1000, "osl": 200, "rate": 20, "slo": "tpot_p95=20ms,ttft_p95=2s",
            "accelerators": ("h100-sxm", "h200-sxm", "l40s"), "engines": "vllm"}  # fmt: skip
FRONTIER = [{"recovery_frac": 0.99, "usd_per_million_output_tokens": 0.8, "label": "fp8"},
            {"recovery_frac": 1.0, "usd_per_million_output_tokens": 1.2, "label": "bf16"},
            {"recovery_frac": None, "usd_per_million_output_tokens": 0.1, "label": "unknown"}]  # fmt: skip


@pytest.fixture(scope="module")
def plan():
    return drivetrain.plan_serve(**QUESTION)


@pytest.fixture(scope="module")
def prediction():
    return drivetrain.predict_serve(operators=True, concurrency=16, layout="tp1",
                                    **{k: v for k, v in QUESTION.items() if k not in ("accelerators", "rate")},
                                    accelerator="h100-sxm")  # fmt: skip


@pytest.fixture(scope="module")
def comparison():
    return compare(QUESTION, changes={"accelerators": "h200-sxm", "osl": 300})


def svg_text(path):
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


def test_the_front_is_of_the_plan(plan):
    front = front_of(plan)
    assert front.chosen.x == plan["best"]["tokens_per_s_per_user"]
    assert front.least_x == pytest.approx(50)
    assert set(front.groups) <= {"h100-sxm-80gb", "h200-sxm-141gb", "l40s"}
    assert len(front.points) == len(plan["pareto"])


@pytest.mark.parametrize("width", [60, 80, 100])
def test_terminal_pictures_fit_and_are_read_without_colour(plan, width):
    lines = [line.plain for line in plan_pictures(plan | {"quality_frontier": FRONTIER}, width)]
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "★ the plan" in text
    assert text.count("★") == 2  # in the plot and in its legend
    assert "TPOT p95 ≤ 20 ms: at least 50 tok/s per user" in text
    assert "A bf16: 100 %, $1.2" in text
    assert "B fp8: 99 %, $0.8" in text
    assert "unknown" not in text


def test_without_points_there_is_no_picture(plan):
    assert plan_pictures(plan | {"pareto": [], "quality_frontier": FRONTIER[:1]}, 80) == []
    assert quality_frontier(plan | {"quality_frontier": None}) == []


def test_memory_reaches_from_what_is_used_to_what_is_soldered_on(plan):
    best = plan["best"]
    parts = memory_parts(best)
    assert sum(parts.used.values()) + parts.free == pytest.approx(best["memory_limits_bytes"]["engine"])
    assert parts.engine + parts.untouched == pytest.approx(parts.physical)
    assert parts.physical == best["memory_limits_bytes"]["physical"] >= best["memory_limits_bytes"]["usable"]


def test_a_plan_sheet_shows_front_memory_time_and_cost(plan, tmp_path):
    save(figure_of("plan", plan), tmp_path / "plan.svg")
    text = svg_text(tmp_path / "plan.svg")
    for expected in ("Pareto front", "Memory of one accelerator", "Step time", "Cost over a mean day", "the plan:",
                     "physical capacity", "h100-sxm-80gb", "$ per million output tokens", "TPOT p95 ≤ 20 ms",
                     "output tok/s per user", f"drivetrain {drivetrain.__version__}"):  # fmt: skip
        assert expected in text
    save(figure_of("plan", plan | {"quality_frontier": FRONTIER}), tmp_path / "quality.svg")
    assert "Cost against quality" in svg_text(tmp_path / "quality.svg")
    assert "Cost over a mean day" not in svg_text(tmp_path / "quality.svg")


def test_a_plan_that_nothing_meets_is_drawn_too(tmp_path):
    answer = drivetrain.plan_serve(**(QUESTION | {"slo": "tpot_p95=1ms"}))
    assert not answer["feasible"]
    save(figure_of("plan", answer), tmp_path / "miss.svg")
    assert "Nothing meets the targets" in svg_text(tmp_path / "miss.svg")


def test_a_prediction_sheet_has_the_roofline(prediction, tmp_path):
    save(figure_of("predict", prediction), tmp_path / "p.svg")
    text = svg_text(tmp_path / "p.svg")
    for expected in ("Operators under the roofline", "HBM 3.35 TB/s", "bf16 989 TFLOP/s", "decode step", "ffn"):
        assert expected in text


def test_no_operator_is_drawn_above_its_roof(prediction):
    (axes,) = (a for a in figure_of("predict", prediction).axes if "roofline" in a.get_title(loc="left"))
    ridge, peak = axes.lines[0].get_xdata()[1], axes.lines[0].get_ydata()[1]
    spots = [(float(x), float(y)) for points in axes.collections for x, y in points.get_offsets() if x == x]
    assert len(spots) > 4
    for x, y in spots:
        assert y <= min(peak, peak / ridge * x) * 1.001


def test_a_comparison_is_a_waterfall_of_its_effects(comparison, tmp_path):
    save(figure_of("compare", comparison), tmp_path / "c.svg")
    text = svg_text(tmp_path / "c.svg")
    assert "osl: 200 → 300" in text
    assert "accelerators:" in text
    assert "averaged over all 2 orders" in text


def test_the_same_answer_gives_the_same_bytes_without_dates(plan, comparison, tmp_path):
    for verb, answer in (("plan", plan), ("compare", comparison)):
        for suffix in ("svg", "png", "pdf"):
            paths = [tmp_path / f"{i}.{suffix}" for i in range(2)]
            for path in paths:
                save(figure_of(verb, answer), path)
            first, second = (path.read_bytes() for path in paths)
            assert first == second
            assert not re.search(rb"20\d\d-\d\d-\d\dT|CreationDate|matplotlib\.org", first)
    assert (tmp_path / "0.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_picture_replaces_a_file_whole_and_leaves_nothing_else(comparison, tmp_path):
    path = tmp_path / "c.svg"
    path.write_text("old")
    save(figure_of("compare", comparison), path)
    svg_text(path)
    assert [p.name for p in tmp_path.iterdir()] == ["c.svg"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("c.gif", ".svg, .png, .pdf"), ("c", ".svg"), ("folder.svg", "folder"), ("missing/c.svg", "no folder")],
)
def test_places_where_no_picture_can_go(tmp_path, name, says):
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(FileError, match=says):
        checked(str(tmp_path / name))


def test_without_matplotlib_it_is_said_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr("drivetrain.report.figures.save.find_spec", lambda _: None)
    with pytest.raises(UnsupportedError, match=r"pip install 'drivetrain\[plot\]'"):
        checked(str(tmp_path / "c.svg"))
