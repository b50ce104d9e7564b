"""From settings to what a training minimizes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from atypica.core.errors import SettingsError, SourceError
from atypica.models.heads import HEADS
from atypica.training.losses import focal, masked_bce, recall, side_cross_entropy, two_classes
from atypica.training.objective import Objective, SideLoss, head_weights, trained_heads
from atypica.training.recipe import load_recipe
from atypica.training.settings.heads import HeadSettings
from atypica.training.settings.loss import CLASSES, LossSettings

NAN = float("nan")


def one_hot(*classes: int, size: int = 8) -> torch.Tensor:
    return torch.eye(size)[list(classes)]


TARGETS = {
    "amf": torch.tensor([[1.0], [0.0], [2 / 3]]),
    "subtype": one_hot(5, 0, 1),
    "votes": torch.tensor([[1.0, 1.0, NAN], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]),
    "disagreement": torch.tensor([[0.0], [0.0], [1.0]]),
    "hardness": torch.tensor([[0.0, 0, 1, 0], [1.0, 0, 0, 0], [0, 1 / 3, 0, 2 / 3]]),
}


def answers_of(heads: HeadSettings) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    sizes = trained_heads(heads, TARGETS)
    return HEADS[heads.kind](sizes).answers({name: torch.randn(3, size) for name, size in sizes.items()})


def test_the_heads_of_the_default_recipe_have_the_losses_and_weights_they_had():
    heads = load_recipe("default").heads
    answers = answers_of(heads)
    objective = Objective.of(heads, LossSettings(), TARGETS)
    expected = (
        masked_bce(answers["amf"], TARGETS["amf"])
        + 0.3 * side_cross_entropy(answers["subtype"], TARGETS["subtype"])
        + 0.3 * masked_bce(answers["votes"], TARGETS["votes"])
        + 0.2 * masked_bce(answers["disagreement"], TARGETS["disagreement"])
    )
    torch.testing.assert_close(objective(answers, TARGETS), expected)
    assert list(objective.weights) == ["amf", "subtype", "votes", "disagreement"]


def test_experts_and_hardness_are_summed_by_theta():
    heads = HeadSettings(kind="experts", votes=0.4, disagreement=0.6)
    answers = answers_of(heads)
    total = Objective.of(heads, LossSettings(name="focal", alpha=0.75, gamma=1.0), TARGETS)(answers, TARGETS)
    weights = torch.tensor([0.25, 0.75])
    parts = [focal(*two_classes(answers[n], TARGETS[n]), 1.0, weights) for n in ("votes", "disagreement")]
    torch.testing.assert_close(total, 0.4 * parts[0] + 0.6 * parts[1])


def test_an_experts_missing_vote_teaches_nothing():
    votes = torch.zeros(3, 3, requires_grad=True)
    heads = HeadSettings(kind="experts")
    Objective.of(heads, LossSettings(), TARGETS)({"votes": votes}, TARGETS).backward()
    assert votes.grad is not None
    assert votes.grad[0, 2].item() == 0
    assert votes.grad[0, 0].item() == pytest.approx(-0.5 / 8)


def test_what_follows_from_others_is_not_trained():
    heads = HeadSettings(kind="hardness", disagreement=0.2, votes=0.3)
    assert head_weights(heads) == {"hardness": 1.0, "votes": 0.3}
    assert list(HEADS["hardness"](trained_heads(heads, TARGETS)).sizes) == ["amf", "votes", "disagreement", "hardness"]


def test_the_softmax_weighs_classes_by_their_number_in_the_training_subset():
    heads = HeadSettings(kind="softmax")
    loss = LossSettings(name="cross_entropy", class_weights="balanced")
    value = Objective.of(heads, loss, {**TARGETS, "subtype": one_hot(5, 0, 0)})(
        {"subtype": torch.zeros(3, 8)}, {"subtype": one_hot(5, 0, 0)}
    )
    assert value.item() == pytest.approx(math.log(8) * (3 / 8 + 2 * 3 / 16) / 3)


def test_each_specialist_learns_from_its_side_alone():
    logits = torch.randn(3, 8, requires_grad=True)
    targets = one_hot(0, 2, 3)
    SideLoss.of(LossSettings(name="categorical_focal", class_weights="balanced"), targets)(logits, targets).backward()
    assert logits.grad is not None
    assert logits.grad[:, :4].abs().sum() > 0
    assert logits.grad[:, 4:].abs().sum() == 0


def test_the_subtypes_beside_amf_keep_their_own_loss():
    heads = HeadSettings(subtype=1.0)
    answers = answers_of(heads)
    total = Objective.of(heads, LossSettings(name="recall"), TARGETS)(answers, TARGETS)
    expected = recall(*two_classes(answers["amf"], TARGETS["amf"]))
    torch.testing.assert_close(total, expected + side_cross_entropy(answers["subtype"], TARGETS["subtype"]))


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("name", ["cross_entropy", "categorical_focal", "recall", "focal_recall"])
def test_gradients_of_every_kind_are_those_of_finite_differences(kind, name):
    heads = HeadSettings(kind=kind, votes=0.5, disagreement=0.5)
    targets = {key: values.double() for key, values in TARGETS.items()}
    objective = Objective.of(heads, LossSettings(name=name, class_weights="balanced"), targets)
    layout = HEADS[kind](trained_heads(heads, targets))
    torch.manual_seed(0)
    logits = [torch.randn(3, size).double().requires_grad_() for size in layout.trained.values()]

    def loss(*values):
        return objective(layout.answers(dict(zip(layout.trained, values, strict=True))), targets)

    assert gradcheck(loss, logits)


@pytest.mark.parametrize(("kind", "missing"), [("softmax", "subtype"), ("experts", "votes"), ("hardness", "hardness")])
def test_figures_that_cannot_teach_the_kind_are_refused(kind, missing):
    targets = {**TARGETS, missing: torch.full_like(TARGETS[missing], NAN)}
    with pytest.raises(SourceError, match=kind):
        trained_heads(HeadSettings(kind=kind), targets)


def test_the_number_of_classes_of_every_kind_is_that_of_its_heads():
    for kind, count in CLASSES.items():
        sizes = trained_heads(HeadSettings(kind=kind), TARGETS)
        main = HEADS[kind].main[0]
        assert count == (sizes[main] if main in {"subtype", "hardness"} else 2)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["heads.kind=softmax"], "'bce' is for heads with one logit"),
        (["heads.kind=hardness", "loss.name=focal"], "'focal' is for heads with one logit"),
        (["loss.name=cross_entropy", "loss.class_weights=[1, 2, 3]"], "3 numbers"),
        (["loss.name=focl"], "loss.name"),
        (["heads.kind=eight"], "heads.kind"),
    ],
)
def test_a_loss_that_the_heads_cannot_have_is_refused(overrides, words):
    with pytest.raises(SettingsError, match=words):
        load_recipe("default", overrides)


def test_the_default_recipe_is_what_it_was():
    assert load_recipe("default").hash == "9e6ab3eb2261"
    assert load_recipe("default", ["distill.rounds=1"]).hash == "29a7cfdeb4d5"  # before there were rounds
    plain = load_recipe("default", ["loss.name=bce", "heads.kind=separate", "heads.hidden=0", "model.pooling=own"])
    assert plain.hash == "9e6ab3eb2261"
    assert load_recipe("default", ["loss.name=recall"]).hash != plain.hash
