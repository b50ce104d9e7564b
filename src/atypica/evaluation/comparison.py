"""Several models on the same figures: differences with intervals, and tests, pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, checked_labels, checked_scores
from atypica.evaluation.binary import METRICS, BinaryScorer, Confusion, undefined_reason
from atypica.evaluation.bootstrap import BootstrapSettings, MetricTraits, estimates
from atypica.evaluation.delong import Cases, delong_test
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.mcnemar import mcnemar_test
from atypica.evaluation.resampling import plan_resampling
from atypica.evaluation.significance import Significance, adjusted

COMPARED = tuple(name for name in METRICS if name != "ece")
"""The metrics of a comparison. No difference of ECE: resampling inflates it by another amount for each model."""
_CLASSES = {"sensitivity": ("AMF",), "specificity": ("NMF",)}


@dataclass(frozen=True)
class ModelScores:
    """What one model says of the figures: `p`, p_amf of shape (figures,), called AMF from `threshold` on."""

    name: str
    p: ArrayLike
    threshold: float


@dataclass(frozen=True)
class PairComparison:
    """Two models on the same figures.

    Attributes:
        first, second: the models' names.
        differences: first - second for each metric of `COMPARED`, with a paired bootstrap interval.
        tests: "delong" and "mcnemar" on single figures; where cases are known also "delong_by_case" and
            "mcnemar_by_case".
    """

    first: str
    second: str
    differences: dict[str, Estimate]
    tests: dict[str, Significance]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "differences": {name: value.to_json() for name, value in self.differences.items()},
            "tests": {name: test.to_json() for name, test in self.tests.items()},
        }


@dataclass(frozen=True)
class ModelComparison:
    """Everything that `compare_models` found.

    Attributes:
        figures, amf, cases: what the models were compared on; `cases` is None where they are unknown.
        models: each model's metrics of `COMPARED`.
        thresholds: each model's threshold.
        pairs: all pairs, in the order of the models.
        settings: how the intervals were made.
    """

    figures: int
    amf: int
    cases: int | None
    models: dict[str, dict[str, Estimate]]
    thresholds: dict[str, float]
    pairs: tuple[PairComparison, ...]
    settings: BootstrapSettings

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "figures": self.figures,
            "amf": self.amf,
            "nmf": self.figures - self.amf,
            "cases": self.cases,
            "bootstrap": asdict(self.settings),
            "models": {
                name: {
                    "threshold": self.thresholds[name],
                    "metrics": {metric: value.to_json() for metric, value in metrics.items()},
                }
                for name, metrics in self.models.items()
            },
            "holm": f"over the {len(self.pairs)} pairs of models, for each test by itself",
            "pairs": [pair.to_json() for pair in self.pairs],
        }


def compare_models(
    y: ArrayLike,
    models: list[ModelScores],
    *,
    cases: Cases | None = None,
    settings: BootstrapSettings = BootstrapSettings(),  # noqa: B008 - frozen
) -> ModelComparison:
    """Compare models on the same figures, all pairs, with Holm's adjustment over the pairs for each test.

    The bootstrap draws whole cases and scores both models on the same draw. DeLong's and McNemar's tests take figures
    as independent; where `cases` are given, both are also made by case.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        models: two or more, each with a name of its own and a score for each figure.
        cases: the case of each figure; None draws single figures, and the intervals say so.
        settings: number of resamples, seed, level, method.

    Raises:
        EvaluationError: fewer than two models, two of one name, no figures, NaN, labels other than 0 and 1, scores or
            thresholds outside 0 to 1, other lengths, a blank case.
    """
    labels = checked_labels(y)
    scores = _checked(labels, models)
    right = [(p >= model.threshold) == (labels == 1) for model, p in zip(models, scores, strict=True)]
    pairs = list(combinations(range(len(models)), 2))
    bounded = _estimates(labels, scores, models, pairs, cases, settings)
    tests = _tests(labels, scores, right, pairs, cases)
    return ModelComparison(
        figures=len(labels),
        amf=int(labels.sum()),
        cases=None if cases is None else len({str(case) for case in cases}),
        models={model.name: {m: bounded[_own(k, m)] for m in COMPARED} for k, model in enumerate(models)},
        thresholds={model.name: model.threshold for model in models},
        pairs=tuple(
            PairComparison(
                models[i].name,
                models[j].name,
                {metric: bounded[_between(i, j, metric)] for metric in COMPARED},
                {name: family[place] for name, family in tests.items()},
            )
            for place, (i, j) in enumerate(pairs)
        ),
        settings=settings,
    )


def _checked(labels: Floats, models: list[ModelScores]) -> list[Floats]:
    names = [model.name for model in models]
    if len(names) < 2 or len(set(names)) < len(names):
        raise EvaluationError(f"these are not two or more different models: {', '.join(names)}", "name each once")
    if not len(labels):
        raise EvaluationError("there are no figures to compare on", "check that predictions and labels match")
    for model in models:
        if not 0 <= model.threshold <= 1:
            raise EvaluationError(
                f"{model.name}: the threshold {model.threshold} is not between 0 and 1", "give a probability"
            )
    return [checked_scores(model.p, len(labels)) for model in models]


def _own(model: int, metric: str) -> str:
    return f"{model} {metric}"


def _between(first: int, second: int, metric: str) -> str:
    return f"{first}-{second} {metric}"


def _estimates(
    labels: Floats,
    scores: list[Floats],
    models: list[ModelScores],
    pairs: list[tuple[int, int]],
    cases: Cases | None,
    settings: BootstrapSettings,
) -> dict[str, Estimate]:
    """Each model's metrics and each pair's differences, all from the same resamples."""
    plan = plan_resampling(labels.astype(np.int64), ("NMF", "AMF"), (*scores, labels), cases)
    scorers = [BinaryScorer.of(labels, p, model.threshold) for model, p in zip(models, scores, strict=True)]
    counts = [Confusion.of(labels, p >= model.threshold) for model, p in zip(models, scores, strict=True)]
    traits: dict[str, MetricTraits] = {}
    for metric in COMPARED:
        why = [undefined_reason(metric, count) for count in counts]
        for k in range(len(models)):
            traits[_own(k, metric)] = MetricTraits(why[k], _CLASSES.get(metric))
        for i, j in pairs:
            traits[_between(i, j, metric)] = MetricTraits(why[i] or why[j], _CLASSES.get(metric))
    return estimates(_statistic(scorers, pairs), plan, traits, settings)


def _statistic(scorers: list[BinaryScorer], pairs: list[tuple[int, int]]) -> Callable[[Floats], dict[str, Floats]]:
    def statistic(weights: Floats) -> dict[str, Floats]:
        found = [scorer(weights) for scorer in scorers]
        own = {_own(k, metric): values[metric] for k, values in enumerate(found) for metric in COMPARED}
        differences = {_between(i, j, m): found[i][m] - found[j][m] for i, j in pairs for m in COMPARED}
        return own | differences

    return statistic


def _tests(
    labels: Floats,
    scores: list[Floats],
    right: list[NDArray[np.bool_]],
    pairs: list[tuple[int, int]],
    cases: Cases | None,
) -> dict[str, list[Significance]]:
    """Each test for all pairs, a family each."""
    families = {
        "delong": [delong_test(labels, scores[i], scores[j]) for i, j in pairs],
        "mcnemar": [mcnemar_test(right[i], right[j]) for i, j in pairs],
    }
    if cases is not None:
        families["delong_by_case"] = [delong_test(labels, scores[i], scores[j], cases) for i, j in pairs]
        families["mcnemar_by_case"] = [mcnemar_test(right[i], right[j], cases) for i, j in pairs]
    return {name: adjusted(family) for name, family in families.items()}
