"""The part of a cache that belongs to one encoder: keys of what it is shown, and vectors written a few at a time."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atypica.data.pixels import pixel_digest
from atypica.inference.crops import Crop
from atypica.models.embedding.cache import EmbeddingCache, file_name
from atypica.models.embedding.encoder import Encoder

VERSION = 1
"""Of how a crop becomes what a network is shown (`preprocess`, `turn`); part of every key."""
WRITE_EVERY_S = 2.0
"""A transaction costs as much as several vectors, so they are written together; a kill loses this much work."""
Vectors = dict[bytes, NDArray[np.float32]]


class KeptVectors:
    """Vectors of one encoder, from the cache and on their way there. A context manager: on leaving, all are written.

    Args:
        encoder: whose vectors.
        cache: None to keep nothing.
    """

    def __init__(self, encoder: Encoder, cache: EmbeddingCache | None) -> None:
        self.encoder, self._cache = encoder, cache
        self._file = file_name(encoder.name, encoder.fingerprint) if cache else ""
        self._shown = repr((VERSION, encoder.geometry, encoder.stain_normalization))
        self._lock = threading.Lock()
        self._waiting: Vectors = {}
        self._written = time.monotonic()

    def __enter__(self) -> KeptVectors:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._write()

    def keys(self, crop: Crop, mpp: float, views: int) -> list[bytes]:
        """One a view, of all that the pixels which the network is shown depend on."""
        center = crop.place.center if crop.place else None
        said = f"{pixel_digest(crop.pixels)} {mpp!r} {center!r} {self._shown}"
        return [hashlib.sha256(f"{said} {view}".encode()).digest() for view in range(views)]

    def get(self, keys: Sequence[bytes]) -> Vectors:
        """The vectors that are in the cache."""
        return self._cache.get(self._file, keys, self.encoder.width) if self._cache else {}

    def put(self, vectors: Vectors) -> None:
        """Keep vectors."""
        if self._cache is None:
            return
        with self._lock:
            self._waiting |= vectors
            if time.monotonic() - self._written > WRITE_EVERY_S:
                self._write()

    def _write(self) -> None:
        if self._cache and self._waiting:
            self._cache.put(self._file, self._waiting)
        self._waiting = {}
        self._written = time.monotonic()
