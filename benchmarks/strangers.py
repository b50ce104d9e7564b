"""Pictures that show no readable mitotic figure, to try a model's `ood` on: drawn, cut from a slide, or spoiled.

All are 128 px at 0.25 um/px (32 um), but those of the slide, which come at its own resolution.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, maximum_position

from atypica.core.vocabulary import Subtype
from atypica.data.drawn import Distractor, Look, draw_distractor, draw_figure, random_look

Picture = NDArray[np.uint8]
Rng = np.random.Generator
SIDE, MPP = 128, 0.25
LETTERS = np.array(list("ABCDEFGHKMNPRSTUWXYZabdefghkmnpqrst0123456789"))


@dataclass(frozen=True)
class Group:
    """Pictures of one kind.

    Attributes:
        family: noise, blank, text, blurred, look-alike, foreign, spoiled, drawn or figures.
        name: what they show.
        pictures: each (height, width, 3), RGB.
        mpp: micrometers per pixel of all of them.
    """

    family: str
    name: str
    pictures: list[Picture]
    mpp: float = MPP


def all_groups(figures: list[Picture], count: int, slide: Path | None, seed: int = 0) -> list[Group]:
    """Every kind, `count` pictures each.

    Args:
        figures: real mitotic figures that the model was not fitted to, 128 px at 0.25 um/px; these are spoiled.
        count: pictures a kind.
        slide: a slide of tissue without known figures (CMU-1-Small-Region.svs of the OpenSlide test data).
        seed: of everything random.
    """
    drawn = [_drawn(*kind, count, seed) for kind in DRAWN]
    cut = _slide_groups(slide, count, seed) if slide else []
    spoiled = [_spoiled(*kind, figures, count, seed) for kind in SPOILED]
    order = ("noise", "blank", "text", "blurred", "look-alike", "foreign", "spoiled", "drawn", "figures")
    return sorted([*drawn, *cut, *spoiled], key=lambda group: order.index(group.family))


def _drawn(family: str, name: str, draw: Callable[[Rng], Picture], count: int, seed: int) -> Group:
    rng = np.random.default_rng([seed, *name.encode()])
    return Group(family, name, [draw(rng) for _ in range(count)])


def _spoiled(
    family: str, name: str, spoil: Callable[[Picture, Rng], Picture], figures: list[Picture], count: int, seed: int
) -> Group:
    rng = np.random.default_rng([seed, *name.encode()])
    chosen = rng.choice(len(figures), count, replace=len(figures) < count)
    return Group(family, name, [spoil(figures[row], rng) for row in chosen])


def white_noise(rng: Rng) -> Picture:
    """Every byte at random."""
    return rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def smooth_noise(rng: Rng) -> Picture:
    """Colored clouds of 0.5 to 3 um."""
    clouds = gaussian_filter(rng.normal(size=(SIDE, SIDE, 3)), (*[rng.uniform(2, 12)] * 2, 0), mode="wrap")
    return _bytes(rng.uniform(80, 200, 3) + rng.uniform(20, 60) * clouds / clouds.std())


def tinted_noise(rng: Rng) -> Picture:
    """The colors of a drawn figure, its pixels shuffled."""
    pixels = drawn_figure(rng).reshape(-1, 3)
    return rng.permutation(pixels).reshape(SIDE, SIDE, 3)


def checker(rng: Rng) -> Picture:
    """Squares or stripes of two colors, 0.5 to 6 um wide."""
    width, colors = rng.integers(2, 25), rng.integers(0, 256, (2, 3))
    rows, columns = np.indices((SIDE, SIDE)) // width
    return _bytes(colors[(rows + columns * rng.integers(0, 2)) % 2])


def flat(rng: Rng) -> Picture:
    """One color, with a scanner's noise."""
    return _bytes(rng.uniform(0, 255, 3) + rng.normal(0, 1.5, (SIDE, SIDE, 3)))


