"""Pixels of any usual kind as RGB bytes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import FigureError

WHITE = 255


def to_rgb(pixels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Bring grey, grey with alpha, RGB or RGBA pixels of 1, 8 or 16 bits to RGB bytes.

    16 bits are scaled to 8 by /257, grey is repeated, what is transparent lies on white.

    Args:
        pixels: (height, width) or (height, width, channels) with 1 to 4 channels.
        name: what to call the image in messages.

    Returns:
        (height, width, 3).

    Raises:
        FigureError: another shape, or another type of number.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or pixels.size == 0:
        shape = "x".join(map(str, pixels.shape))
        raise FigureError(f"{name} is not a grey or color image (shape {shape})", "save it as an RGB PNG")
    eight = _to_bytes(pixels, name)
    if eight.shape[2] in {2, 4}:
        eight = _on_white(eight[..., :-1], eight[..., -1:])
    return np.repeat(eight, 3, axis=2) if eight.shape[2] == 1 else eight


def pixel_digest(pixels: NDArray[np.uint8]) -> str:
    """The SHA-256, in hexadecimal, of an image's shape as the text `(height, width, 3)`, then its bytes by rows."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _to_bytes(pixels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    scaled = ": round(255 x) where they lie within 0 to 1" if pixels.dtype.kind == "f" else ""
    raise FigureError(f"{name} has pixels of type {pixels.dtype}", f"bring them to 8 or 16 bits (unsigned){scaled}")


def _on_white(color: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weight = alpha.astype(np.uint16)
    return ((color * weight + WHITE * (255 - weight) + 127) // 255).astype(np.uint8)
