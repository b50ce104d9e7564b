"""Slides by hand: a drawn one of known tissue, and figures at known places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_slide import draw_slide, write_slide

from atypica.core.errors import SettingsError
from atypica.data.figures import Figures, figures_from
from atypica.inference.cases import summarize_cases
from atypica.inference.resolution import Resolution
from atypica.inference.slide_tables import COLUMNS, slide_table, with_slides
from atypica.inference.slides import SlideFindings, find_slides

MPP = 0.5
SIZE = (4000, 2400)
"""2 x 1.2 mm."""
TISSUE = (400, 400, 3600, 2000)
"""1.6 x 0.8 mm = 1.28 mm2."""
NEAR = [(1000, 1000), (1050, 1000), (1100, 1020), (1080, 1050)]
FAR = [(3000, 600), (3300, 1800)]
AREA = 0.12
"""A hotspot of 0.12 mm2 is 0.4 x 0.3 mm: 800 x 600 px."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides")
    pixels = draw_slide(SIZE, TISSUE, np.array([*NEAR, *FAR], dtype=float))
    write_slide(path / "a.tif", pixels, MPP)
    write_slide(path / "b.tif", pixels, MPP)
    write_slide(path / "plain.tif", pixels, None)
    return path


def typed(rows: list[tuple[str, tuple[float, float], str, str]], **more: list[object]) -> pd.DataFrame:
    """Predictions: image, place, case, and A (AMF), N (NMF) or x (failed)."""
    return pd.DataFrame(
        {
            "figure_id": [f"f{n}" for n in range(len(rows))],
            "image": [row[0] for row in rows],
            "x": [row[1][0] for row in rows],
            "y": [row[1][1] for row in rows],
            "case": [row[2] for row in rows],
            "p_amf": [np.nan if row[3] == "x" else 0.5 for row in rows],
            "prediction": [{"A": "AMF", "N": "NMF"}.get(row[3]) for row in rows],
            **more,
        }
    )


def found(
    predictions: pd.DataFrame, folder: Path, area: float = AREA, mpp: float | None = None
) -> tuple[SlideFindings, ...]:
    figures: Figures = figures_from(predictions[["image", "x", "y"]], folder, "test")
    return find_slides(predictions, figures, Resolution(figures, mpp), area)


def one_slide() -> pd.DataFrame:
    calls = "AANN" + "AN"
    return typed([("a.tif", place, "one", call) for place, call in zip([*NEAR, *FAR], calls, strict=True)])


def test_densities_and_hotspot_by_hand(folder: Path):
    (slide,) = found(one_slide(), folder)
    assert slide.tissue_mm2 == pytest.approx(1.28, rel=0.03)
    assert slide.density(slide.counted) == pytest.approx(6 / 1.28, rel=0.03)
    assert slide.hotspot is not None
    window = slide.hotspot.window
    assert (window.width, window.height) == pytest.approx((800, 600))
    # The four lie within 1000..1100 x 1000..1050: their middle is (1050, 1025).
    assert (window.left, window.top) == pytest.approx((650, 725))
    assert window.rows.tolist() == [0, 1, 2, 3]
    assert (slide.hotspot.figures, slide.hotspot.amf, slide.hotspot.rate) == (4, 2, 0.5)
    assert slide.hotspot.mm2 == pytest.approx(0.12)
    assert slide.hotspot.tissue == pytest.approx(1.0, abs=0.01)
    assert slide.reasons == ()


def test_the_table_names_all(folder: Path):
    table = slide_table(found(one_slide(), folder))
    assert tuple(table.columns) == COLUMNS
    row = table.iloc[0]
    assert (row["slide"], row["image"], row["case"], row["figures"], row["amf"]) == ("a", "a.tif", "one", 6, 3)
    assert (row["amf_rate"], row["interval"], row["few_figures"]) == (0.5, "Wilson 95 %", True)
    assert row["amf_per_mm2"] == pytest.approx(3 / 1.28, rel=0.03)
    # Wilson, 2 of 4.
    assert (row["hotspot_low"], row["hotspot_high"]) == pytest.approx((0.1500, 0.8500), abs=1e-4)
    assert pd.isna(row["note"])


def test_failed_and_left_out_figures_count_nowhere_but_stay(folder: Path):
    predictions = one_slide().assign(counted=[True, True, False, True, True, True])
    predictions.loc[1, ["p_amf", "prediction"]] = [np.nan, None]
    (slide,) = found(predictions, folder)
    assert (slide.counts["figures"], slide.counts["failed"], slide.counts["left_out"]) == (6, 1, 1)
    assert slide.counted == 4
    assert slide.hotspot is not None
    assert slide.hotspot.window.rows.tolist() == [0, 3]
    assert slide.hotspot.amf == 1


