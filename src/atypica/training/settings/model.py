"""The network."""

from __future__ import annotations

from pydantic import Field

from atypica.core.settings import Settings


class ModelSettings(Settings):
    """The network."""

    backbone: str
    weights: str = "hub"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    drop_path: float = Field(default=0.0, ge=0, lt=1)
