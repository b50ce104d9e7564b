"""Which figures train, and which are held out."""

from __future__ import annotations

from pydantic import Field

from atypica.core.settings import Settings


class SplitSettings(Settings):
    """Which figures train, and how they are cut into folds (always grouped by case)."""

    train_on: str = "train"
    """Value of the source's `split` column to train on; `all` takes every figure."""
    test_on: str = "test"
    """Value of the `split` column to report on, once the bundle is made."""
    folds: int = Field(default=5, ge=2)
    by: str = ""
    """A column (dataset, scanner) whose values are the folds, each held out in turn; empty for folds of cases."""
