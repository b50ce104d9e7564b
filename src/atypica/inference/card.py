"""The card of a model bundle: everything that must travel with the weights."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from atypica.core.settings import Settings
from atypica.inference.stain import StainReference

FORMAT_VERSION = 1
WEIGHTS_APART = 2
"""The format version of a bundle whose weights lie in a file of their own."""


class Geometry(Settings):
    """What the network looks at.

    The field of view is a centered square of `field_um`, resampled to `size_px` x `size_px`.
    """

    field_um: float = Field(gt=0)
    size_px: int = Field(gt=0)

    @property
    def mpp(self) -> float:
        """The micrometres per pixel of the network's input."""
        return self.field_um / self.size_px


class Calibration(Settings):
    """p = sigmoid((logit - bias) / temperature), fitted on out-of-fold predictions."""

    temperature: float = Field(default=1.0, gt=0)
    bias: float = 0.0


class MeasuredAccuracy(Settings):
    """Sensitivity and specificity at the default threshold, on figures that the model has not seen.

    `n_amf` and `n_nmf` count them; `effective_amf` and `effective_nmf` are the independent figures they are worth,
    figures of one case being alike.
    """

    sensitivity: float = Field(ge=0, le=1)
    specificity: float = Field(ge=0, le=1)
    n_amf: int = Field(gt=0)
    n_nmf: int = Field(gt=0)
    effective_amf: float = Field(gt=0)
    effective_nmf: float = Field(gt=0)


class OperatingPoint(Settings):
    """What a threshold gives on figures that the model has not seen."""

    threshold: float = Field(ge=0, le=1)
    sensitivity: float = Field(ge=0, le=1)
    specificity: float = Field(ge=0, le=1)
    balanced_accuracy: float = Field(ge=0, le=1)


class Thresholds(Settings):
    """Where p_amf becomes AMF, by name; `default` is the one that `classify` uses.

    `refer_low` and `refer_high` bound the band of p_amf in which a figure is referred to a person (`abstain`).
    """

    default: float = Field(ge=0, le=1)
    chosen_by: str
    others: dict[str, float] = {}
    refer_low: float = Field(default=0.5, ge=0, le=1)
    refer_high: float = Field(default=0.5, ge=0, le=1)
    accuracy: MeasuredAccuracy | None = None
    """At `default`; what the AMF rate of a case is corrected with."""
    table: list[OperatingPoint] = []
    """By rising threshold."""


class Strangeness(Settings):
    """How the graph's `distance` output becomes the `ood` column.

    `quantiles` are the distances of held-out training figures at the probabilities 0, 0.01, ..., 1; `ood` is the
    share of training figures that are less unlike. A figure with `ood` above `limit` is referred to a person.
    """

    quantiles: list[float] = Field(min_length=101, max_length=101)
    limit: float = Field(default=0.99, ge=0, le=1)


class Quantization(Settings):
    """How a network came to compute on 8-bit integers.

    The card's metrics, thresholds and calibration are those of its float32 model.
    """

    arithmetic: str
    weight_bits: int
    float32_sha256: str
    """Of the graph that it was made from."""
    source: str
    """Whose figures the ranges of the integers were measured on."""
    figures: int = Field(gt=0)
    seed: int
    kept_float32: int
    """Convolutions at the start that still compute in float32."""
    checked_figures: int
    """Further figures of the source, by which it was held against the float32 model as well."""
    largest_difference: float
    """Of p_amf to the float32 model, over all these figures; `mean_difference` is the mean of the absolute ones."""
    mean_difference: float
    changed_calls: int
    """How many of these figures lie on the other side of the default threshold."""
    note: str


class Card(Settings):
    """`card.json` of a model bundle (format version 1, or 2 where its weights lie apart)."""

    format_version: int = FORMAT_VERSION
    name: str
    version: str
    created: str
    description: str = ""
    intended_use: str = "Research use only, not a medical device."
    license: str
    onnx_sha256: str
    weights_sha256: str = ""
    """Of `model.onnx.data`; blank (and not written) where the weights are in the graph."""
    trained_on_sha256: str = ""
    """Of `trained_on.txt`; blank where the bundle does not say which figures trained it."""
    geometry: Geometry
    stain_normalization: StainReference | None = None
    """To what colors every crop is brought before the field of view is cut; None leaves them as they are."""
    heads: dict[str, list[str]]
    """Head name (`amf`, `subtype`, `votes`, `disagreement`) to the meaning of each of its logits."""
    calibration: Calibration = Calibration()
    disagreement_calibration: Calibration = Calibration()
    thresholds: Thresholds
    strangeness: Strangeness | None = None
    training_data: dict[str, Any] = {}
    """Dataset, figures, cases, split hash, licence, citation."""
    recipe: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    quantization: Quantization | None = None
    """None (and not written) where all arithmetic is float32."""
    versions: dict[str, str] = {}
    history: list[dict[str, Any]] = []
    """Each recalibration: when, from what, and the settings that it replaced; the oldest first."""
