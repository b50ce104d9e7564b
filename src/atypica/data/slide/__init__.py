"""Slides and regions: one handle for every format, with pixels read where they are needed and nowhere else."""

from __future__ import annotations

from pathlib import Path

from atypica.core.errors import FigureError, MissingExtraError
from atypica.data.readers import MAX_PIXELS, is_tiff, read_header
from atypica.data.slide.handle import Slide as Slide
from atypica.data.slide.picture import PictureSlide, picture_size
from atypica.data.slide.tiff import TiffSlide, tiff_size, vendor_of
from atypica.data.slide.vendor import OpenSlideSlide, is_installed, recognizes
from atypica.data.stack import unreadable

VENDOR_SUFFIXES = {".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide", ".dcm", ".czi", ".zvi"}
"""Formats that OpenSlide alone reads here."""
DICOM_MARK = slice(128, 132)


def open_slide(path: Path, max_pixels: int = MAX_PIXELS) -> Slide:
    """Open a slide or region: the vendors' formats (SVS, NDPI, MRXS, DICOM, ...) through OpenSlide; plain, pyramidal
    and OME-TIFF of any size; PNG and other pictures up to `max_pixels`.

    Close it, or use it as a context manager.

    Raises:
        FigureError: missing, damaged, of no known kind, or a picture that is too large.
        MissingExtraError: the format needs OpenSlide, which is not installed.
    """
    header = read_header(path)
    if is_installed() and recognizes(path):
        return OpenSlideSlide(path)
    if is_vendor_format(path):
        if is_installed():
            raise FigureError(f"{path.name} cannot be read: OpenSlide does not know it", "replace the file")
        raise MissingExtraError(f"reading {path.name}", "slides")
    return TiffSlide(path) if is_tiff(header) else PictureSlide(path, header, max_pixels)


def is_vendor_format(path: Path) -> bool:
    """Whether only OpenSlide reads such a file, by its name, or its content if it is a TIFF or DICOM.

    Raises:
        FigureError: missing, empty or not allowed.
    """
    if path.suffix.lower() in VENDOR_SUFFIXES:
        return True
    if is_tiff(read_header(path)):
        return vendor_of(path) not in {"", "OME"}
    return _is_dicom(path)


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            return handle.read(DICOM_MARK.stop)[DICOM_MARK] == b"DICM"
    except OSError as error:
        raise unreadable(path.name, error) from error


def image_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an image from its header alone; None where that does not tell.

    Raises:
        FigureError: missing, empty or not allowed.
    """
    header = read_header(path)
    return tiff_size(path) if is_tiff(header) else picture_size(path, header)
