"""The overview of a drawn slide: what is drawn where, in which color."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_slide import draw_slide, write_slide
from PIL import Image

from atypica.core.colors import AMF_COLOR, NMF_COLOR, rgb
from atypica.data.figures import figures_from
from atypica.inference.resolution import Resolution
from atypica.inference.slide_files import slide_paths
from atypica.inference.slides import SlideFindings, find_slides
from atypica.reporting.overview import (
    CROWDED,
    _drawing_order,
    draw_overview,
    overview_jpeg,
    write_overviews,
)
from atypica.reporting.scale_bar import draw_scale_bar, round_length

SIZE = (4000, 2400)
NEAR = [(1000.0, 1000.0), (1050.0, 1000.0), (1100.0, 1020.0)]


def table(count: int = 3, image: str = "a.tif") -> pd.DataFrame:
    places = [*NEAR, (3000.0, 1800.0)] * (count // 4 + 1)
    return pd.DataFrame(
        {
            "figure_id": [f"{image}{n}" for n in range(count)],
            "image": image,
            "x": [place[0] for place in places[:count]],
            "y": [place[1] for place in places[:count]],
            "p_amf": 0.5,
            "prediction": ["AMF" if n % 4 == 0 else "NMF" for n in range(count)],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("overview")
    write_slide(path / "a.tif", draw_slide(SIZE, (400, 400, 3600, 2000), np.array(NEAR)), 0.5)
    write_slide(path / "plain.tif", draw_slide(SIZE, (400, 400, 3600, 2000), np.array(NEAR)), None)
    return path


def findings(predictions: pd.DataFrame, folder: Path) -> tuple[SlideFindings, ...]:
    figures = figures_from(predictions[["image", "x", "y"]], folder, "test")
    return find_slides(predictions, figures, Resolution(figures, None), 0.12)


def near(pixels: np.ndarray, color: str) -> np.ndarray:
    return (np.abs(pixels.astype(int) - rgb(color)).max(axis=2) < 12).sum()


def texts(slide: SlideFindings, predictions: pd.DataFrame) -> list[str]:
    figure = draw_overview(slide, predictions)
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    return [*[text.get_text() for text in figure.texts], *inside]


def test_figures_have_the_colors_of_the_reports(folder: Path):
    predictions = table()
    (slide,) = findings(predictions, folder)
    pixels = np.asarray(Image.open(io.BytesIO(overview_jpeg(slide, predictions))).convert("RGB"))
    assert near(pixels, AMF_COLOR) > 20
    assert near(pixels, NMF_COLOR) > 20


def test_it_says_what_it_shows(folder: Path):
    predictions = table()
    (slide,) = findings(predictions, folder)
    words = texts(slide, predictions)
    assert "a" in words
    assert "● 1 atypical (AMF)" in words
    assert "● 2 normal (NMF)" in words
    assert any(line.startswith("Hotspot, 0.12 mm²: 3 figures") for line in words)
    # The slide is 2 mm wide, the hotspot 0.4 mm: bars of at most a fifth of that.
    assert "0.2 mm" in words
    assert "50 µm" in words


def test_the_scale_bar_has_its_length(folder: Path):
    predictions = table()
    (slide,) = findings(predictions, folder)
    axes = draw_overview(slide, predictions).axes[0]
    bar = next(patch for patch in axes.patches if patch.get_transform() == patch.get_patch_transform() + axes.transAxes)
    assert bar.get_width() * SIZE[0] * 0.5 == pytest.approx(200)  # um


def test_the_hotspot_is_outlined_where_it_is(folder: Path):
    predictions = table()
    (slide,) = findings(predictions, folder)
    assert slide.hotspot is not None
    window = slide.hotspot.window
    axes = draw_overview(slide, predictions).axes[0]
    assert (window.left, window.top) in [patch.get_xy() for patch in axes.patches]


def test_no_resolution_no_scale_bar(folder: Path):
    predictions = table(image="plain.tif")
    (slide,) = findings(predictions, folder)
    assert not [word for word in texts(slide, predictions) if re.search(r"\d (mm|µm)$", word)]


def test_many_figures_are_drawn_in_random_order():
    """Else AMF would lie above all NMF, and the rate would look higher than it is."""
    few = np.array(["AMF", "NMF"] * 10)
    assert few[_drawing_order(few)].tolist() == ["NMF"] * 10 + ["AMF"] * 10
    many = np.array(["AMF", "NMF"] * CROWDED)
    drawn = many[_drawing_order(many)]
    assert sorted(drawn) == sorted(many)
    assert 0.4 < (drawn[CROWDED:] == "AMF").mean() < 0.6


@pytest.mark.parametrize(("most", "length"), [(3.1, 2), (0.7, 0.5), (12, 10), (1, 1), (0.05, 0.05), (0.049, 0.02)])
def test_round_lengths(most: float, length: float):
    assert round_length(most) == pytest.approx(length)


def test_one_file_a_slide(folder: Path, tmp_path: Path):
    predictions = pd.concat([table(), table(image="plain.tif"), table(image="gone.svs")], ignore_index=True)
    slides = findings(predictions, folder)
    written = write_overviews(predictions, slides, tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in written] == ["slides/a.png", "slides/plain.png"]
    assert Image.open(written[0]).size[0] == 2160  # 7.2 in at 300 dpi


def test_slides_of_one_name_get_files_of_their_own(folder: Path):
    (slide,) = findings(table(), folder)
    paths = slide_paths([slide, slide, slide], Path("out"), "figures", ".geojson")
    assert [path.as_posix() for path in paths] == [f"out/slides/{name}.geojson" for name in ("a", "a-2", "a-3")]
    assert slide_paths([slide], Path("out"), "figures", ".geojson") == [Path("out/figures.geojson")]


@pytest.mark.parametrize("area", [0.12, 2.0, 2.4])
def test_the_hotspot_stands_beside_the_slide_however_large_it_is(folder: Path, area: float):
    """The slide is 2.4 mm2: the last is all of it."""
    predictions = table()
    figures = figures_from(predictions[["image", "x", "y"]], folder, "test")
    (slide,) = find_slides(predictions, figures, Resolution(figures, None), area)
    assert slide.hotspot is not None
    whole, beside = draw_overview(slide, predictions).axes
    window = slide.hotspot.window
    assert beside.get_xlim() == pytest.approx((window.left, window.left + window.width))
    if area > 1:
        assert beside.get_position().width >= 0.9 * whole.get_position().width


def test_marks_at_the_border_are_whole_and_those_off_the_slide_are_none(folder: Path):
    predictions = table(4)
    predictions[["x", "y"]] = [[0.0, 0.0], [4000.0, 2400.0], [2000.0, 1200.0], [9000.0, 9000.0]]
    (slide,) = findings(predictions, folder)
    axes = draw_overview(slide, predictions).axes[0]
    drawn = [marks for marks in axes.collections if len(marks.get_offsets())]
    assert sum(len(marks.get_offsets()) for marks in drawn) == 3
    assert not any(marks.get_clip_on() for marks in drawn)


@pytest.mark.parametrize(
    ("outline", "corner"),
    [
        (None, "lower left"),
        ([[0.0, 0.0], [0.5, 0.05]], "lower right"),  # its upper edge would run through the label
        ([[0.0, 0.0], [1.0, 0.05]], "upper left"),
        ([[0.0, 0.0], [0.5, 0.5]], "lower left"),  # all around the label, where it does not disturb
    ],
)
def test_the_scale_bar_keeps_out_of_the_outline(outline: list[list[float]] | None, corner: str):
    from matplotlib.figure import Figure

    from atypica.inference.hotspot import Window

    axes = Figure(figsize=(4, 4)).add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1000), ylim=(1000, 0))
    window = None
    if outline:
        (left, bottom), (right, top) = np.array(outline) * 1000
        window = Window(left, 1000 - top, right - left, top - bottom, np.zeros(0, dtype=np.int64))
    draw_scale_bar(axes, 1.0, 4.0, np.zeros((0, 2)), window)
    x, y = axes.texts[0].get_position()
    assert f"{'lower' if y < 0.5 else 'upper'} {'left' if x < 0.5 else 'right'}" == corner
