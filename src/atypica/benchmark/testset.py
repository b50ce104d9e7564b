"""The figures of a test set: opened, read once, and free of repeats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atypica.benchmark.suite import TestSpec
from atypica.core.errors import SourceError
from atypica.data.figures import Figures
from atypica.data.leaks import Pixels, repeats
from atypica.data.sources import open_source
from atypica.evaluation.leaderboard import TestSet


@dataclass(frozen=True)
class TestFigures:
    """A test set that is at hand.

    Attributes:
        spec: as the suite has it.
        figures: all of them, those that are not scored included.
        pixels: their hashes, and which cannot be read.
        repeat_of: the first figure with the same pixels, "" for the first itself.
        keep_repeats: whether repeats are scored.
    """

    __test__ = False

    spec: TestSpec
    figures: Figures
    pixels: Pixels
    repeat_of: tuple[str, ...]
    keep_repeats: bool = False

    @classmethod
    def open(cls, spec: TestSpec, training: Figures, pixels: Pixels, keep_repeats: bool) -> TestFigures:
        """Open a test set; `training` and its `pixels` serve where the set is a part of the training source.

        Raises:
            SourceError: there is no such source, part, or label.
        """
        source = open_source(spec.source) if spec.source else training
        mask = _part(source, spec.split)
        figures = source.where(mask)
        if source.root == training.root and source.table.equals(training.table):
            rows = np.flatnonzero(mask)
            own = Pixels(tuple(pixels.digests[r] for r in rows), tuple(pixels.errors[r] for r in rows))
        else:
            own = Pixels.of(figures)
        if np.isnan(figures.labels).all():
            raise SourceError(f"test set {spec.name} has no labels", "fill the column 'label' (AMF or NMF)")
        return cls(spec, figures, own, tuple(repeats(figures, own)), keep_repeats)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """Which figures can be read, shape (figures,)."""
        return np.array([error is None for error in self.pixels.errors], dtype=bool)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which figures have a label and can be read, shape (figures,)."""
        return self.readable & ~np.isnan(self.figures.labels)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which figures count, but for those that an entry has trained on; shape (figures,)."""
        first = np.array([not other for other in self.repeat_of], dtype=bool)
        return self.usable & (first | self.keep_repeats)

    def describe(self) -> TestSet:
        """The set as the leaderboard shows it."""
        kept = self.figures.where(self.scored)
        samples = [note for note in self.figures.notes if note.startswith("sample")]
        return TestSet(
            name=self.spec.name,
            source=self.figures.name,
            figures=len(kept),
            amf=int(kept.labels.sum()),
            cases=case_count(kept),
            duplicates=sum(map(bool, self.repeat_of)),
            duplicates_kept=self.keep_repeats,
            unusable=int((~self.usable).sum()),
            note="; ".join(filter(None, [self.spec.note, *samples])),
            published_as=self.spec.published_as or self.spec.name,
        )


def case_count(figures: Figures) -> int | None:
    """How many cases; None where any figure has none."""
    if "case" not in figures.table or bool(figures.table["case"].isna().any()):
        return None
    return int(figures.table["case"].nunique())


def _part(source: Figures, split: str) -> NDArray[np.bool_]:
    if split == "all":
        return np.ones(len(source), dtype=bool)
    if "split" not in source.table:
        raise SourceError(
            f"{source.name} has no column 'split', so no part '{split}'", "add the column, or test on all"
        )
    mask = (source.table["split"] == split).to_numpy(dtype=bool)
    if not mask.any():
        raise SourceError(f"{source.name} has no figures of split '{split}'", "check the suite's 'split'")
    return mask
