"""An audit finds what is wrong, and nothing where nothing is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from atypica.data.audit import Audit, Kind, Severity, audit
from atypica.data.audit.groups import connect
from atypica.data.audit.similarity import SAME, correlation, descriptors
from atypica.data.figures import Figures, figures_from
from atypica.data.sources import open_source


def crop(seed: int, size: int = 128) -> np.ndarray:
    """A crop unlike any other seed's: soft random blotches in H&E's colors."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(90, 240, (14, 14, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def write(folder: Path, images: dict[str, np.ndarray]) -> None:
    for name, pixels in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name)


def make(folder: Path, images: dict[str, np.ndarray], name: str = "made", **columns: Any) -> Figures:
    write(folder, images)
    return figures_from(pd.DataFrame({"figure_id": list(images), "image": list(images), **columns}), folder, name)


def kinds(outcome: Audit) -> dict[str, int]:
    return {kind.value: len(outcome.of(kind)) for kind in Kind if kind != Kind.UNCHECKED and outcome.of(kind)}


def test_clean_figures_have_no_findings_but_what_was_not_checked(tmp_path):
    outcome = audit([make(tmp_path, {f"{seed}.png": crop(seed) for seed in range(8)}, label=["AMF", "NMF"] * 4)])
    assert kinds(outcome) == {}
    assert outcome.errors == 0
    assert {finding.severity for finding in outcome.findings} == {Severity.NOTE}


def test_identical_crops_under_different_names(tmp_path):
    images = {"a.png": crop(1), "b.png": crop(2), "c.png": crop(1)}
    outcome = audit([make(tmp_path, images, label=["AMF", "AMF", "AMF"])])
    assert kinds(outcome) == {"identical-crops": 1}
    assert outcome.of(Kind.IDENTICAL)[0].figures == ("a.png", "c.png")
    assert outcome.errors == 0


def test_identical_pixels_in_another_format(tmp_path):
    figures = make(tmp_path, {"a.png": crop(1), "b.bmp": crop(1)})
    assert kinds(audit([figures])) == {"identical-crops": 1}


def jpeg(pixels: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "turned": np.rot90,
    "mirrored": lambda pixels: pixels[:, ::-1],
    "encoded again": jpeg,
    "half the resolution": lambda pixels: np.asarray(Image.fromarray(pixels).resize((64, 64))),
    "brighter": lambda pixels: np.clip(pixels * 1.08 + 5, 0, 255).astype(np.uint8),
    "noisy": lambda pixels: np.clip(pixels + np.random.default_rng(0).normal(0, 6, pixels.shape), 0, 255).astype("u1"),
    "shifted": lambda pixels: np.pad(pixels, ((1, 0), (1, 0), (0, 0)), "edge")[:128, :128],
    "all of it": lambda pixels: jpeg(np.rot90(np.clip(pixels * 0.95, 0, 255).astype(np.uint8)[:, ::-1], 3)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_near_identical_crops(tmp_path, change):
    images = {f"{seed}.png": crop(seed) for seed in range(6)} | {"copy.png": change(crop(3))}
    outcome = audit([make(tmp_path, images)])
    assert kinds(outcome).get("near-identical-crops") == 1
    assert outcome.of(Kind.NEAR_IDENTICAL)[0].figures == ("3.png", "copy.png")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), turns=st.integers(0, 3), mirrored=st.booleans())
def test_descriptors_do_not_change_when_a_crop_is_turned_or_mirrored(seed, turns, mirrored):
    thumb = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    other = np.rot90(thumb[:, ::-1] if mirrored else thumb, turns)
    first, second = descriptors(np.stack([thumb, other]))
    assert first == pytest.approx(second, abs=1e-5)
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)


def test_different_crops_are_far_from_the_same(tmp_path):
    grey = [np.asarray(Image.fromarray(crop(seed)).convert("L"), dtype=np.float32) for seed in range(6)]
    across = [correlation(grey[i], grey[j]) for i in range(6) for j in range(i)]
    assert max(across) < SAME - 0.2
    assert correlation(grey[0], np.rot90(grey[0])) == pytest.approx(1, abs=1e-4)


