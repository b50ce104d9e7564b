"""Every kind of image that a lab may bring, and every kind of damage."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from atypica.core.errors import FigureError
from atypica.data.readers import read_crop, rgb_of_image
from atypica.data.stack import Stack


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def save(pixels: np.ndarray, path: Path, mode: str | None = None, **options) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_lossless_kinds_give_the_same_pixels(tmp_path, rgb, suffix):
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    np.testing.assert_array_equal(read_crop(save(rgb, tmp_path / f"a{suffix}", **options)), rgb)


def test_jpeg_is_close(tmp_path):
    flat = np.full((16, 16, 3), (200, 120, 180), np.uint8)
    np.testing.assert_allclose(read_crop(save(flat, tmp_path / "a.jpg", quality=95)).astype(int), flat, atol=4)


def test_kind_is_told_by_content_not_by_name(tmp_path, rgb):
    path = save(rgb, tmp_path / "a.png")
    np.testing.assert_array_equal(read_crop(path.rename(tmp_path / "a.jpg")), rgb)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_not_cut(tmp_path, rgb, suffix):
    deep = rgb.astype(np.uint16) * 257
    path = tmp_path / f"a{suffix}"
    if suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(deep))
    else:
        tifffile.imwrite(path, deep, photometric="rgb")
    np.testing.assert_array_equal(read_crop(path), rgb)


@pytest.mark.parametrize("deep", [False, True])
def test_grey_is_repeated(tmp_path, rgb, deep):
    grey = rgb[..., 0].astype(np.uint16) * 257 if deep else rgb[..., 0]
    read = read_crop(save(grey, tmp_path / "a.png"))
    np.testing.assert_array_equal(read, np.repeat(rgb[..., :1], 3, axis=2))


def test_transparent_lies_on_white(tmp_path, rgb):
    alpha = np.zeros((24, 20, 1), np.uint8)
    alpha[:12] = 255
    read = read_crop(save(np.concatenate([rgb, alpha], axis=2), tmp_path / "a.png"))
    np.testing.assert_array_equal(read[:12], rgb[:12])
    assert (read[12:] == 255).all()


def test_half_transparent_black_is_grey(tmp_path):
    half = np.zeros((4, 4, 4), np.uint8)
    half[..., 3] = 128
    assert (read_crop(save(half, tmp_path / "a.png")) == 127).all()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".gif"])
def test_palette(tmp_path, suffix):
    colors = np.zeros((8, 8, 3), np.uint8)
    colors[:4], colors[4:] = (250, 10, 60), (30, 40, 200)
    Image.fromarray(colors).quantize(2).save(tmp_path / f"a{suffix}")
    assert Image.open(tmp_path / f"a{suffix}").mode == "P"
    np.testing.assert_allclose(read_crop(tmp_path / f"a{suffix}").astype(int), colors, atol=1)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(tmp_path, suffix):
    red = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    read = read_crop(save(red, tmp_path / f"a{suffix}", mode="CMYK")).astype(int)
    np.testing.assert_allclose(read, red, atol=6)


def test_white_is_zero_tiff_is_turned(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 8), 10, np.uint8), photometric="miniswhite")
    assert (read_crop(tmp_path / "a.tif") == 245).all()


def test_planar_tiff(tmp_path, rgb):
    planes = np.ascontiguousarray(np.moveaxis(rgb, -1, 0))
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_crop(tmp_path / "a.tif"), rgb)


def test_one_pixel_is_read(tmp_path):
    assert read_crop(save(np.full((1, 1, 3), 7, np.uint8), tmp_path / "a.png")).shape == (1, 1, 3)


def test_pages_of_a_stack(tmp_path, rgb):
    pages = np.stack([rgb, 255 - rgb])
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="rgb")
    np.testing.assert_array_equal(read_crop(tmp_path / "a.tif", 1), 255 - rgb)
    with pytest.raises(FigureError, match="pages 0 to 1, not 2"):
        read_crop(tmp_path / "a.tif", 2)


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((40000, 40000), "CENTIMETER", 0.25),
        ((101600, 101600), "INCH", 0.25),
        ((72, 72), "INCH", None),
        ((40000, 40000), "NONE", None),
        ((100, 100), "CENTIMETER", None),
        ((0, 0), "CENTIMETER", None),
    ],
)
def test_mpp_of_a_tiff_is_used_only_when_sane(tmp_path, rgb, resolution, unit, expected):
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb", resolution=resolution, resolutionunit=unit)
    with Stack(tmp_path / "a.tif") as stack:
        assert stack.mpp() == expected


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
@pytest.mark.parametrize("kept", [0.1, 0.6])
def test_truncated_file_is_named_without_its_folder(tmp_path, rgb, suffix, kept):
    path = save(np.tile(rgb, (4, 4, 1)), tmp_path / f"cut{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(FigureError, match=f"cut{suffix}") as raised:
        read_crop(path)
    assert str(tmp_path) not in str(raised.value)
    assert raised.value.fix


def test_damaged_png(tmp_path, rgb):
    path = save(rgb, tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(FigureError, match=r"a\.png cannot be read"):
        read_crop(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"just some text\n" * 9, "is not an image"), (b"\x89PNG\r\n\x1a\n", "cannot be read")],
)
def test_what_is_no_image(tmp_path, content, message):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FigureError, match=rf"a\.png .*{message}"):
        read_crop(tmp_path / "a.png")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FigureError, match=r"no file gone\.png"):
        read_crop(tmp_path / "gone.png")
    with pytest.raises(FigureError, match="cannot be read"):
        read_crop(tmp_path)


def bomb(path: Path, side: int) -> Path:
    """A PNG that states its size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def test_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    def decode(_: bytes) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(imagecodecs, "png_decode", decode)
    with pytest.raises(FigureError, match=r"20000x20000 px, more than the limit") as raised:
        read_crop(bomb(tmp_path / "a.png", 20_000))
    assert "--max-pixels" in raised.value.fix


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_limit_can_be_raised_and_lowered(tmp_path, rgb, suffix):
    path = save(rgb, tmp_path / f"a{suffix}")
    with pytest.raises(FigureError, match="20x24 px, more than the limit of 479 pixels"):
        read_crop(path, max_pixels=479)
    assert read_crop(path, max_pixels=480).shape == rgb.shape


