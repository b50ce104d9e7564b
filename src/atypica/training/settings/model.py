"""The network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.settings import Settings


class ModelSettings(Settings):
    """The network."""

    backbone: str
    weights: str = "hub"
    start_from: str = ""
    """A model bundle to go on from, in place of `weights`: a folder, a zip, or `default`, the one of atypica itself."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """On what the last layer reads: the pooled features, or those of `heads.hidden`."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    pooling: Literal["own", "average"] = "own"
    """`average` pools a ViT by the mean of its patch tokens, so that its activation map is exact."""
