"""Where a probability becomes a call: thresholds chosen on held-out predictions, and what each would give."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, ndtr

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, checked_pair, log_odds
from atypica.evaluation.binary import binary_metrics
from atypica.evaluation.ranking import Ranking

_GRID = 512
_TABLE_GRID = tuple(np.round(np.linspace(0.05, 0.95, 19), 2))


@dataclass(frozen=True)
class Threshold:
    """A threshold with what it gives on the figures it was chosen on (p >= value is AMF).

    Attributes:
        value: the threshold, 0 to 1.
        chosen_by: the rule, as words for a card.
        sensitivity, specificity, balanced_accuracy: on the very figures of the choice, so rather flattering.
        note: where the rule could not be met.
    """

    value: float
    chosen_by: str
    sensitivity: float
    specificity: float
    balanced_accuracy: float
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def max_balanced_accuracy(y: ArrayLike, p: ArrayLike) -> Threshold:
    """The threshold of the highest balanced accuracy after smoothing, the one to use on new figures.

    The empirical curve of BA over thresholds is a staircase whose highest step is luck. Here each class's scores are
    smoothed by a normal kernel on the logit scale (bandwidth: robust spread x n^(-1/5)) before the maximum is taken,
    as the kernel estimate of the Youden index of Fluss, Faraggi and Reiser (Biometrical Journal 2005).

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: p_amf, shape (figures,).

    Raises:
        EvaluationError: a class is absent, NaN, scores outside 0 to 1.
    """
    labels, scores = _two_classes(y, p)
    z = log_odds(scores)
    if z.min() == z.max():
        return _threshold(labels, scores, float(scores[0]), "maximum BA, smoothed", "all scores are the same")
    grid = np.linspace(z.min(), z.max(), _GRID)
    width = _bandwidth(z)
    sensitivity = _smoothed_share(grid, z[labels == 1], width)
    false_alarms = _smoothed_share(grid, z[labels == 0], width)
    best = float(expit(_middle_of_maximum(grid, sensitivity - false_alarms)))
    return _threshold(labels, scores, best, "maximum BA, smoothed")


def youden(y: ArrayLike, p: ArrayLike) -> Threshold:
    """The threshold that maximizes sensitivity + specificity - 1 on these very figures (Youden, Cancer 1950).

    Midway between the two scores that bound the highest step (of several equal ones the middle one). It is also the
    empirical maximum of BA; `max_balanced_accuracy` carries over better to new figures.

    Raises:
        EvaluationError: a class is absent, NaN, scores outside 0 to 1.
    """
    labels, scores = _two_classes(y, p)
    cuts, sensitivity, specificity = _operating_points(labels, scores)
    index = sensitivity + specificity
    highest = np.flatnonzero(index >= index.max() - 1e-12)
    return _threshold(labels, scores, float(cuts[highest[(len(highest) - 1) // 2]]), "Youden")


def target_sensitivity(y: ArrayLike, p: ArrayLike, target: float) -> Threshold:
    """The highest threshold whose sensitivity is at least `target` (0 to 1).

    Raises:
        EvaluationError: a class is absent, NaN, scores or target outside 0 to 1.
    """
    labels, scores = _two_classes(y, p)
    cuts, sensitivity, _ = _operating_points(labels, scores)
    return _threshold(labels, scores, float(cuts[sensitivity >= _share(target)].max()), f"sensitivity >= {target:g}")


def target_specificity(y: ArrayLike, p: ArrayLike, target: float) -> Threshold:
    """The lowest threshold whose specificity is at least `target` (0 to 1).

    Where only calling nothing AMF would do, the threshold is 1 and the note says so.

    Raises:
        EvaluationError: a class is absent, NaN, scores or target outside 0 to 1.
    """
    labels, scores = _two_classes(y, p)
    cuts, _, specificity = _operating_points(labels, scores)
    met = cuts[specificity >= _share(target)]
    note = "" if len(met) else f"no threshold reaches specificity {target:g}: NMF figures score 1"
    return _threshold(labels, scores, float(met.min()) if len(met) else 1.0, f"specificity >= {target:g}", note)


def shift_prevalence(p: ArrayLike, prevalence_from: float, prevalence_to: float) -> Floats:
    """Probabilities as they would be where AMF is more or less common, all else equal.

    The odds are multiplied by the ratio of the prevalences' odds (Saerens, Latinne and Decaestecker, Neural
    Computation 2002). Holds if p is calibrated at `prevalence_from` and the look of each class is the same.

    Args:
        p: calibrated probabilities of AMF, any shape.
        prevalence_from, prevalence_to: the shares of AMF, between 0 and 1 without the ends.

    Raises:
        EvaluationError: a prevalence that is not strictly between 0 and 1.
    """
    return expit(logit(np.asarray(p, dtype=np.float64)) + _log_odds_shift(prevalence_from, prevalence_to))


def prevalence_shifted(threshold: float, prevalence_from: float, prevalence_to: float) -> float:
    """The threshold on today's p that equals `threshold` on p after `shift_prevalence`.

    Raises:
        EvaluationError: a prevalence that is not strictly between 0 and 1.

    >>> round(prevalence_shifted(0.5, 0.5, 0.1), 3)
    0.9
    """
    return float(expit(logit(threshold) - _log_odds_shift(prevalence_from, prevalence_to)))


def threshold_table(y: ArrayLike, p: ArrayLike, thresholds: ArrayLike = _TABLE_GRID) -> list[dict[str, float | None]]:
    """What each threshold gives: one row a threshold, undefined values None.

    Columns: threshold, sensitivity, specificity, balanced_accuracy, ppv, npv, accuracy, f1, called_amf (the share of
    figures that is called AMF).

    Raises:
        EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1.
    """
    labels, scores = checked_pair(y, p)
    return [_table_row(labels, scores, float(value)) for value in np.atleast_1d(np.asarray(thresholds))]


def _table_row(y: Floats, p: Floats, threshold: float) -> dict[str, float | None]:
    metrics = binary_metrics(y, p, threshold)
    names = ("sensitivity", "specificity", "balanced_accuracy", "ppv", "npv", "accuracy", "f1")
    values = {name: float(metrics[name][0]) for name in names}
    row: dict[str, float | None] = {"threshold": threshold}
    row |= {name: None if np.isnan(value) else value for name, value in values.items()}
    row["called_amf"] = float(np.mean(p >= threshold)) if len(p) else None
    return row


def _two_classes(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    labels, scores = checked_pair(y, p)
    if not 0 < labels.sum() < len(labels):
        missing = "AMF" if not labels.sum() else "NMF"
        raise EvaluationError(f"no threshold can be chosen: there are no {missing} figures", "give figures of both")
    return labels, scores


def _operating_points(y: Floats, p: Floats) -> tuple[Floats, Floats, Floats]:
    """Cuts midway between neighboring scores (and one at 0), with sensitivity and specificity there."""
    ranking = Ranking.of(y, p)
    tp, fp = ranking.cumulative(np.ones((1, len(y))))
    cuts = np.append((ranking.scores[:-1] + ranking.scores[1:]) / 2, 0.0)
    # Neighboring floats have no middle: the cut must not fall below the lower score.
    cuts[:-1] = np.where(cuts[:-1] > ranking.scores[1:], cuts[:-1], ranking.scores[:-1])
    above_all = (ranking.scores[0] + 1) / 2
    sensitivity, specificity = tp[0] / tp[0, -1], 1 - fp[0] / fp[0, -1]
    if above_all > ranking.scores[0]:
        return np.append(above_all, cuts), np.append(0.0, sensitivity), np.append(1.0, specificity)
    return cuts, sensitivity, specificity


def _bandwidth(z: Floats) -> float:
    quarters = np.subtract(*np.quantile(z, [0.75, 0.25])) / 1.349
    spread = min(float(z.std()), float(quarters)) or float(z.std())
    return spread * len(z) ** -0.2


def _smoothed_share(grid: Floats, z: Floats, width: float) -> Floats:
    """The share of `z` at or above each point of the grid, each score a normal bump."""
    return np.array([ndtr((z - point) / width).mean() for point in grid])


def _middle_of_maximum(grid: Floats, height: Floats) -> float:
    return float(grid[height >= height.max() - 1e-9].mean())


def _threshold(y: Floats, p: Floats, value: float, chosen_by: str, note: str = "") -> Threshold:
    called = p >= value
    sensitivity, specificity = float(called[y == 1].mean()), float(1 - called[y == 0].mean())
    return Threshold(value, chosen_by, sensitivity, specificity, (sensitivity + specificity) / 2, note)


def _share(target: float) -> float:
    if not 0 <= target <= 1:
        raise EvaluationError(f"the target {target} is not between 0 and 1", "give a share, such as 0.9")
    return target - 1e-12


def _log_odds_shift(prevalence_from: float, prevalence_to: float) -> float:
    for value in (prevalence_from, prevalence_to):
        if not 0 < value < 1:
            raise EvaluationError(f"the prevalence {value} is not between 0 and 1", "give the share of AMF, as 0.2")
    return float(logit(prevalence_to) - logit(prevalence_from))
