"""Sources of very many figures: files that hold thousands each, read a range of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from atypica.core.errors import SourceError
from atypica.data.shards.parquet import PARQUET_SUFFIXES, ParquetShard, holds_images
from atypica.data.shards.shard import Rows as Rows
from atypica.data.shards.shard import Shard as Shard
from atypica.data.shards.shard import Span as Span
from atypica.data.shards.table import CsvShard
from atypica.data.shards.tar import TarShard
from atypica.data.shards.tiff import TiffShard
from atypica.data.sources.image import TIFF_SUFFIXES
from atypica.data.sources.walk import counting_order, walk

TAR = ".tar"


@dataclass(frozen=True)
class Shards:
    """A source in shards.

    Attributes:
        name: what to call it.
        shards: its files, in the order in which people count.
    """

    name: str
    shards: tuple[Shard, ...]


def open_shards(source: str | Path) -> Shards | None:
    """The shards of a source, none of them read; None where the source is of another kind.

    Sources in shards are a Parquet file with image bytes, a tar file, a folder that holds only Parquet and tar files,
    and a pattern with `*`, `?` or `[ ]`, which may name tables of paths (CSV, Parquet) and TIFF stacks as well.

    Raises:
        SourceError: a pattern that fits no file, or one of no such kind.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        files = [path / name for name in walk(path)]
        if files and all(file.suffix.lower() in {TAR, *PARQUET_SUFFIXES} for file in files):
            return _shards(str(path), path, files)
    elif path.is_file():
        if path.suffix.lower() == TAR or (path.suffix.lower() in PARQUET_SUFFIXES and holds_images(path)):
            return _shards(path.name, path.parent, [path])
    elif has_magic(str(path)):
        root = _fixed_part(path)
        files = [file for file in root.glob(str(path.relative_to(root))) if file.is_file()]
        if not files:
            raise SourceError(f"no file fits '{source}'", "check the pattern")
        return _shards(str(source), root, files)
    return None


def _fixed_part(pattern: Path) -> Path:
    """The folder in front of the first part that is a pattern."""
    return next(parent for parent in pattern.parents if not has_magic(str(parent)))


def _shards(name: str, root: Path, files: Iterable[Path]) -> Shards:
    names = sorted((file.relative_to(root).as_posix() for file in files), key=counting_order)
    # Absolute: they are read by workers that may stand elsewhere.
    return Shards(name, tuple(_shard(root.absolute() / name, name) for name in names))


def _shard(path: Path, name: str) -> Shard:
    match path.suffix.lower():
        case ".tar":
            return TarShard(path, name)
        case ".csv":
            return CsvShard(path, name)
        case suffix if suffix in PARQUET_SUFFIXES:
            return ParquetShard(path, name)
        case suffix if suffix in TIFF_SUFFIXES:
            return TiffShard(path, name)
        case _:
            raise SourceError(
                f"{name} is no shard of figures",
                "give Parquet, tar or CSV files, or TIFF stacks; or a folder of images",
            )
