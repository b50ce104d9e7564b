"""Slides: pixels where they are asked for, on every level, and clear errors for what is broken."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pyramid import marked, shrink, write_slide

from atypica.core.errors import FigureError, MissingExtraError
from atypica.data.slide import handle, image_size, open_slide, vendor

WIDTH, HEIGHT = 1001, 702
LAYOUTS = {
    "tiles, deflate": {},
    "tiles, LZW": {"compression": "lzw"},
    "plain tiles": {"compression": None},
    "strips": {"tile": None, "rowsperstrip": 16},
    "one plain strip": {"tile": None, "compression": None, "rowsperstrip": HEIGHT},
    "levels in SubIFDs": {"subifds": True},
}


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def slide(request, tmp_path):
    with open_slide(write_slide(tmp_path / "slide.tif", marked(WIDTH, HEIGHT), **request.param)) as opened:
        yield opened


def test_pixels_of_every_level_are_those_that_were_written(slide):
    pixels = marked(WIDTH, HEIGHT)
    assert slide.size == (WIDTH, HEIGHT)
    assert slide.downsamples == (1, 2, 4)
    for level, scale in enumerate((1, 2, 4)):
        got = slide.read(300, 200, 90, 70, level)
        assert np.array_equal(got, pixels[200 // scale : 200 // scale + 70, 300 // scale : 300 // scale + 90])
        pixels = shrink(marked(WIDTH, HEIGHT), 2 * scale) if scale == 1 else shrink(pixels, 2)


def test_beyond_the_border_it_is_white_and_that_can_be_known(slide):
    got = slide.read(-20, HEIGHT - 10, 50, 40)
    assert np.array_equal(got[:10, 20:], marked(WIDTH, HEIGHT)[-10:, :30])
    assert (got[:, :20] == 255).all()
    assert (got[10:] == 255).all()
    assert not slide.covers(-20, HEIGHT - 10, 50, 40)
    assert slide.covers(0, 0, WIDTH, HEIGHT)
    assert not slide.covers(1, 0, WIDTH, HEIGHT)
    assert (slide.read(5000, 5000, 4, 4) == 255).all()


def test_the_thumbnail_is_the_mean_of_what_is_below(tmp_path, monkeypatch):
    monkeypatch.setattr(handle, "BLOCK_PX", 100)  # pieced together from many
    pixels = np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    with open_slide(write_slide(tmp_path / "slide.tif", pixels, levels=1)) as slide:
        got = slide.thumbnail(200)
    assert got.shape == (150, 200, 3)
    assert np.abs(got.astype(int) - shrink(pixels, 4)).max() <= 1


@pytest.mark.parametrize("mpp", [0.25, 0.499, 0.121])
def test_the_resolution_is_that_of_the_file(tmp_path, mpp):
    with open_slide(write_slide(tmp_path / "slide.tif", marked(300, 300), mpp=mpp)) as slide:
        assert slide.mpp == pytest.approx(mpp, abs=1e-4)


def test_no_resolution_is_none(tmp_path):
    with open_slide(write_slide(tmp_path / "slide.tif", marked(300, 300), mpp=None)) as slide:
        assert slide.mpp is None


def test_an_ome_tiff_says_its_resolution_in_its_own_way(tmp_path):
    where = {"PhysicalSizeX": 230.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.23, "PhysicalSizeYUnit": "µm"}
    pixels = marked(500, 400)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(pixels, photometric="rgb", tile=(64, 64), subifds=1, metadata={"axes": "YXS", **where})
        file.write(shrink(pixels, 2), photometric="rgb", tile=(64, 64), subfiletype=1)
    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert slide.mpp == pytest.approx(0.23)
        assert slide.downsamples == (1, 2)
        assert np.array_equal(slide.read(100, 50, 30, 20), pixels[50:70, 100:130])


def test_a_picture_is_a_slide_without_resolution(tmp_path):
    Image.fromarray(marked(500, 400)).save(tmp_path / "region.png")
    with open_slide(tmp_path / "region.png") as slide:
        assert (slide.size, slide.mpp) == ((500, 400), None)
        assert np.array_equal(slide.read(10, 20, 30, 40), marked(500, 400)[20:60, 10:40])
    assert image_size(tmp_path / "region.png") == (500, 400)
    with pytest.raises(FigureError, match="more than the limit"):
        open_slide(tmp_path / "region.png", max_pixels=1000)


def test_only_the_tiles_that_are_asked_for_are_held(tmp_path):
    path = write_slide(tmp_path / "slide.tif", np.zeros((8000, 8000, 3), np.uint8), levels=1, tile=(256, 256))
    tracemalloc.start()
    with open_slide(path) as slide:
        slide.read(4000, 4000, 64, 64)
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000  # the whole is 192 MB


def test_the_real_slide(real_data):
    with open_slide(real_data / "slides" / "CMU-1-Small-Region.svs") as slide:
        assert slide.size == (2220, 2967)
        assert slide.mpp == 0.499
        assert slide.downsamples == (1,)
        page = tifffile.imread(real_data / "slides" / "CMU-1-Small-Region.svs", key=0)
        assert np.array_equal(slide.read(1000, 1500, 200, 100), page[1500:1600, 1000:1200])
        corner = slide.read(2200, 2950, 40, 40)
        assert np.array_equal(corner[:17, :20], page[2950:, 2200:])
        assert (corner[17:] == 255).all()


def test_without_openslide_a_vendor_slide_names_the_extra(real_data, monkeypatch):
    monkeypatch.setattr("atypica.data.slide.is_installed", lambda: False)
    with pytest.raises(MissingExtraError, match=r"atypica\[slides\]"):
        open_slide(real_data / "slides" / "CMU-1-Small-Region.svs")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9])
def test_a_truncated_svs_is_an_error(real_data, tmp_path, share):
    whole = (real_data / "slides" / "CMU-1-Small-Region.svs").read_bytes()
    (tmp_path / "cut.svs").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(FigureError, match=r"cut\.svs"):
        open_slide(tmp_path / "cut.svs").read(0, 0, 2220, 2967)


def test_one_damaged_tile_does_not_spoil_the_others(real_data, tmp_path):
    content = bytearray((real_data / "slides" / "CMU-1-Small-Region.svs").read_bytes())
    with tifffile.TiffFile(real_data / "slides" / "CMU-1-Small-Region.svs") as file:
        page = file.pages[0]
        start, length = page.dataoffsets[0], page.databytecounts[0]
    content[start : start + length] = b"\xff" * length
    (tmp_path / "a.svs").write_bytes(content)
    with open_slide(tmp_path / "a.svs") as slide:
        with pytest.raises(FigureError, match="cannot be decoded"):
            slide.read(0, 0, 100, 100)
        assert slide.read(1000, 1000, 50, 50).mean() < 250


def test_a_tiff_that_ends_too_early_is_an_error(tmp_path):
    whole = write_slide(tmp_path / "a.tif", marked(600, 600), levels=1).read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FigureError, match=r"a\.tif"):
        open_slide(tmp_path / "a.tif").read(500, 500, 90, 90)


LIMITED = """
import resource, sys
from pathlib import Path
from atypica.core.errors import AtypicaError
from atypica.data.slide import open_slide
import tifffile, imagecodecs
resource.setrlimit(resource.RLIMIT_AS, (2_500_000_000,) * 2)
try:
    with open_slide(Path(sys.argv[1])) as slide:
        slide.read(0, 0, 64, 64)
        slide.thumbnail(100)
