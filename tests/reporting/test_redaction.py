"""A report carries the ids it was given, and no folder of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atypica.reporting.redaction import without_folders

ROOT = Path("/srv/lab/run 7")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/srv/lab/run 7/AMF/a.png is cut short", "AMF/a.png is cut short"),
        ("/home/ann/secret/b.png: no such file", "b.png: no such file"),
        (r"C:\Users\ann\c.png is no image", "c.png is no image"),
        (r"\\server\share\d.png is no image", "d.png is no image"),
        ("read '/mnt/x/e.tif' (3 pages)", "read 'e.tif' (3 pages)"),
        ("anaphase / telophase, AMF/NMF, 0.25 um/px", "anaphase / telophase, AMF/NMF, 0.25 um/px"),
        ("see https://zenodo.org/record/1", "see https://zenodo.org/record/1"),
        ("AMF/a.png", "AMF/a.png"),
    ],
)
def test_folders_are_cut_out_and_all_else_stays(text, wanted):
    assert without_folders(ROOT)(text) == wanted


def test_absolute_images_keep_what_tells_them_apart():
    images = ["/data/my study/case 1/x.png", "/data/my study/case 2/x.png", "/data/my study/case 2/y.png"]
    shown = without_folders(Path(), images)
    assert [shown(image) for image in images] == ["case 1/x.png", "case 2/x.png", "case 2/y.png"]


def test_a_home_is_never_shown():
    images = ["/home/ann/x.png", "/home/bob lee/case 2/x.png"]
    shown = without_folders(Path(), images)
    assert [shown(image) for image in images] == ["x.png", "x.png"]


@given(st.lists(st.text("abcXYZ019_-", min_size=2, max_size=8), min_size=1, max_size=5))
def test_no_absolute_path_survives(parts):
    shown = without_folders(ROOT)("/" + "/".join(parts) + "/file.png cannot be read")
    assert shown == "file.png cannot be read"
