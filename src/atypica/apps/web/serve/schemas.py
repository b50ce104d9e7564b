"""What the service answers, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from atypica.core.vocabulary import Subtype
from atypica.inference.resolution import Origin

_EXAMPLE: dict[str, Any] = {
    "name": "case-7/figure-12.png",
    "page": None,
    "p_amf": 0.871204,
    "threshold": 0.2429,
    "prediction": "AMF",
    "subtype": "multipolar",
    "p_prometaphase": 0.041301,
    "p_metaphase": 0.060112,
    "p_anaphase_telophase": 0.01902,
    "p_ring_shape": 0.008363,
    "p_bipolar_asymmetric": 0.120408,
    "p_multipolar": 0.61003,
    "p_segregation": 0.09571,
    "p_other": 0.045056,
    "p_disagreement": 0.318223,
    "uncertainty": 0.554019,
    "ood": 0.42,
    "abstain": False,
    "in_training": False,
    "mpp": 0.25,
    "mpp_origin": "given",
    "error": None,
}


class FigureAnswer(BaseModel):
    """One figure: typed, or with the reason why it could not be."""

    model_config = {"json_schema_extra": {"examples": [_EXAMPLE]}}

    name: str = Field(description="The file as it was named in the request; `body` where the body was the file.")
    page: int | None = Field(default=None, description="Of a TIFF stack, counted from 0; null for a single image.")
    p_amf: float | None = Field(default=None, ge=0, le=1, description="Calibrated probability of an atypical figure.")
    threshold: float | None = Field(default=None, ge=0, le=1, description="From this p_amf on, the figure is AMF.")
    prediction: Literal["AMF", "NMF"] | None = Field(default=None, description="Atypical (AMF) or normal (NMF).")
    subtype: Subtype | None = Field(default=None, description="The likeliest subtype within the predicted side.")
    p_prometaphase: float | None = Field(default=None, description="NMF.")
    p_metaphase: float | None = Field(default=None, description="NMF.")
    p_anaphase_telophase: float | None = Field(default=None, description="NMF.")
    p_ring_shape: float | None = Field(default=None, description="NMF.")
    p_bipolar_asymmetric: float | None = Field(default=None, description="AMF.")
    p_multipolar: float | None = Field(default=None, description="AMF.")
    p_segregation: float | None = Field(default=None, description="AMF.")
    p_other: float | None = Field(default=None, description="AMF. The eight subtypes sum to 1, these four to p_amf.")
    p_disagreement: float | None = Field(default=None, description="Probability that experts would disagree.")
    uncertainty: float | None = Field(default=None, description="Binary entropy of p_amf in bits, 0 to 1.")
    ood: float | None = Field(
        default=None, description="Share of held-out training figures that are less unlike the others than this one."
    )
    abstain: bool | None = Field(default=None, description="Whether a person should look at the figure.")
    in_training: bool | None = Field(default=None, description="Whether the model was trained on these very pixels.")
    mpp: float | None = Field(default=None, description="Micrometers per pixel that were taken.")
    mpp_origin: Origin | None = Field(
        default=None, description="Where they came from: the query, the TIFF's resolution tag, or an assumption."
    )
    error: str | None = Field(default=None, description="Why the figure could not be typed; all else is null then.")


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str
    sha256: str = Field(description="Of the model's graph.")


class Answer(BaseModel):
    """The figures of a request, in its order; a stack's pages in theirs."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "model": {"name": "atypica-default", "version": "0.1.0", "sha256": "cbde889d..."},
                    "views": 1,
                    "figures": [_EXAMPLE, {"name": "notes.txt", "error": "notes.txt is not an image -> remove it"}],
                    "failed": 1,
                    "notes": [],
                }
            ]
        }
    }

    model: ModelName
    views: int = Field(description="Views of each figure that were averaged.")
    figures: list[FigureAnswer]
    failed: int = Field(description="How many figures have an error.")
    notes: list[str] = Field(description="What was assumed or left out, as sentences.")


class ModelAnswer(BaseModel):
    """The public part of the model's card."""

    name: str
    version: str
    created: str
    description: str
    intended_use: str
    license: str
    sha256: str = Field(description="Of the model's graph.")
    field_um: float = Field(description="Side of the square around the figure that the model sees, in micrometers.")
    size_px: int = Field(description="That side in pixels of the network's input.")
    subtypes: list[str] = Field(description="The subtypes that it tells apart.")
    thresholds: dict[str, float] = Field(description="Of p_amf, by name; `default` where none is asked for.")
    threshold_chosen_by: str
    refer_band: list[float] = Field(
        min_length=2, max_length=2, description="Between them a figure is referred to a person."
    )
    training_data: dict[str, Any] = Field(description="Dataset, counts, license and citation.")
    metrics: dict[str, Any] = Field(description="Measured on figures that the model has not seen, with 95 % intervals.")


class HealthAnswer(BaseModel):
    """Whether the server lives, and whether it takes on work."""

    status: Literal["ready", "busy", "stopping"] = Field(
        description="`busy`: the queue is full, requests are turned away with 429 for a while."
    )
    version: str


class Problem(BaseModel):
    """Every error of the service."""

    model_config = {
        "json_schema_extra": {
            "examples": [{"error": "the server is busy", "fix": "send it again after 2 s"}],
        }
    }

    error: str = Field(description="What is wrong.")
    fix: str = Field(description="What to do about it; may be blank.")
