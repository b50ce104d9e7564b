"""The ensemble of folds taught to one network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.settings import Settings


class DistillSettings(Settings):
    """The ensemble of folds taught to one network on augmented views (Beyer et al., CVPR 2022)."""

    epochs: int = Field(ge=1)
    lr: float = Field(gt=0)
    teacher: float = Field(default=0.7, ge=0, le=1)
    """Weight of the teachers' mean probability in the target; the votes have the rest."""
    start: Literal["backbone", "fold"] = "backbone"
    """Where the student's weights start: as every fold did, or from fold 0."""
    rounds: int = Field(default=1, ge=1)
    """How often it is taught: by the folds at first, in each further round, of as many epochs, by itself. Then it goes
    on from what it is, and its target is the mean of what it said of a crop's four quarter turns."""
