"""The record of a foundation model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
NON_COMMERCIAL = "CC-BY-NC-ND-4.0"
MAGNIFICATIONS = (2.0, 1.0, 0.5, 0.25)
"""5, 10, 20 and 40 x, in micrometers per pixel."""
CardPooling = Literal["class", "class_and_mean"]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class BackboneCard:
    """What is published about a model, and how to build it in timm.

    Attributes:
        name: what a recipe calls it.
        title: what its authors call it.
        hub_id: where its weights are on the Hugging Face hub.
        timm_name: the architecture in timm that it is built from.
        arguments: of that architecture; a layer is given by its name in `timm.layers`.
        input_px: side of the images to give it.
        mpp: micrometers per pixel of its training images; empty where they were no slides, None where unknown.
        mean, std: the normalization it was trained with, for RGB in 0..1.
        pooling: `class` for the class token; `class_and_mean` for that and the mean of the patch tokens.
        width: numbers of the embedding that this pooling gives.
        parameters: as published, in millions.
        license: of the weights.
        gated: whether the hub asks for an application or the acceptance of terms; None where unknown.
        commercial: whether the license allows commercial use; None where it needs a lawyer's reading.
        paper: a DOI or an address.
        remarks: what else there is to know, and what is not certain, a sentence each.
    """

    name: str
    title: str
    hub_id: str
    timm_name: str
    width: int
    parameters: float
    license: str
    gated: bool | None
    commercial: bool | None
    paper: str
    mpp: tuple[float, ...] | None = (0.5,)
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    pooling: CardPooling = "class"
    input_px: int = 224
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    remarks: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Its page on the hub."""
        return f"https://huggingface.co/{self.hub_id}"

    @property
    def restricted(self) -> bool:
        """Whether its terms go beyond those of a permissive license, as far as is known."""
        return bool(self.gated) or self.commercial is not True
