"""A card's thresholds from labels and held-out probabilities, and how good the calls are there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atypica.evaluation.abstention import refer_band
from atypica.evaluation.prevalence import effective_size
from atypica.evaluation.thresholds import (
    max_balanced_accuracy,
    prevalence_shifted,
    target_sensitivity,
    target_specificity,
    threshold_table,
    youden,
)
from atypica.inference.card import MeasuredAccuracy, OperatingPoint, Thresholds

DECIMALS = 4
PREVALENCES = (5, 10, 20, 40)
"""Per cent of AMF for which the card keeps the threshold where AMF becomes likelier than NMF."""


def choose_thresholds(
    labels: NDArray[np.float64], p: NDArray[np.float64], referred: float, chosen_by: str
) -> Thresholds:
    """The default threshold (maximum BA, smoothed), further ones by name, the refer band, and a table of thresholds.

    By name: `sensitivity-90`, `specificity-90`; `youden`; and `prevalence-N`, where AMF becomes likelier than NMF if
    N % of the figures are AMF.

    Args:
        labels: (figures,): 1 AMF, 0 NMF.
        p: (figures,): calibrated p_amf of figures that the network has not seen.
        referred: the share of the figures in the band that goes to a person.
        chosen_by: what the card says of the default.

    Raises:
        EvaluationError: a class is absent, or an impossible share.
    """
    default = max_balanced_accuracy(labels, p).value
    band = refer_band(p, default, referred)
    others = {
        "sensitivity-90": target_sensitivity(labels, p, 0.9).value,
        "specificity-90": target_specificity(labels, p, 0.9).value,
        "youden": youden(labels, p).value,
        **{f"prevalence-{n}": prevalence_shifted(0.5, float(p.mean()), n / 100) for n in PREVALENCES},
    }
    points = [{name: row[name] for name in OperatingPoint.model_fields} for row in threshold_table(labels, p)]
    return Thresholds(
        default=round(default, DECIMALS),
        chosen_by=chosen_by,
        others={name: round(value, DECIMALS) for name, value in others.items()},
        refer_low=round(band.low, DECIMALS),
        refer_high=round(band.high, DECIMALS),
        table=[OperatingPoint.parse(_rounded(point), "threshold table") for point in points],
    )


def _rounded(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, DECIMALS) for name, value in values.items()}


def measured_accuracy(
    labels: NDArray[np.float64], called: NDArray[np.bool_], cases: Sequence[object] | NDArray[np.object_] | None
) -> MeasuredAccuracy:
    """Sensitivity and specificity of calls, both classes being there, with how many figures they rest on.

    Args:
        labels: (figures,): 1 AMF, 0 NMF.
        called: (figures,): whether each was called AMF.
        cases: the case of each figure; None where they are not known.
    """
    amf, nmf = labels == 1, labels == 0
    names = None if cases is None else np.asarray(cases, dtype=object)
    effective = [effective_size(called[side], None if names is None else names[side]) for side in (amf, nmf)]
    return MeasuredAccuracy(
        sensitivity=round(float(called[amf].mean()), DECIMALS),
        specificity=round(float(1 - called[nmf].mean()), DECIMALS),
        n_amf=int(amf.sum()),
        n_nmf=int(nmf.sum()),
        effective_amf=round(effective[0], 1),
        effective_nmf=round(effective[1], 1),
    )
