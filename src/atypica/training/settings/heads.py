"""What a network is trained to answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.settings import Settings

HeadKind = Literal["separate", "softmax", "experts", "hardness", "hierarchical"]


class HeadSettings(Settings):
    """The heads, and the loss weight of each: one of weight 0 is left out, but for those that the kind needs (1)."""

    kind: HeadKind = "separate"
    """`separate`: `amf`, and beside it those below. `softmax`: one softmax over the eight subtypes. `experts`: one
    logit an expert. `hardness`: one softmax over NMF easy, NMF hard, AMF easy, AMF hard. `hierarchical`: a network for
    `amf` and a specialist for the subtypes of each side. What is not trained follows (`models/heads.py`)."""
    hidden: int = Field(default=0, ge=0)
    """Width of a layer with ReLU that all heads share; 0 for none."""
    subtype: float = Field(default=0.0, ge=0)
    votes: float = Field(default=0.0, ge=0)
    disagreement: float = Field(default=0.0, ge=0)
    subtype_expert: int = Field(default=0, ge=0)
    """Whose subtypes are taught: 0 the shares of all experts, K those of expert K alone."""