def test_duplicates_that_contradict_are_errors(tmp_path):
    images = {"a.png": crop(1), "b.png": np.rot90(crop(1))}
    outcome = audit([make(tmp_path, images, label=["AMF", "NMF"])])
    assert kinds(outcome) == {"near-identical-crops": 1, "duplicates-contradict": 1}
    assert outcome.errors == 1
    assert "a.png = AMF, b.png = NMF" in outcome.of(Kind.CONTRADICTION)[0].explanation


def test_duplicates_in_two_cases_are_errors(tmp_path):
    images = {"a.png": crop(1), "b.png": crop(1), "c.png": crop(2)}
    outcome = audit([make(tmp_path, images, case=["P1", "P2", "P1"])])
    assert len(outcome.of(Kind.TWO_CASES)) == outcome.errors == 1


def test_the_same_place_of_a_slide(tmp_path):
    images = {f"{seed}.png": crop(seed) for seed in range(4)}
    figures = make(
        tmp_path, images, slide=["s.svs", "S.tiff", "s.svs", "t.svs"], x=[100, 112, 200, 100], y=[50, 50, 50, 50]
    )
    outcome = audit([figures])
    assert [finding.figures for finding in outcome.of(Kind.SAME_PLACE)] == [("0.png", "1.png")]
    assert not audit([figures], tolerance=5).of(Kind.SAME_PLACE)


def test_the_same_place_is_not_told_twice(tmp_path):
    images = {"a.png": crop(1), "b.png": crop(1)}
    outcome = audit([make(tmp_path, images, slide=["s", "s"], x=[1, 1], y=[1, 1])])
    assert kinds(outcome) == {"identical-crops": 1}


def test_one_file_in_two_rows(tmp_path):
    write(tmp_path, {"a.png": crop(1), "b.png": crop(2)})
    table = pd.DataFrame({"image": ["a.png", "a.png", "b.png"], "label": ["AMF", "NMF", "NMF"]})
    outcome = audit([figures_from(table, tmp_path, "made")])
    assert kinds(outcome) == {"repeated-row": 1, "duplicates-contradict": 1}


def test_pages_of_a_stack_are_figures_of_their_own(tmp_path):
    pages = np.stack([crop(1), crop(2), crop(1)])
    tifffile.imwrite(tmp_path / "stack.tif", pages, photometric="rgb")
    outcome = audit([open_source(tmp_path / "stack.tif")])
    assert kinds(outcome) == {"identical-crops": 1}


def test_labels_against_votes(tmp_path):
    images = {f"{seed}.png": crop(seed) for seed in range(4)}
    votes = {"vote_1": [1, 1, 0, None], "vote_2": [1, 0, 0, None], "vote_3": [0, None, 0, 1]}
    outcome = audit([make(tmp_path, images, label=["NMF", "NMF", "NMF", "AMF"], **votes)])
    assert [finding.figures for finding in outcome.of(Kind.VOTES)] == [("0.png",)]
    assert "2 of 3 votes say AMF" in outcome.of(Kind.VOTES)[0].explanation


def test_subtypes_against_the_same_experts_vote(tmp_path):
    images = {"a.png": crop(1), "b.png": crop(2)}
    outcome = audit([make(tmp_path, images, vote_1=[1, 0], subtype_1=["metaphase", "metaphase"])])
    assert [finding.figures for finding in outcome.of(Kind.SUBTYPES)] == [("a.png",)]


def test_bad_images(tmp_path):
    images = {f"{seed}.png": crop(seed) for seed in range(5)}
    images |= {"odd.png": crop(9, 96), "dot.png": crop(10, 4), "white.png": np.full((128, 128, 3), 255, np.uint8)}
    figures = make(tmp_path, images)
    (tmp_path / "0.png").write_text("no image")
    outcome = audit([figures])
    assert kinds(outcome) == {"unreadable": 1, "odd-size": 2, "blank": 1}
    sizes = {finding.figures: finding.severity for finding in outcome.of(Kind.ODD_SIZE)}
    assert sizes == {("dot.png",): Severity.ERROR, ("odd.png",): Severity.WARNING}
    assert outcome.of(Kind.UNREADABLE)[0].figures == ("0.png",)
    assert str(tmp_path) not in json.dumps(outcome.to_json())


