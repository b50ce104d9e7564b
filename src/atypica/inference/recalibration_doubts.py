"""What speaks against using a recalibrated model, as sentences."""

from __future__ import annotations

from typing import Any

from atypica.evaluation.intervals import Interval
from atypica.inference.labeled import LabeledLogits
from atypica.inference.trained_on import flattery

FEWEST_OF_A_CLASS = 30
FEWEST_CASES = 10
WIDE = 0.2
"""A threshold whose 95 % interval is wider than this (in p) is hardly known."""
FAR = 5
"""Figures beyond the strangeness limit, as a multiple of the expected share, from which the data are called far."""
FAR_MEDIAN = 0.75


def doubts(
    figures: LabeledLogits, interval: Interval, measured: dict[str, dict[str, Any]], far: dict[str, Any] | None
) -> tuple[str, ...]:
    """All warnings of a recalibration.

    Args:
        figures: what it was fitted to.
        interval: of the new threshold.
        measured: the metrics before and after, in this order.
        far: how unlike the training figures they are; None where the model does not say.
    """
    return (*_seen(figures), *_too_few(figures, interval), *_no_better(measured), *_too_far(far))


def _seen(figures: LabeledLogits) -> list[str]:
    words = flattery(figures.in_training, len(figures.labels))
    return [f"{words}, and probabilities fitted to them are too sure: label others"] if words else []


def _too_few(figures: LabeledLogits, interval: Interval) -> list[str]:
    amf = int(figures.labels.sum())
    nmf = len(figures.labels) - amf
    found: list[str] = []
    if min(amf, nmf) < FEWEST_OF_A_CLASS:
        found.append(f"too few figures: {amf} AMF and {nmf} NMF; label at least {FEWEST_OF_A_CLASS} of each")
    if figures.cases is None:
        found.append("no cases are known: figures of one case are alike, so all intervals are likely too narrow")
    elif len(set(figures.cases.tolist())) < FEWEST_CASES:
        found.append(f"too few cases: {len(set(figures.cases.tolist()))}; label figures of at least {FEWEST_CASES}")
    if interval.high - interval.low > WIDE:
        found.append(
            f"the threshold is hardly known: other figures of the same kind would put it anywhere from "
            f"{interval.low:.2f} to {interval.high:.2f} (95 %)"
        )
    return found


def _no_better(measured: dict[str, dict[str, Any]]) -> list[str]:
    before, after = measured.values()
    if after["balanced_accuracy"]["value"] > before["balanced_accuracy"]["value"]:
        return []
    kept = "the calls are no better than with the model's own settings"
    if after["log_loss"]["value"] >= before["log_loss"]["value"]:
        return [f"{kept}, nor are the probabilities: there is no reason to use this bundle"]
    return [f"{kept} (the probabilities are)"]


def _too_far(far: dict[str, Any] | None) -> list[str]:
    if far is None or (far["beyond_limit"] <= FAR * far["expected_beyond_limit"] and far["median"] <= FAR_MEDIAN):
        return []
    return [
        f"these figures are far from the training figures: {far['beyond_limit']:.0%} are more unlike than "
        f"{far['limit']:.0%} of those (expected {far['expected_beyond_limit']:.0%}), and the middle one than "
        f"{far['median']:.0%}; calibration does not mend what the network has not learned"
    ]
