"""The model beside the people: how far experts agree, and both held against the same truth on the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.core.votes import majority, readers, soft_label
from atypica.evaluation.agreement_intervals import OVERALL, agreement_estimates
from atypica.evaluation.arrays import Floats, checked_scores
from atypica.evaluation.binary import Confusion, undefined_reason
from atypica.evaluation.bootstrap import BootstrapSettings, MetricTraits, estimates
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.ranking import Ranking, auroc
from atypica.evaluation.resampling import Resampling, plan_resampling

PEOPLE_METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "kappa": "Cohen's kappa",
}
"""What an expert and the model are both measured by; the model has an AUROC besides."""
_CLASSES = {"sensitivity": ("AMF",), "specificity": ("NMF",)}
Cases = Sequence[object] | NDArray[np.object_]


@dataclass(frozen=True)
class SubtypeCalls:
    """Subtypes by their index in `Subtype`, NaN where none: `experts` (figures, experts), `model` (figures,)."""

    experts: Floats
    model: Floats


@dataclass(frozen=True)
class Pair:
    """Two who call (experts by number, or the model): `figures` both called, raw `agreement` and Cohen's `kappa`."""

    first: str
    second: str
    figures: int
    agreement: Estimate
    kappa: Estimate

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        shown = {"first": self.first, "second": self.second, "figures": self.figures}
        return {**shown, "agreement": self.agreement.to_json(), "kappa": self.kappa.to_json()}


@dataclass(frozen=True)
class Judged:
    """One who calls, against a truth: counts and `PEOPLE_METRICS` (the model: `auroc` too)."""

    confusion: Confusion
    metrics: dict[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"confusion": asdict(self.confusion), "metrics": _json(self.metrics)}


@dataclass(frozen=True)
class BesideExpert:
    """An expert and the model against the majority of the other experts, on the same figures.

    Attributes:
        name: the expert's.
        figures: read by the expert, with a majority among the others.
        ties: read by the expert, but the others were tied or absent: left out, for the model too.
        expert, model: how each did.
        difference: model minus expert, resampled in pairs.
    """

    name: str
    figures: int
    ties: int
    expert: Judged
    model: Judged
    difference: dict[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "expert": self.name,
            "figures": self.figures,
            "ties": self.ties,
            "of_expert": self.expert.to_json(),
            "of_model": self.model.to_json(),
            "model_minus_expert": _json(self.difference),
        }


@dataclass(frozen=True)
class People:
    """Everything that votes say beside a model.

    Attributes:
        experts: their names, in the order of the votes.
        figures: how many have two or more votes.
        agreement: `full`, `pairwise`, `fleiss`, `krippendorff`.
        pairs: two experts at a time.
        beside: each expert and the model against the others' majority.
        majority: the model against the majority of all; None where there is no majority anywhere.
        majority_ties: figures without a majority.
        subtypes: raw agreement and kappa over eight classes of every two experts, and of the model and each expert, on
            the figures that all of them called; empty with fewer than two experts' subtypes.
    """

    experts: tuple[str, ...]
    figures: int
    agreement: dict[str, Estimate]
    pairs: tuple[Pair, ...]
    beside: tuple[BesideExpert, ...]
    majority: Judged | None
    majority_ties: int
    subtypes: tuple[Pair, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "experts": list(self.experts),
            "figures": self.figures,
            "agreement": _json(self.agreement),
            "pairs": [pair.to_json() for pair in self.pairs],
            "against_others": [each.to_json() for each in self.beside],
            "model_against_majority": self.majority.to_json() if self.majority else None,
            "majority_ties": self.majority_ties,
            "subtypes": [pair.to_json() for pair in self.subtypes],
        }