def stroma(rng: Rng) -> Picture:
    """Drawn fibers and cytoplasm without a nucleus."""
    look = random_look(rng)
    tissue = replace(look.tissue, stroma=1.0, spacing=60.0, inflammation=0.0, bleeding=0.0)
    return draw_distractor(Distractor.TISSUE, rng, look=Look(look.stain, tissue, look.scanner))


def text(rng: Rng) -> Picture:
    """Letters and digits, dark on white."""
    return _write(np.full((SIDE, SIDE, 3), rng.uniform(230, 255)), rng)


def text_on_tissue(rng: Rng) -> Picture:
    """Letters and digits over drawn tissue."""
    return _write(draw_distractor(Distractor.TISSUE, rng), rng)


def drawn_figure(rng: Rng) -> Picture:
    """A mitotic figure of the project's renderer."""
    return draw_figure(list(Subtype)[rng.integers(len(Subtype))], rng)


def distractor(kind: Distractor) -> Callable[[Rng], Picture]:
    """One of the project's renderer."""
    return lambda rng: draw_distractor(kind, rng)


def blurred(sigma_um: float) -> Callable[[Picture, Rng], Picture]:
    """Out of focus by a Gaussian."""
    return lambda figure, _: _bytes(gaussian_filter(figure.astype(np.float64), (*[sigma_um / MPP] * 2, 0)))


def compressed(quality: int) -> Callable[[Picture, Rng], Picture]:
    """As a JPEG of low quality."""

    def spoil(figure: Picture, _: Rng) -> Picture:
        buffer = io.BytesIO()
        Image.fromarray(figure).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer).convert("RGB"))

    return spoil


