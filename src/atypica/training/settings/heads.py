"""What a network answers."""

from __future__ import annotations

from pydantic import Field

from atypica.core.settings import Settings


class HeadSettings(Settings):
    """Loss weight of each head; a head of weight 0 is left out. `amf` is always 1."""

    subtype: float = Field(default=0.0, ge=0)
    votes: float = Field(default=0.0, ge=0)
    disagreement: float = Field(default=0.0, ge=0)