@dataclass(frozen=True)
class CallScorer:
    """`PEOPLE_METRICS` of each who calls, their difference, and the model's AUROC, as functions of weights."""

    cells: tuple[Floats, ...]
    """Of each who calls: shape (figures, 4), where it is a true or false positive, false or true negative."""
    names: tuple[str, ...]
    ranking: Ranking

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """`<name>.<metric>`, each (replicates,), for `weights` (replicates, figures)."""
        found: dict[str, Floats] = {}
        parts = [_rates(weights @ cells) for cells in self.cells]
        for name, metrics in zip(self.names, parts, strict=True):
            found |= {f"{name}.{metric}": values for metric, values in metrics.items()}
        if len(parts) == 2:
            found |= {f"difference.{metric}": parts[1][metric] - parts[0][metric] for metric in PEOPLE_METRICS}
        found["model.auroc"] = auroc(*self.ranking.cumulative(weights))
        return found


def evaluate_people(
    votes: ArrayLike,
    p: ArrayLike,
    threshold: float,
    *,
    names: Sequence[str] | None = None,
    cases: Cases | None = None,
    subtypes: SubtypeCalls | None = None,
    settings: BootstrapSettings = BootstrapSettings(),  # noqa: B008 - frozen
) -> People | None:
    """Experts and model; None where no figure has two votes.

    An expert is held against the majority of the **others**, since a majority that counts the expert's own vote
    flatters; the model is held against that same majority on the same figures.

    Args:
        votes: shape (figures, experts): 1 AMF, 0 NMF, NaN not read.
        p: p_amf, shape (figures,).
        threshold: p at or above it is called AMF.
        names: of the experts; numbered from 1 if None.
        cases: the case of each figure, for the intervals; None draws single figures, and the intervals say so.
        subtypes: the experts' and the model's, if two experts named any.
        settings: number of resamples, seed, level, method.

    Raises:
        EvaluationError: shapes that do not fit, votes other than 0, 1 and NaN, scores outside 0 to 1.
    """
    values = _votes(votes)
    scores = checked_scores(p, len(values))
    experts = tuple(names or (f"expert {k + 1}" for k in range(values.shape[1])))
    if values.shape[1] < 2 or not np.any(readers(values) >= 2):
        return None
    work = _Work(values, scores, threshold, None if cases is None else np.array(cases, dtype=object), settings)
    found = agreement_estimates(
        values, work.plan(soft_label(values) >= 0.5, np.ones(len(values), dtype=bool)), settings
    )
    all_truth = majority(values)
    return People(
        experts=experts,
        figures=int(np.sum(readers(values) >= 2)),
        agreement={name: found[name] for name in OVERALL},
        pairs=_pairs(values, experts, found),
        beside=tuple(work.beside(k, name) for k, name in enumerate(experts)),
        majority=work.against_majority(all_truth),
        majority_ties=int(np.isnan(all_truth).sum()),
        subtypes=_subtypes(subtypes, experts, work) if subtypes else (),
    )


@dataclass(frozen=True)
class _Work:
    votes: Floats
    p: Floats
    threshold: float
    cases: NDArray[np.object_] | None
    settings: BootstrapSettings

    def plan(self, positive: NDArray[np.bool_], used: NDArray[np.bool_]) -> Resampling:
        keys = (*np.nan_to_num(self.votes[used], nan=-1).T, self.p[used])
        cases = None if self.cases is None else self.cases[used]
        return plan_resampling(positive[used].astype(np.int64), ("NMF", "AMF"), keys, cases)

    def beside(self, k: int, name: str) -> BesideExpert:
        own, truth = self.votes[:, k], majority(np.delete(self.votes, k, axis=1))
        used = ~np.isnan(own) & ~np.isnan(truth)
        found, judged = self._judge(truth, used, {"expert": own == 1, "model": self.p >= self.threshold})
        ties = int(np.sum(~np.isnan(own) & np.isnan(truth)))
        difference = {metric: found[f"difference.{metric}"] for metric in PEOPLE_METRICS}
        return BesideExpert(name, int(used.sum()), ties, judged["expert"], judged["model"], difference)

    def against_majority(self, truth: Floats) -> Judged | None:
        used = ~np.isnan(truth)
        return self._judge(truth, used, {"model": self.p >= self.threshold})[1]["model"] if used.any() else None

    def _judge(
        self, truth: Floats, used: NDArray[np.bool_], calls: dict[str, NDArray[np.bool_]]
    ) -> tuple[dict[str, Estimate], dict[str, Judged]]:
        y = truth[used]
        counts = {name: Confusion.of(y, call[used]) for name, call in calls.items()}
        needed: dict[str, tuple[Confusion, ...]] = {name: (one,) for name, one in counts.items()}
        if len(calls) == 2:
            needed["difference"] = tuple(counts.values())
        traits = {
            f"{name}.{metric}": MetricTraits(_undefined(metric, *parts), _CLASSES.get(metric))
            for name, parts in needed.items()
            for metric in PEOPLE_METRICS
        }
        traits["model.auroc"] = MetricTraits(_undefined("auroc", counts["model"]))
        cells = tuple(_cells(y, call[used]) for call in calls.values())
        scorer = CallScorer(cells, tuple(calls), Ranking.of(y, self.p[used]))
        found = estimates(scorer, self.plan(truth == 1, used), traits, self.settings)
        return found, {name: Judged(counts[name], _of(name, found)) for name in calls}