def zoomed(factor: float) -> Callable[[Picture, Rng], Picture]:
    """As if its micrometers per pixel were wrong by this factor; above 1 too large, below 1 too small."""

    def spoil(figure: Picture, _: Rng) -> Picture:
        side = round(SIDE * factor)
        grown = Image.fromarray(figure).resize((side, side), Image.Resampling.BICUBIC)
        if side < SIDE:
            edge = (SIDE - side + 1) // 2
            return np.pad(np.asarray(grown), ((edge, edge), (edge, edge), (0, 0)), mode="symmetric")[:SIDE, :SIDE]
        return np.asarray(grown.crop(((side - SIDE) // 2,) * 2 + ((side + SIDE) // 2,) * 2))

    return spoil


def coarse(figure: Picture, _: Rng) -> Picture:
    """Scanned at half the resolution: 0.5 um/px, then enlarged again."""
    half = Image.fromarray(figure).resize((SIDE // 2, SIDE // 2), Image.Resampling.BOX)
    return np.asarray(half.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def corner(figure: Picture, rng: Rng) -> Picture:
    """Tissue beside a figure: a corner of 12 um of the crop, mirrored outwards. Neighbor nuclei, stroma, gaps."""
    side = 48
    cut = figure[:side, :side] if rng.uniform() < 0.5 else figure[-side:, :side]
    cut = cut if rng.uniform() < 0.5 else np.rot90(figure, 2)[:side, :side]
    edge = (SIDE - side) // 2
    return np.pad(cut, ((edge, edge), (edge, edge), (0, 0)), mode="symmetric")


def gray(figure: Picture, _: Rng) -> Picture:
    """Without color."""
    return np.repeat(figure.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)


DRAWN: list[tuple[str, str, Callable[[Rng], Picture]]] = [
    ("noise", "white noise", white_noise),
    ("noise", "smooth noise", smooth_noise),
    ("noise", "shuffled pixels", tinted_noise),
    ("noise", "checker, stripes", checker),
    ("blank", "one color", flat),
    ("blank", "glass (drawn)", distractor(Distractor.GLASS)),
    ("blank", "stroma (drawn)", stroma),
    ("blank", "tissue, empty middle (drawn)", distractor(Distractor.TISSUE)),
    ("text", "text on white", text),
    ("text", "text on tissue", text_on_tissue),
    ("blurred", "out of focus (drawn)", distractor(Distractor.OUT_OF_FOCUS)),
    ("look-alike", "interphase nucleus (drawn)", distractor(Distractor.INTERPHASE)),
    ("look-alike", "apoptotic body (drawn)", distractor(Distractor.APOPTOTIC)),
    ("foreign", "pigment (drawn)", distractor(Distractor.PIGMENT)),
    ("foreign", "ink (drawn)", distractor(Distractor.INK)),
    ("drawn", "mitotic figure (drawn)", drawn_figure),
]
SPOILED: list[tuple[str, str, Callable[[Picture, Rng], Picture]]] = [
    *[("blurred", f"figure, blurred {sigma:g} um", blurred(sigma)) for sigma in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)],
    ("look-alike", "beside a figure (real)", corner),
    *[("spoiled", f"figure, JPEG quality {quality}", compressed(quality)) for quality in (50, 20, 5)],
    ("spoiled", "figure, red and blue swapped", lambda figure, _: figure[..., ::-1].copy()),
    ("spoiled", "figure, inverted", lambda figure, _: 255 - figure),
    ("spoiled", "figure, gray", gray),
    ("spoiled", "figure, twice too large", zoomed(2.0)),
    ("spoiled", "figure, half too small", zoomed(0.5)),
    ("figures", "figure at 0.5 um/px", coarse),
]


def _slide_groups(path: Path, count: int, seed: int) -> list[Group]:
    """Nuclei, tissue away from nuclei, and glass of a real slide; its mpp is 0.499."""
    level = np.asarray(tifffile.imread(path, key=0))
    density = -np.log10((level.astype(np.float32) + 1) / 256)
    hematoxylin = gaussian_filter(density[..., 0], 1.5)
    tissue = gaussian_filter(density.mean(axis=2), 8) > 0.06
    nuclei = hematoxylin > 0.42
    rng = np.random.default_rng(seed)
    away = distance_transform_edt(~nuclei) > 14
    glass = distance_transform_edt(gaussian_filter(density.mean(axis=2), 4) < 0.05) > 36
    places = {
        ("look-alike", "nucleus (real slide)"): _nucleus_centers(nuclei, hematoxylin),
        ("blank", "tissue, no nucleus (real slide)"): np.argwhere(away & tissue),
        ("blank", "glass (real slide)"): np.argwhere(glass),
    }
    return [
        Group(*kind, [_cut(level, place) for place in _some(found, count, level.shape, rng)], 0.499)
        for kind, found in places.items()
        if len(found)
    ]


def _nucleus_centers(nuclei: NDArray[np.bool_], darkness: NDArray[np.float32]) -> NDArray[np.int64]:
    """The deepest point of each dark island of the size of a nucleus, (n, 2) as row and column."""
    depth = distance_transform_edt(nuclei)
    islands, _ = label(nuclei)
    sizes = np.bincount(islands.ravel())
    good = np.flatnonzero((sizes > 60) & (sizes < 500))[:]
    good = good[good > 0]
    return np.array(maximum_position(depth + 1e-3 * darkness, islands, good), dtype=np.int64)


def _some(places: NDArray[np.int64], count: int, shape: tuple[int, ...], rng: Rng) -> NDArray[np.int64]:
    inside = ((places > 34) & (places < np.array(shape[:2]) - 34)).all(axis=1)
    places = places[inside]
    return places[rng.choice(len(places), min(count, len(places)), replace=False)]


def _cut(level: Picture, place: NDArray[np.int64], reach: int = 32) -> Picture:
    row, column = place
    return level[row - reach : row + reach, column - reach : column + reach]


def _write(ground: NDArray[np.generic], rng: Rng) -> Picture:
    image = Image.fromarray(_bytes(ground))
    draw, size = ImageDraw.Draw(image), float(rng.uniform(14, 70))
    ink = tuple(int(value) for value in rng.integers(0, 110, 3))
    top = float(rng.uniform(-10, 10))
    while top < SIDE:
        line = "".join(rng.choice(LETTERS, int(2 + 1.8 * SIDE / size)))
        draw.text((float(rng.uniform(-12, 4)), top), line, fill=ink, font=ImageFont.load_default(size))
        top += 1.1 * size
    return np.asarray(image)


def _bytes(values: NDArray[np.generic]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
