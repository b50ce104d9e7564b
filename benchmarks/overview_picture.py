"""Draw docs/images/overview.png: the overview of a drawn slide with drawn figures; nothing in it is real tissue.

    python benchmarks/overview_picture.py [docs/images/overview.png]

The slide is drawn in amounts of hematoxylin and eosin (Beer-Lambert): nests of tumor in stroma, lumina, nuclei, and
darker ones where the figures are. A model has not seen it: which figures are atypical is drawn by lot.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from atypica.data.figures import figures_from
from atypica.inference.resolution import Resolution
from atypica.inference.slides import find_slides
from atypica.reporting.overview import write_overview

Floats = NDArray[np.float32]
SIZE, MPP = (9600, 6400), 1.0
COARSE = 16
"""Pixels of the slide to one of the maps of what lies where."""
STAINS = np.array([[0.563, 0.720, 0.406], [0.216, 0.801, 0.558]], dtype=np.float32)
"""Optical density of hematoxylin and eosin in red, green and blue (the reference of Macenko et al. 2009)."""
GLASS = 243
NUCLEI = {"tumor": 4200, "stroma": 900}
"""A square millimeter."""
FIGURES, SHARE = 260, 0.2


def noise(rng: np.random.Generator, shape: tuple[int, int], scale: float | tuple[float, float]) -> Floats:
    """Smooth noise of mean 0 and standard deviation 1."""
    values = gaussian_filter(rng.standard_normal(shape).astype(np.float32), scale)
    return (values - values.mean()) / values.std()


def maps(rng: np.random.Generator) -> dict[str, Floats]:
    """Amounts from 0 to 1 of tissue, tumor and stroma, at one pixel to `COARSE` of the slide."""
    width, height = SIZE[0] // COARSE, SIZE[1] // COARSE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    away = np.hypot((x - 0.47 * width) / (0.43 * width), (y - 0.5 * height) / (0.37 * height))
    outline = 1 - away + 0.10 * noise(rng, (height, width), 28) + 0.025 * noise(rng, (height, width), 5)
    nests = noise(rng, (height, width), 13) + 0.5 * noise(rng, (height, width), 5) + 1.1 * (0.75 - away)
    lumina = noise(rng, (height, width), 4.5) + 0.5 * noise(rng, (height, width), 2)
    tissue = np.clip(outline * 30, 0, 1) * (1 - np.clip((lumina - 2.25) * 5, 0, 1))
    tumor = np.clip(nests * 4, 0, 1)
    return {"tissue": tissue, "tumor": tissue * tumor, "stroma": tissue * (1 - tumor)}


def stamp(rng: np.random.Generator, radius: float, dark: float) -> Floats:
    """One nucleus, an ellipse with a soft border."""
    side = int(np.ceil(2 * radius)) + 3
    y, x = np.mgrid[-side : side + 1, -side : side + 1].astype(np.float32)
    turn, long = rng.uniform(0, np.pi), rng.uniform(1.0, 1.5)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    away = np.hypot(along / (radius * long), across * long**0.5 / radius)
    return (dark * np.clip((1.15 - away) * 3, 0, 1)).astype(np.float32)


def places(rng: np.random.Generator, likely: Floats, count: int) -> NDArray[np.int64]:
    """Random x and y in pixels of the slide, (count, 2), by how likely each pixel of a map is."""
    weights = likely.ravel().astype(np.float64)
    at = rng.choice(likely.size, count, p=weights / weights.sum())
    corner = np.stack([at % likely.shape[1], at // likely.shape[1]], axis=1) * COARSE
    return corner + rng.integers(0, COARSE, (count, 2))


def put(plane: Floats, at: NDArray[np.int64], stamps: list[Floats], rng: np.random.Generator) -> None:
    """Add a random one of `stamps` at each place; those at the border are left out."""
    for (x, y), number in zip(at.tolist(), rng.integers(0, len(stamps), len(at)).tolist(), strict=True):
        half = stamps[number].shape[0] // 2
        if half <= x < SIZE[0] - half and half <= y < SIZE[1] - half:
            plane[y - half : y + half + 1, x - half : x + half + 1] += stamps[number]


def figures(rng: np.random.Generator, tumor: Floats) -> NDArray[np.int64]:
    """Places of mitotic figures in the tumor, more of them about two centers."""
    height, width = tumor.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    rate = np.full(tumor.shape, 0.12, dtype=np.float32)
    for center_x, center_y, more in ((0.63, 0.42, 1.0), (0.33, 0.6, 0.35)):
        away = np.hypot(x - center_x * width, y - center_y * height) * COARSE * MPP / 1000
        rate += more * np.exp(-((away / 0.75) ** 2)).astype(np.float32)
    return places(rng, rate * tumor**2, FIGURES)


def draw(path: Path, rng: np.random.Generator) -> NDArray[np.int64]:
    """Write the slide as a pyramid; gives the places of its figures."""
    amounts = maps(rng)
    full = {name: zoom(values, COARSE, order=1, mode="nearest", grid_mode=True) for name, values in amounts.items()}
    grain, fibers = noise(rng, SIZE[::-1], 1.2), noise(rng, SIZE[::-1], (1.5, 9))
    hematoxylin = 0.09 * full["tumor"] + 0.02 * full["stroma"]
    eosin = 0.13 * full["tumor"] + 0.20 * full["stroma"] * (1 + 0.35 * fibers)
    eosin *= 1 + 0.10 * grain
    area = {name: float(amounts[name].sum()) * (COARSE * MPP / 1000) ** 2 for name in NUCLEI}
    for name, radii, dark in (("tumor", (3.2, 5.0), (0.35, 0.7)), ("stroma", (1.8, 3.0), (0.5, 0.9))):
        stamps = [stamp(rng, rng.uniform(*radii), rng.uniform(*dark)) for _ in range(60)]
        put(hematoxylin, places(rng, amounts[name], round(NUCLEI[name] * area[name])), stamps, rng)
    at = figures(rng, amounts["tumor"])
    put(hematoxylin, at, [stamp(rng, rng.uniform(3, 5), 1.6) for _ in range(20)], rng)
    write_slide(path, np.clip(hematoxylin, 0, 1.8), np.clip(eosin, 0, 1.5))
    return at


def write_slide(path: Path, hematoxylin: Floats, eosin: Floats) -> None:
    """Amounts of both stains as colors, with a second level."""
    pixels = np.empty((*hematoxylin.shape, 3), dtype=np.uint8)
    for channel in range(3):
        density = hematoxylin * STAINS[0, channel] + eosin * STAINS[1, channel]
        pixels[..., channel] = GLASS * 10**-density
    half = np.asarray(Image.fromarray(pixels).reduce(4))
    shared = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, resolution=(1e4 / MPP,) * 2, resolutionunit="CENTIMETER", **shared)
        file.write(half, subfiletype=1, **shared)


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/overview.png")
    rng = np.random.default_rng(11)
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "drawn-slide.tif"
        at = draw(slide, rng)
        table = pd.DataFrame({"image": slide.name, "x": at[:, 0], "y": at[:, 1]})
        rows = figures_from(table, slide.parent, slide.name)
        atypical = rng.random(len(at)) < SHARE
        predictions = table.assign(p_amf=atypical * 0.8 + 0.1, prediction=np.where(atypical, "AMF", "NMF"))
        predictions.insert(0, "figure_id", rows.table["figure_id"])
        (found,) = find_slides(predictions, rows, Resolution(rows, None))
        write_overview(out, found, predictions)
    picture = Image.open(out).convert("RGB").reduce(2)
    picture.quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main()