def _of(name: str, found: dict[str, Estimate]) -> dict[str, Estimate]:
    metrics = (*PEOPLE_METRICS, "auroc")
    return {metric: found[f"{name}.{metric}"] for metric in metrics if f"{name}.{metric}" in found}


def _subtypes(given: SubtypeCalls, experts: tuple[str, ...], work: _Work) -> tuple[Pair, ...]:
    """Only figures that all have called, so that every pair is measured on the same ones."""
    named: NDArray[np.bool_] = np.asarray(~np.isnan(given.experts).all(axis=0))
    calls = np.column_stack([given.experts[:, named], given.model])
    used: NDArray[np.bool_] = np.asarray(~np.isnan(calls).any(axis=1))
    if named.sum() < 2 or not used.any():
        return ()
    who = (*(name for name, known in zip(experts, named, strict=False) if known), "model")
    found = agreement_estimates(calls[used], work.plan(soft_label(work.votes) >= 0.5, used), work.settings)
    return _pairs(calls[used], who, found)


def _pairs(ratings: Floats, who: Sequence[str], found: dict[str, Estimate]) -> tuple[Pair, ...]:
    read = ~np.isnan(ratings)
    return tuple(
        Pair(who[i], who[j], int(np.sum(read[:, i] & read[:, j])), found[f"agreement.{i}.{j}"], found[f"kappa.{i}.{j}"])
        for i, j in combinations(range(len(who)), 2)
    )


def _cells(y: Floats, called: NDArray[np.bool_]) -> Floats:
    amf = y == 1
    return np.stack([amf & called, ~amf & called, amf & ~called, ~amf & ~called], axis=1).astype(np.float64)


def _rates(sums: Floats) -> dict[str, Floats]:
    tp, fp, fn, tn = sums.T
    total = tp + fp + fn + tn
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        chance = ((tp + fn) * (tp + fp) + (tn + fp) * (tn + fn)) / total**2
        kappa = np.where(chance < 1, ((tp + tn) / total - chance) / (1 - chance), np.nan)
    balanced = (sensitivity + specificity) / 2
    return dict(zip(PEOPLE_METRICS, (balanced, sensitivity, specificity, kappa), strict=True))


def _undefined(metric: str, *counts: Confusion) -> str | None:
    """Why a metric of one who calls, or the difference of two, is undefined."""
    reason = _no_kappa if metric == "kappa" else partial(undefined_reason, metric)
    return next(filter(None, map(reason, counts)), None)


def _no_kappa(counts: Confusion) -> str | None:
    if not counts.figures:
        return "no figures"
    alike = counts.figures in {counts.tp, counts.tn}
    return "all calls are alike" if alike else None


def _votes(votes: ArrayLike) -> Floats:
    values = np.asarray(votes, dtype=np.float64)
    if values.ndim != 2 or not np.all(np.isnan(values) | (values == 0) | (values == 1)):
        raise EvaluationError(
            f"the votes (shape {values.shape}) are not 0 (NMF), 1 (AMF) or blank",
            "give one row a figure, one column an expert",
        )
    return values


def _json(metrics: dict[str, Estimate]) -> dict[str, Any]:
    return {name: estimate.to_json() for name, estimate in metrics.items()}
