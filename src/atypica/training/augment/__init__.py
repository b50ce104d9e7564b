"""Random changes of a whole batch of crops, one family a file; all draws come from a generator."""

from __future__ import annotations

from atypica.training.augment.augmentation import Augmentation as Augmentation
