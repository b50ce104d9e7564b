"""The pictures of figures, made once and kept on disk."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from atypica.core.errors import FigureError
from atypica.core.files import atomic_path
from atypica.inference.pipeline import prepare
from atypica.inference.result import Result
from atypica.reporting.gallery import map_scale, overlay_image

THUMB_PX = 224
VIEW_PX = 1024
MAP_PX = 256
QUALITY = 92
KINDS = {"thumb": ".jpg", "view": ".jpg", "map": ".png"}
"""`thumb`: the field that the network sees; `view`: the whole crop; `map`: what moved the network, over its field."""


class OnSlide(NamedTuple):
    """Where a figure lies on a slide, in pixels of level 0.

    Attributes:
        image: the slide, as in the column `image`.
        x, y: the figure's center.
        side: of the network's field.
        mpp: micrometers per pixel.
    """

    image: str
    x: float
    y: float
    side: float
    mpp: float


class Field(NamedTuple):
    """The network's field in shares of the view; below 0 or above 1 where it reaches beyond."""

    left: float
    top: float
    width: float
    height: float


class Pictures:
    """Makes pictures and keeps them.

    Args:
        result: the figures.
        folder: where pictures are kept; may be deleted at any time.
        maps: whether the model at hand is the one that typed the figures, so that its maps explain them.
    """

    def __init__(self, result: Result, folder: Path, *, maps: bool) -> None:
        self._result, self._folder, self.maps = result, folder, maps
        self._locks = [threading.Lock() for _ in range(64)]
        images = result.figures.table["image"]
        self._paths = [result.figures.path(str(image)) for image in images]
        self._names = [str(figure) for figure in result.figures.table["figure_id"]]

    def path(self, row: int, kind: str) -> Path:
        """The file of one picture; made if it is not there.

        Raises:
            FigureError: the figure cannot be read.
            OutputError: the picture cannot be kept.
        """
        name = self._name(row, kind)
        target = self._folder / name[:2] / name
        if target.is_file():
            return target
        with self._locks[int(name[:2], 16) % len(self._locks)]:
            if not target.is_file():
                picture = self._make(row, kind)
                with atomic_path(target) as temporary:
                    picture.save(temporary, quality=QUALITY, subsampling=0, optimize=True)
        return target

    def place(self, row: int) -> OnSlide | None:
        """Where the figure lies on its slide; None for a crop of its own, around which there is nothing.

        Raises:
            FigureError: the figure cannot be read.
        """
        found = self._result.crops.read(row).place
        if found is None:
            return None
        table = self._result.figures.table
        side = self._result.card.geometry.field_um / found.mpp
        return OnSlide(str(table["image"][row]), float(table["x"][row]), float(table["y"][row]), side, found.mpp)

    def mpp(self, row: int) -> float:
        """Micrometers per pixel of level 0 of the figure's image.

        Raises:
            FigureError: the figure cannot be read.
        """
        crop = self._result.crops.read(row)
        return crop.place.mpp if crop.place else self._result.resolution.of(row, crop.mpp)[0]

    def field(self, row: int) -> Field:
        """What the network sees of the view.

        Raises:
            FigureError: the figure cannot be read.
        """
        crop = self._result.crops.read(row)
        height, width = crop.pixels.shape[:2]
        mpp = crop.place.mpp * crop.place.scale if crop.place else self._result.resolution.of(row, crop.mpp)[0]
        x, y = crop.place.center if crop.place else (width / 2, height / 2)
        side = self._result.card.geometry.field_um / mpp
        return Field((x - side / 2) / width, (y - side / 2) / height, side / width, side / height)

    def _name(self, row: int, kind: str) -> str:
        try:
            stat = self._paths[row].stat()
            state = f"{stat.st_mtime_ns} {stat.st_size}"
        except OSError as error:
            raise FigureError(f"there is no file {self._paths[row].name}", "bring it back") from error
        card = self._result.card
        made = f"{self._names[row]} {state} {card.geometry} {f'{card.onnx_sha256} own' if kind == 'map' else ''} {kind}"
        return hashlib.sha256(made.encode()).hexdigest()[:24] + KINDS[kind]

    def _make(self, row: int, kind: str) -> Image.Image:
        if kind == "view":
            image = Image.fromarray(self._result.crops.read(row).pixels)
            image.thumbnail((VIEW_PX, VIEW_PX), Image.Resampling.LANCZOS)
            return image
        if kind == "map":
            activation = self._result.explain([row])[1]
            # At the figure's own strength: beside sure figures, the map of an uncertain one could not be seen.
            strength = overlay_image(activation[0], map_scale(activation))
            return strength.resize((MAP_PX, MAP_PX), Image.Resampling.BICUBIC)
        result = self._result
        image = Image.fromarray(prepare(result.classifier, result.crops, result.resolution, row).crop)
        image.thumbnail((THUMB_PX, THUMB_PX), Image.Resampling.LANCZOS)
        return image
