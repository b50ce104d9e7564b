"""Bootstrap intervals of many metrics at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats
from atypica.evaluation.intervals import LEVEL, Estimate, Interval, bca_limits, percentile_limits, shifted_limits
from atypica.evaluation.resampling import Resampling

Statistic = Callable[[Floats], Mapping[str, Floats]]
"""From weights (replicates, figures) to metrics by name, each (replicates,)."""
Method = Literal["percentile", "bca"]
REPLICATES = 2000
MOST_UNDEFINED = 0.05
"""No interval is given for a metric that is undefined in more of the resamples than this."""

SAME = 1e-12


@dataclass(frozen=True)
class BootstrapSettings:
    """How intervals are made: number of resamples, seed, level, and method.

    Raises:
        EvaluationError: a negative number.
    """

    replicates: int = REPLICATES
    seed: int = 0
    level: float = LEVEL
    method: Method = "percentile"

    def __post_init__(self) -> None:
        for name, value in (("replicates", self.replicates), ("seed", self.seed)):
            if value < 0:
                raise EvaluationError(f"{name} {value} is not possible", "give 0 or more")


@dataclass(frozen=True)
class MetricTraits:
    """What an interval must know of its metric.

    Attributes:
        undefined: why the metric is undefined on the figures as they are; None where it is defined.
        classes: the classes whose figures it depends on; None for all.
        inflated: whether resampling inflates it (ECE); its interval is then centered on the estimate.
    """

    undefined: str | None = None
    classes: tuple[str, ...] | None = None
    inflated: bool = False


def estimates(
    statistic: Statistic, plan: Resampling, traits: Mapping[str, MetricTraits], settings: BootstrapSettings
) -> dict[str, Estimate]:
    """Each metric of `statistic` with its bootstrap interval, keyed as `traits`."""
    values = statistic(np.ones((1, len(plan.unit))))
    blocked = {name: trait.undefined or _too_few(plan, trait) for name, trait in traits.items()}
    drawn: dict[str, Floats] = {}
    left_out: dict[str, Floats] = {}
    if settings.replicates and not all(blocked.values()):
        drawn = _stack(statistic(block) for block in plan.draws(settings.replicates, settings.seed))
        if settings.method == "bca":
            left_out = _stack(statistic(block) for block in plan.left_out())
    return {
        name: _bare(float(values[name][0]), trait, blocked[name])
        if blocked[name] or not drawn
        else _estimate(float(values[name][0]), drawn[name], left_out.get(name), plan, trait, settings)
        for name, trait in traits.items()
    }


def _bare(value: float, trait: MetricTraits, blocked: str | None) -> Estimate:
    if trait.undefined:
        return Estimate(None, None, trait.undefined)
    return Estimate(value, None, blocked or "no resamples asked for")


def _stack(blocks: Iterable[Mapping[str, Floats]]) -> dict[str, Floats]:
    parts = list(blocks)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _too_few(plan: Resampling, trait: MetricTraits) -> str | None:
    """Variation between units shows only if two or more of them hold each class that the metric depends on."""
    name, count = plan.scarcest(trait.classes)
    if count != 1:
        return None
    return f"no interval: only one {'case' if plan.grouped else 'figure'} holds {name}"


def _estimate(
    value: float,
    drawn: Floats,
    left_out: Floats | None,
    plan: Resampling,
    trait: MetricTraits,
    settings: BootstrapSettings,
) -> Estimate:
    lost = float(np.mean(np.isnan(drawn)))
    if lost > MOST_UNDEFINED:
        return Estimate(value, None, f"no interval: undefined in {lost:.0%} of the resamples")
    if np.nanmax(drawn) - np.nanmin(drawn) < SAME:
        # A perfect score stays perfect in every resample, which says nothing of how sure it is.
        return Estimate(value, None, "no interval: every resample gives the same value")
    units = plan.scarcest(trait.classes)[1]
    (low, high), kind = _limits(value, drawn, left_out, units, trait.inflated, settings.level)
    return Estimate(value, Interval(low, high, settings.level, f"{plan.method}, {kind}", plan.note(trait.classes)))


def _limits(
    value: float, drawn: Floats, left_out: Floats | None, units: int, inflated: bool, level: float
) -> tuple[tuple[float, float], str]:
    if inflated:
        return shifted_limits(value, drawn, units, level), "expanded percentile, centered"
    limits = None if left_out is None else bca_limits(value, drawn, left_out, level)
    return (limits, "BCa") if limits else (percentile_limits(drawn, units, level), "expanded percentile")
