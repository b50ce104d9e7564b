"""Input folders of the challenge with drawn stacks: the darker a page, the more atypical to the tiny model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.special import expit

SLUG = "stacked-histopathology-roi-cropouts"
ANSWERS = "multiple-mitotic-figure-classification.json"


def pages(levels: Sequence[int]) -> NDArray[np.uint8]:
    """A page of one grey for each level, with noise that leaves the mean, (pages, 128, 128, 3)."""
    noise = np.random.default_rng(0).integers(0, 5, (len(levels), 64, 128, 3))
    noise = np.concatenate([noise, 4 - noise], axis=1) - 2
    return (np.array(levels)[:, None, None, None] + noise).astype(np.uint8)


def p_of(level: int) -> float:
    """What the tiny model says of a page: sigmoid(4 - 8 x brightness)."""
    return float(expit(4 - 8 * level / 255))


def write_input(folder: Path, levels: Sequence[int], *, key: str = "interface", **options: Any) -> Path:
    """Write `inputs.json` and the stack; gives the stack's file. `metadata=None` leaves out tifffile's own note."""
    place = folder / "images" / SLUG
    place.mkdir(parents=True)
    write_sockets(folder, [SLUG], key)
    stack = place / "stack_1.tiff"
    tifffile.imwrite(stack, pages(levels), photometric="rgb", compression="deflate", **options)
    return stack


def write_sockets(folder: Path, slugs: Sequence[str], key: str = "interface") -> None:
    """Write `inputs.json` alone."""
    entries = [{"image": {"name": "stack_1.tiff"}, key: {"slug": slug}} for slug in slugs]
    (folder / "inputs.json").write_text(json.dumps(entries))


def spoil_page(stack: Path, page: int) -> None:
    """Overwrite the pixels of one page with what is no deflate stream."""
    with tifffile.TiffFile(stack) as file:
        frame = file.pages[page]
        start, length = frame.dataoffsets[0], frame.databytecounts[0]
    content = bytearray(stack.read_bytes())
    content[start : start + length] = b"\xff" * length
    stack.write_bytes(content)