except AtypicaError as error:
    print("refused:", error.message)
"""


def absurd(path: Path, **tags: int) -> Path:
    """A TIFF of one small tile whose tags (width, height, tile) were overwritten."""
    write_slide(path, marked(64, 64), levels=1)
    with tifffile.TiffFile(path, mode="r+") as file:
        for name, value in tags.items():
            tag = file.pages[0].tags[name]
            tag.overwrite(value, dtype="I")
    return path


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageWidth": 2_000_000_000, "ImageLength": 2_000_000_000},
        {"TileWidth": 1_000_000, "TileLength": 1_000_000, "ImageWidth": 1_000_000, "ImageLength": 1_000_000},
        {"ImageWidth": 0},
        {"SamplesPerPixel": 60_000},
    ],
    ids=str,
)
def test_absurd_sizes_are_refused_within_bounded_memory(tmp_path, tags):
    path = absurd(tmp_path / "a.tif", **tags)
    command = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("refused: "), done.stderr[-2000:]
    assert "a.tif" in done.stdout


def test_a_tile_that_claims_to_be_huge_is_refused(tmp_path):
    path = write_slide(tmp_path / "a.tif", marked(64, 64), levels=1, compression="jpeg")
    content = bytearray(path.read_bytes())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"  # 65,535 x 65,535 px
    path.write_bytes(content)
    with open_slide(path) as slide, pytest.raises(FigureError, match="limit"):
        slide.read(0, 0, 64, 64)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.svs", b"II*\0" + b"\xff" * 500),
        ("a.ndpi", b"nothing"),
        ("a.mrxs", b"text"),
        ("a.tif", b"II*\0"),
        ("a.xyz", b"x"),
    ],
)
def test_what_is_no_slide_says_so(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FigureError, match=name):
        open_slide(tmp_path / name)


def test_openslide_is_asked_only_for_what_is_not_plain(tmp_path):
    path = write_slide(tmp_path / "a.tif", marked(600, 600))
    assert vendor.is_installed()
    assert not vendor.recognizes(path)