def test_cases_in_two_splits_and_test_figures_in_training(tmp_path):
    images = {"a.png": crop(1), "b.png": crop(1), "c.png": crop(2), "d.png": crop(3)}
    figures = make(tmp_path, images, case=["P1", "P1", "P2", "P2"], split=["train", "test", "train", "train"])
    outcome = audit([figures])
    assert [finding.figures for finding in outcome.of(Kind.CASE_IN_TWO_SPLITS)] == [("a.png", "b.png")]
    assert len(outcome.of(Kind.LEAK)) == 1
    assert outcome.errors == 2


def test_a_training_set_that_contains_a_test_sets_figures(tmp_path):
    training = make(tmp_path / "one", {"a.png": crop(1), "b.png": crop(2)}, "one")
    test = make(tmp_path / "two", {"x.png": np.rot90(crop(2)), "y.png": crop(3)}, "two")
    outcome = audit([training], [test])
    assert [finding.figures for finding in outcome.of(Kind.LEAK)] == [("one: b.png", "two: x.png")]
    assert outcome.errors == 1
    assert audit([training, test]).errors == 0


def test_only_the_test_part_counts_as_test(tmp_path):
    images = {"a.png": crop(1), "b.png": crop(2)}
    whole = make(tmp_path, images, split=["train", "test"])
    part = figures_from(pd.DataFrame({"image": ["a.png"]}), tmp_path, "training")
    assert not audit([part], [whole]).of(Kind.LEAK)
    other = figures_from(pd.DataFrame({"image": ["b.png"]}), tmp_path, "training")
    assert len(audit([other], [whole]).of(Kind.LEAK)) == 1


def test_without_pixels_nothing_is_read(tmp_path):
    table = pd.DataFrame({"image": ["gone.png"], "label": ["AMF"], "vote_1": [0]})
    outcome = audit([figures_from(table, tmp_path, "made")], pixels=False)
    assert kinds(outcome) == {"label-contradicts-votes": 1}
    assert Kind.UNREADABLE not in outcome.checked


def test_json_counts_what_was_checked_and_found(tmp_path):
    outcome = audit([make(tmp_path, {"a.png": crop(1), "b.png": crop(1)})])
    plain = json.loads(json.dumps(outcome.to_json()))
    assert plain["counts"]["identical-crops"] == 1
    assert plain["counts"]["near-identical-crops"] == 0
    assert set(plain["findings"][0]) == {"kind", "severity", "figures", "explanation", "fix"}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).filter(lambda pair: pair[0] != pair[1])))
def test_groups_are_disjoint_and_hold_all_pairs(pairs):
    groups = connect(pairs)
    rows = [row for group in groups for row in group]
    assert len(rows) == len(set(rows)) == len({row for pair in pairs for row in pair})
    home = {row: group for group in groups for row in group}
    assert all(home[first] == home[second] for first, second in pairs)


def test_midog25_labels_have_their_known_flaws(real_data):
    figures = open_source(real_data / "MIDOG25" / "MIDOG25_Atypical_Classification_Train_Set.csv")
    outcome = audit([figures], pixels=False)
    assert kinds(outcome) == {"repeated-row": 1, "label-contradicts-votes": 49}
    assert len(outcome.of(Kind.REPEATED_ROW)[0].figures) == 4


def test_midog25_contains_test_figures_of_ami_br(real_data):
    training = open_source("midog25", data_home=real_data)
    cases = sorted(set(training.cases))[:12]
    few = training.where(training.table["case"].isin(cases))
    test = open_source("ami-br", data_home=real_data)
    test = test.where(test.table["case"].isin(cases))
    outcome = audit([few], [test])
    expected = int((test.table["split"] == "test").sum())
    assert len(outcome.of(Kind.LEAK)) == expected > 10
    assert len(outcome.of(Kind.NEAR_IDENTICAL)) == 0