def test_bomb_of_another_kind_gets_the_same_advice(tmp_path):
    (tmp_path / "a.bmp").write_bytes(
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 58, 0, 0, 54, 40, 20_000, 20_000, 1, 24, 0, 4, 0, 0, 0, 0) + b"1234"
    )
    with pytest.raises(FigureError, match="20000x20000 px, more than the limit") as raised:
        read_crop(tmp_path / "a.bmp")
    assert "--max-pixels" in raised.value.fix


def test_limit_can_be_raised_above_that_of_pillow(tmp_path, rgb, monkeypatch):
    path = save(rgb, tmp_path / "a.bmp")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_crop(path, max_pixels=480).shape == rgb.shape
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_sixteen_bits_in_memory_are_scaled_as_in_files(tmp_path, mode):
    deep = np.array([[0, 256, 257 * 100, 65_535]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", deep)
    image = Image.fromarray(deep.astype(np.int32) if mode == "I" else deep.astype(">u2" if mode[-1] == "B" else "u2"))
    assert image.mode == mode
    found = rgb_of_image(image, "a")
    np.testing.assert_array_equal(found, read_crop(tmp_path / "a.tif"))
    assert found[0, :, 1].tolist() == [0, 1, 100, 255]


@pytest.mark.parametrize("pixels", [[0, 255], [-1, 65_535], [0, 65_536]])
def test_whole_numbers_that_may_be_anything_are_refused(pixels):
    with pytest.raises(FigureError, match=f"from {pixels[0]} to {pixels[1]}") as raised:
        rgb_of_image(Image.fromarray(np.array([pixels], np.int32)), "a")
    assert "'I;16'" in raised.value.fix


def test_floating_point_image_in_memory_is_refused():
    with pytest.raises(FigureError, match="type float32") as raised:
        rgb_of_image(Image.new("F", (4, 4), 0.5), "a")
    assert "round(255 x)" in raised.value.fix


def test_floating_point_image_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.float32))
    with pytest.raises(FigureError, match="type float32"):
        read_crop(tmp_path / "a.tif")


def test_real_crop_is_as_pillow_reads_it(real_data):
    path = next((real_data / "AMi-Br" / "Atypical").glob("*.png"))
    np.testing.assert_array_equal(read_crop(path), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("codec", ["jpeg", "jpeg2000", "webp", "zlib", "lzw"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_tiff_codecs(tmp_path, codec, tile):
    flat = np.full((48, 48, 3), (200, 120, 180), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", flat, photometric="rgb", compression=codec, tile=tile)
    np.testing.assert_allclose(read_crop(tmp_path / "a.tif", max_pixels=48 * 48).astype(int), flat, atol=4)


def test_a_tile_larger_than_the_limit_is_refused_undecoded(tmp_path):
    """The page says 16x16, its one tile 4096x4096: 16 MB of pixels in 16 kB."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((16, 16), np.uint8), tile=(4096, 4096), compression="zlib")
    with pytest.raises(FigureError, match="16,777,216 values"):
        read_crop(tmp_path / "a.tif", max_pixels=1_000_000)


def test_a_volume_counts_with_its_depth(tmp_path):
    volume = np.zeros((64, 16, 16), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", volume, volumetric=True, tile=(16, 16, 16), photometric="minisblack")
    with pytest.raises(FigureError, match="16,384 values"):
        read_crop(tmp_path / "a.tif", max_pixels=1_000)


@pytest.mark.parametrize("codec", ["JPEG", "WEBP"])
def test_a_segment_that_is_larger_than_its_page_says_is_refused_undecoded(tmp_path, codec):
    """The page says 16x16, the image within says 3000x3000."""
    buffer = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(buffer, codec)
    tag = {"JPEG": 7, "WEBP": 50001}[codec]
    tifffile.imwrite(
        tmp_path / "a.tif", iter([buffer.getvalue()]), shape=(16, 16, 3), dtype=np.uint8, photometric="rgb",
        compression=tag,
    )  # fmt: skip
    with pytest.raises(FigureError, match="is 3000x3000 px, more than the limit"):
        read_crop(tmp_path / "a.tif", max_pixels=1_000_000)
