"""Vectors kept on disk by what they are of, so that nothing is computed twice, even after a kill."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from atypica.core.errors import OutputError, SettingsError

KEYS_A_QUERY = 500
BUSY_S = 120.0
"""How long one writer waits for another."""
PLACE = "ATYPICA_EMBEDDINGS"
"""The setting of the environment that names the folder; processes that a run starts read it as well."""
_TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"


def cache_home() -> Path:
    """Where embeddings are kept if nothing else is said: the setting `ATYPICA_EMBEDDINGS`, else the user's cache."""
    setting = os.environ.get(PLACE)
    return Path(setting).expanduser() if setting else user_cache_path("atypica", appauthor=False) / "embeddings"


@contextmanager
def kept_in(folder: Path | None) -> Generator[None]:
    """Keep embeddings in a folder for the length of the block, in processes that it starts as well; None: as ever."""
    before = os.environ.get(PLACE)
    if folder:
        os.environ[PLACE] = str(folder.absolute())
    try:
        yield
    finally:
        if folder and before is None:
            del os.environ[PLACE]
        elif folder and before is not None:
            os.environ[PLACE] = before


class EmbeddingCache:
    """Vectors of one folder: a SQLite file for each encoder, named by its fingerprint.

    A vector is there whole or not at all: every `put` is one transaction, which a kill undoes. Several processes may
    read and write the same folder; of two vectors of one key the later one stays. Threads may share an instance.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, sqlite3.Connection] = {}
        self._lock = threading.Lock()

    def get(self, encoder: str, keys: Sequence[bytes], width: int) -> dict[bytes, NDArray[np.float32]]:
        """The vectors that are there, by key.

        Args:
            encoder: its name and fingerprint, as `file_name` joins them.
            keys: of vectors.
            width: numbers a vector.

        Raises:
            OutputError: the folder cannot be used.
            SettingsError: the file is damaged.
        """
        with self._open(encoder) as file:
            found = [row for some in _lots(keys) for row in file.execute(_query(len(some)), some)]
        vectors = {key: np.frombuffer(data, dtype="<f4") for key, data in found}
        return {key: vector for key, vector in vectors.items() if len(vector) == width}

    def put(self, encoder: str, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Keep vectors, all or none.

        Raises:
            OutputError: the folder cannot be used, or the disk is full.
            SettingsError: the file is damaged.
        """
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
        with self._open(encoder) as file, file:
            file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def close(self) -> None:
        """Close the files; they open again when needed."""
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()

    def path(self, encoder: str) -> Path:
        """The file of one encoder."""
        return self._folder / f"{encoder}.sqlite"

    @contextmanager
    def _open(self, encoder: str) -> Generator[sqlite3.Connection]:
        path = self.path(encoder)
        try:
            with self._lock:
                if encoder not in self._files:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    self._files[encoder] = _connect(path)
                yield self._files[encoder]
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}", "choose another --cache") from error
        except sqlite3.OperationalError as error:
            raise OutputError(f"cannot use {path}: {error}", "free some space, or choose another --cache") from error
        except sqlite3.DatabaseError as error:
            raise SettingsError(f"the cache {path} is damaged: {error}", "delete that file; it fills again") from error


def file_name(name: str, fingerprint: str) -> str:
    """What the file of an encoder is called: readable, and different for all that differ.

    >>> file_name("hf-hub:a/b", "00ff" * 16)
    'hf-hub-a-b-00ff00ff00ff00ff00ff00ff00ff00ff'
    """
    return f"{re.sub(r'[^a-zA-Z0-9_.]+', '-', name)[-64:]}-{fingerprint[:32]}"


def _connect(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        file.execute("PRAGMA synchronous=NORMAL")
        file.execute(_TABLE)
    except sqlite3.Error:
        file.close()
        raise
    return file


def _lots(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (keys[start : start + KEYS_A_QUERY] for start in range(0, len(keys), KEYS_A_QUERY))


def _query(number: int) -> str:
    return f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * number)})"
