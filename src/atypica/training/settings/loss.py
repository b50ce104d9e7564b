"""What is minimized."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from atypica.core.errors import SettingsError
from atypica.core.settings import Settings
from atypica.training.settings.heads import HeadKind, HeadSettings

Loss = Literal["bce", "cross_entropy", "focal", "categorical_focal", "recall", "focal_recall"]
SINGLE_LOGIT_LOSSES = ("bce", "focal")
"""For heads that answer yes or no with one logit, not for a softmax."""
CLASSES: dict[HeadKind, int] = {"separate": 2, "softmax": 8, "experts": 2, "hardness": 4, "hierarchical": 2}
"""How many classes the heads that say AMF have."""


class LossSettings(Settings):
    """The loss of the heads (formulas in `training/losses.py`); their weights are in `heads`."""

    name: Loss = "bce"
    """`bce` and `focal` are for heads with one logit, the others for a softmax as well."""
    alpha: float | None = Field(default=None, gt=0, lt=1)
    """Of `focal` and `focal_recall` on heads with one logit: weight of AMF, NMF has 1 - alpha; null weighs both 1."""
    gamma: float = Field(default=2.0, ge=0)
    """Of `focal`, `categorical_focal` and `focal_recall`: how much what is easy counts less."""
    beta: float = Field(default=2.0, ge=0)
    """Of `focal_recall`: how much a class with high recall counts less."""
    class_weights: Literal["balanced"] | tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """Of `cross_entropy`, `categorical_focal` and `focal_recall`: `balanced` (inverse to the share in the training
    subset), a number for each class of the heads that say AMF, or null."""


def check_loss(heads: HeadSettings, loss: LossSettings) -> None:
    """Refuse a loss that the heads cannot have.

    Raises:
        SettingsError: a loss of single logits for a softmax, or class weights of another number of classes.
    """
    if loss.name in SINGLE_LOGIT_LOSSES and CLASSES[heads.kind] > 2:
        raise SettingsError(
            f"loss.name '{loss.name}' is for heads with one logit, and heads.kind '{heads.kind}' is a softmax",
            "set loss.name to cross_entropy, categorical_focal, recall or focal_recall",
        )
    if isinstance(loss.class_weights, tuple) and len(loss.class_weights) != CLASSES[heads.kind]:
        raise SettingsError(
            f"loss.class_weights has {len(loss.class_weights)} numbers, and heads.kind '{heads.kind}' has "
            f"{CLASSES[heads.kind]} classes",
            "give one for each class, or 'balanced'",
        )
