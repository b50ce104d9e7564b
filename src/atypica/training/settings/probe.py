"""The head of a frozen backbone: solved, not trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from atypica.core.errors import SettingsError
from atypica.core.settings import Settings
from atypica.training.settings.heads import HeadSettings
from atypica.training.settings.model import ModelSettings

ProbeKind = Literal["logistic", "lda", "mlp", "knn"]
GRIDS: dict[ProbeKind, tuple[float, ...]] = {
    "logistic": (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0),
    "lda": (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
    "mlp": (1e-4, 1e-3, 1e-2),
    "knn": (5, 10, 20, 50, 100, 200, 500, 1000),
}
"""The candidates of each kind: an L2 penalty, a shrinkage, an L2 penalty, a number of neighbors."""


class ProbeSettings(Settings):
    """The head on frozen features. The backbone, the input and the split are those of the other sections.

    What says how weights are moved (`augment`, `loss`, `sampling`, `optimizer`, `schedule`, `training`) has no say but
    for `training.soft_labels`, unless `as_published` is set.
    """

    kind: ProbeKind = "logistic"
    """`logistic`: logistic regression to convergence. `lda`: linear discriminant analysis. `mlp`: a hidden layer of
    `heads.hidden`. `knn`: nearest figures by cosine; it is scored, but no network can hold it."""
    grid: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """What is chosen from, within each fold's training figures: L2 penalties (logistic, mlp), shrinkages (lda), numbers
    of neighbors (knn); empty for those of the kind."""
    inner_folds: int = Field(default=5, ge=2)
    """Into how many parts the training figures of a fold are cut to choose by; `mlp` leaves out the first one alone."""
    views: Literal[1, 8] = 1
    """8: all rotations by 90 degrees and their mirror images of a crop train as well."""
    as_published: bool = False
    """Train a linear layer by `optimizer`, `schedule`, `sampling` and `training` on features as they are, as the public
    scripts do, in place of solving it."""

    @property
    def candidates(self) -> tuple[float, ...]:
        """The grid, or that of the kind."""
        return self.grid or GRIDS[self.kind]

    @model_validator(mode="after")
    def _grid_of_its_kind(self) -> Self:
        if self.kind == "lda" and any(value > 1 for value in self.grid):
            raise ValueError("'grid' of lda holds shrinkages, between 0 and 1")
        if self.kind == "knn" and any(value != int(value) for value in self.grid):
            raise ValueError("'grid' of knn holds numbers of neighbors: 5, 20")
        if self.as_published and (self.kind != "logistic" or self.views != 1):
            raise ValueError("'as_published' is a linear layer on one view: leave 'kind' and 'views' out")
        return self


def check_probe(probe: ProbeSettings, heads: HeadSettings, model: ModelSettings, joined: str) -> None:
    """Refuse what a probe cannot be.

    Args:
        probe, heads, model: of the recipe.
        joined: how the folds become one model: `distill`, or the recipe's `ensemble`.

    Raises:
        SettingsError: heads that no single solution gives, a backbone that is trained, or folds that do not become one
            head.
    """
    others = [name for name in ("subtype", "votes", "disagreement") if getattr(heads, name) > 0]
    if heads.kind not in {"separate", "softmax"} or (others and heads.kind == "separate"):
        asked = f"'{heads.kind}'" + (f" with {', '.join(others)}" if others else "")
        raise SettingsError(
            f"a probe has one target, and heads.kind is {asked}",
            "set heads.kind to separate (AMF) or softmax (eight subtypes), and every other head to 0",
        )
    if (probe.kind == "mlp") != (heads.hidden > 0):
        raise SettingsError(
            f"probe.kind is {probe.kind}, and heads.hidden is {heads.hidden}",
            "set heads.hidden=64 for mlp, and heads.hidden=0 for the others",
        )
    if probe.as_published and heads.kind != "separate":
        raise SettingsError("probe.as_published is for AMF", "set heads.kind=separate, or probe.as_published=false")
    if model.lora or model.prompts:
        raise SettingsError("a probe leaves the backbone as it is", "set model.lora=null and model.prompts=0")
    if joined not in {"mean_logit", "first"}:
        what = "are distilled" if joined == "distill" else f"are joined by {joined}"
        raise SettingsError(
            f"the heads of a probe's folds become one by their mean, and in this recipe they {what}",
            "set distill=null and ensemble=mean_logit",
        )
