"""What a tuning tries, and by what it judges."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from atypica.core.settings import Settings

Value = StrictBool | StrictInt | StrictFloat | StrictStr | None
TunedMetric = Literal["auroc", "balanced_accuracy"]
Pruner = Literal["median", "halving", "none"]
UNTUNED = ("name", "description", "seed", "split", "distill", "ensemble")
"""Sections that no trial may change: by whom figures are judged, luck, and what comes after the folds."""
METRIC_WORDS: dict[TunedMetric, str] = {"auroc": "AUROC", "balanced_accuracy": "BA"}


class Parameter(Settings):
    """What a setting may be: exactly one of `range`, `integers` and `choices`."""

    range: tuple[float, float] | None = None
    """Lowest and highest number."""
    integers: tuple[int, int] | None = None
    """Lowest and highest whole number, both included."""
    choices: Annotated[tuple[Value, ...], Field(min_length=1)] | None = None
    """Values without an order."""
    log: bool = False
    """Of `range` and `integers`: every order of magnitude is as likely."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [self.range, self.integers, self.choices]
        if sum(kind is not None for kind in given) != 1:
            raise ValueError("give exactly one of 'range', 'integers' and 'choices'")
        if self.log and self.choices is not None:
            raise ValueError("'log' is for 'range' and 'integers'")
        for limits in (self.range, self.integers):
            if limits is not None and not limits[0] < limits[1]:
                raise ValueError(f"the lowest value comes first: {list(limits)}")
            if limits is not None and self.log and limits[0] <= 0:
                raise ValueError(f"with 'log' both ends are above 0: {list(limits)}")
        return self


class SearchSpace(Settings):
    """Which settings of a recipe are tried, within what, judged how."""

    name: str
    description: str = ""
    metric: TunedMetric = "auroc"
    """Mean over the folds of what their networks say of the figures held out, one view; `balanced_accuracy` at 0.5."""
    pruner: Pruner = "median"
    """`median` ends a trial whose best value so far is below the median of the others at that step; `halving` is
    asynchronous successive halving (Li et al., MLSys 2020); `none` ends none."""
    prune_by: Literal["epoch", "fold"] = "epoch"
    """What a step is. The value of an epoch is the mean over it and the finished folds."""
    startup_trials: int = Field(default=5, ge=1)
    """So many trials are drawn at random and, with `median`, finished whatever they say; then TPE proposes (Bergstra et
    al., NeurIPS 2011)."""
    first_step: int = Field(default=1, ge=1)
    """Steps of a trial before which it is not ended."""
    seed: int = 42
    parameters: dict[str, Parameter] = Field(min_length=1)
    """By the dotted key of the setting."""

    @model_validator(mode="after")
    def _tunable(self) -> Self:
        for key in self.parameters:
            if key.split(".")[0] in UNTUNED:
                raise ValueError(f"'{key}' is not tuned: trials differ neither in figures, nor in luck or what follows")
        return self