def test_a_place_off_the_slide_is_in_no_hotspot(folder: Path):
    rows = [("a.tif", (9000.0 + n, 1000.0), "one", "A") for n in range(9)] + [("a.tif", (1000.0, 1000.0), "one", "N")]
    (slide,) = found(typed(rows), folder)
    assert slide.hotspot is not None
    assert slide.hotspot.window.rows.tolist() == [9]


def test_rows_of_two_slides_that_take_turns(folder: Path):
    rows = [(image, place, case, "A") for place in NEAR for image, case in (("a.tif", "one"), ("b.tif", "two"))]
    first, second = found(typed(rows), folder)
    assert (first.name, second.name) == ("a", "b")
    assert first.rows.tolist() == [0, 2, 4, 6]
    assert second.hotspot is not None
    assert second.hotspot.window.rows.tolist() == [1, 3, 5, 7]


def test_cases_sum_their_slides(folder: Path):
    rows = [("a.tif", place, "one", "A") for place in NEAR] + [("b.tif", place, "one", "N") for place in FAR]
    rows += [("b.tif", NEAR[0], "two", "N")]
    predictions = typed(rows, slide=["A"] * 4 + ["B"] * 3)
    slides = found(predictions, folder)
    cases = with_slides(summarize_cases(predictions), slides)
    # Slide b has its first figure's case; a slide is of one case.
    one, _, every = (cases.iloc[row] for row in range(3))
    assert one["slides"] == every["slides"] == 2
    assert one["tissue_mm2"] == pytest.approx(2.56, rel=0.03)
    assert one["mitoses_per_mm2"] == pytest.approx(7 / 2.56, rel=0.03)
    assert one["amf_per_mm2"] == pytest.approx(4 / 2.56, rel=0.03)
    assert (one["hotspot_figures"], one["hotspot_amf"], one["hotspot_slide"]) == (4, 4, "A")
    assert cases["figures"].tolist() == [6, 1, 7]


def test_without_a_resolution_there_are_counts_and_the_reason(folder: Path):
    predictions = one_slide().assign(image="plain.tif")
    (slide,) = found(predictions, folder)
    assert slide.size == SIZE
    assert slide.hotspot is None
    assert slide.tissue_mm2 is None
    assert slide.reasons == ("plain.tif does not say its micrometers per pixel",)
    (given,) = found(predictions, folder, mpp=MPP)
    assert given.hotspot is not None


def test_a_small_slide_says_so(folder: Path):
    (slide,) = found(one_slide(), folder, area=2.37)
    assert slide.hotspot is not None
    assert slide.hotspot.mm2 == pytest.approx(2.133, abs=0.01)  # 1.7776 mm of its 2 mm wide, all of its 1.2 mm high
    assert slide.hotspot.figures == 6
    assert "smaller than 2.37 mm²" in slide.reasons[0]


def test_no_counted_figure_no_hotspot(folder: Path):
    (slide,) = found(typed([("a.tif", (1000.0, 1000.0), "one", "x")]), folder)
    assert slide.hotspot is None
    assert "no hotspot" in slide.reasons[0]
    assert slide.density(slide.counted) == 0


def test_a_missing_slide_keeps_its_row(folder: Path):
    rows = [("gone.svs", place, "one", "x") for place in NEAR]
    (slide,) = found(typed(rows), folder)
    assert slide.size is None
    assert slide.counts["failed"] == 4
    assert slide.reasons


def test_a_slide_without_any_place_has_no_hotspot(folder: Path):
    predictions = typed([("a.svs", (0.0, 0.0), "one", "x")]).drop(columns=["x", "y"])
    (folder / "a.svs").write_bytes((folder / "a.tif").read_bytes())
    figures = figures_from(predictions[["image"]], folder, "test")
    (slide,) = find_slides(predictions, figures, Resolution(figures, MPP), AREA)
    assert slide.hotspot is None


def test_crops_with_places_are_no_slides(tmp_path: Path):
    from PIL import Image

    Image.new("RGB", (128, 128)).save(tmp_path / "crop.png")
    assert found(typed([("crop.png", (5000.0, 4000.0), "one", "A")]), tmp_path) == ()
    assert (
        found(typed([("crop.png", (5000.0, 4000.0), "one", "A")]).drop(columns=["x"]).assign(x=np.nan), tmp_path) == ()
    )


def test_an_impossible_area_is_refused(folder: Path):
    with pytest.raises(SettingsError):
        found(one_slide(), folder, area=0)
