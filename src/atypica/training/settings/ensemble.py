"""How the networks of the folds are released where none is distilled."""

from __future__ import annotations

from typing import Literal

Ensemble = Literal["mean_probability", "mean_logit", "first"]
"""The mean of the networks' probabilities or of their logits, all in one bundle; or the network of fold 0 alone."""
