"""How weights are moved."""

from __future__ import annotations

from pydantic import Field

from atypica.core.settings import Settings


class OptimizerSettings(Settings):
    """AdamW with linear warm-up and cosine decay."""

    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    clip_norm: float = Field(default=0.0, ge=0)
    """Largest gradient norm; 0 leaves gradients as they are."""
