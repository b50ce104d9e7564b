"""The figures that a report shows: which ones, their pictures, and the maps of what moved the model."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from atypica.inference.counting import counted
from atypica.inference.predictions import flags

LIMIT = 300
"""How many typed figures a gallery shows at most, unless asked for more."""
LEFT_OUT_LIMIT = 60
"""How many figures that do not count are shown after those that do."""
AMF_SHARE, CHECK_SHARE = 0.5, 1 / 3
"""Shares of a full gallery for the surest AMF and for the figures to check; the surest NMF get the rest."""
CROP_PX = 160
MAP_PX = 32
MAP_OPACITY = 0.55
AMF_RGB, NMF_RGB = (255, 149, 0), (0, 205, 235)
"""Orange and cyan: told apart by every usual kind of color vision, and neither is a color of H&E."""


@dataclass(frozen=True)
class Picture:
    """One figure's crop and the map laid over it, as data URIs."""

    crop: str
    map: str


def choose(predictions: pd.DataFrame, limit: int = LIMIT) -> list[int]:
    """The rows to show, by falling `p_amf`; all counted figures where they fit, then some of those left out.

    Otherwise half are the surest AMF, a third those to check (`abstain` first, then the nearest to the threshold),
    the rest the surest NMF; a group that is short leaves its places to the next.

    Args:
        predictions: needs `p_amf`, `threshold`, `prediction`; `abstain` where it exists.
        limit: the most counted rows to return.

    Returns:
        Row positions; failed rows are never among them.
    """
    p = pd.to_numeric(predictions["p_amf"], errors="coerce").to_numpy(dtype=np.float64)
    falling = np.argsort(-p, kind="stable")
    falling, counts = falling[np.isfinite(p[falling])], counted(predictions)
    out = [int(row) for row in falling[~counts[falling]][:LEFT_OUT_LIMIT]]
    falling = falling[counts[falling]]
    if len(falling) <= limit:
        return [*(int(row) for row in falling), *out]
    amf = (predictions["prediction"] == "AMF").to_numpy(dtype=bool)
    distance = np.abs(p - pd.to_numeric(predictions["threshold"], errors="coerce").to_numpy(dtype=np.float64))
    to_check = falling[np.lexsort((distance[falling], ~flags(predictions, "abstain")[falling]))]
    kept: dict[int, None] = {}
    _fill(kept, falling[amf[falling]], round(AMF_SHARE * limit))
    _fill(kept, to_check, len(kept) + round(CHECK_SHARE * limit))
    _fill(kept, falling[::-1][~amf[falling[::-1]]], limit)
    _fill(kept, falling, limit)
    return [*(int(row) for row in falling if int(row) in kept), *out]


def _fill(kept: dict[int, None], rows: NDArray[np.int64], until: int) -> None:
    for row in rows:
        if len(kept) >= until:
            return
        kept[int(row)] = None


def pictures(crops: NDArray[np.uint8], maps: NDArray[np.float32]) -> tuple[list[Picture], float]:
    """Every crop and its map as data URIs, and the value that is drawn at full strength.

    The strength is the same for all maps, so that they can be compared.

    Args:
        crops: (figures, side, side, 3) RGB.
        maps: (figures, h, w) class activation, positive towards AMF.
    """
    scale = map_scale(maps)
    return [Picture(thumbnail(crop), overlay(map_, scale)) for crop, map_ in zip(crops, maps, strict=True)], scale


def thumbnail(crop: NDArray[np.uint8]) -> str:
    """A crop as a JPEG data URI, at most `CROP_PX` on a side, colors at full resolution."""
    image = Image.fromarray(crop)
    image.thumbnail((CROP_PX, CROP_PX), Image.Resampling.LANCZOS)
    return _uri(image, "jpeg", quality=88, subsampling=0)


def map_scale(maps: NDArray[np.float32]) -> float:
    """The 98th percentile of the absolute activation over all `maps` (figures, h, w); 1 where there is none."""
    finite = np.abs(maps[np.isfinite(maps)])
    return float(np.percentile(finite, 98)) or 1.0 if finite.size else 1.0


def overlay(map_: NDArray[np.float32], scale: float) -> str:
    """One activation map as a translucent PNG data URI: orange towards AMF, cyan towards NMF.

    The map is upsampled bicubically; opacity grows with the activation up to `MAP_OPACITY` at `scale`.

    Args:
        map_: (h, w).
        scale: the activation drawn at full strength.
    """
    return _uri(overlay_image(map_, scale), "png", optimize=True)


def overlay_image(map_: NDArray[np.float32], scale: float) -> Image.Image:
    """The picture of `overlay`, `MAP_PX` on a side, RGBA."""
    coarse = Image.fromarray(np.nan_to_num(map_.astype(np.float32)))
    smooth = np.asarray(coarse.resize((MAP_PX, MAP_PX), Image.Resampling.BICUBIC)) / scale
    pixels = np.empty((MAP_PX, MAP_PX, 4), dtype=np.uint8)
    pixels[..., :3] = np.where(smooth[..., None] > 0, AMF_RGB, NMF_RGB)
    pixels[..., 3] = np.round(np.minimum(np.abs(smooth), 1) * MAP_OPACITY * 255)
    return Image.fromarray(pixels)


def _uri(image: Image.Image, kind: str, **options: int | bool) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
