"""A card's thresholds from labels and held-out probabilities, and how good the calls are there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atypica.evaluation.abstention import refer_band
from atypica.evaluation.prevalence import effective_size
from atypica.evaluation.thresholds import max_balanced_accuracy, target_sensitivity, target_specificity
from atypica.inference.card import MeasuredAccuracy, Thresholds

DECIMALS = 4


def choose_thresholds(
    labels: NDArray[np.float64], p: NDArray[np.float64], referred: float, chosen_by: str
) -> Thresholds:
    """The default threshold (maximum BA, smoothed), those for 90 % sensitivity and specificity, the refer band.

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
    }
    return Thresholds(
        default=round(default, DECIMALS),
        chosen_by=chosen_by,
        others={name: round(value, DECIMALS) for name, value in others.items()},
        refer_low=round(band.low, DECIMALS),
        refer_high=round(band.high, DECIMALS),
    )


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
