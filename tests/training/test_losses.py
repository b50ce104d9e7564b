import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from atypica.training.losses import (
    balanced_weights,
    cross_entropy,
    focal,
    focal_recall,
    masked_bce,
    probabilities,
    recall,
    side_cross_entropy,
    side_log_softmax,
    two_classes,
    weighted_sum,
)

NAN = float("nan")


def logs(*rows):
    """Log-probabilities of rows that sum to 1."""
    return torch.tensor(rows, dtype=torch.float64).log()


def shares(*rows):
    return torch.tensor(rows, dtype=torch.float64)


# Three figures, two classes: the true class has 0.5, 0.2 and 0.9; class 0 has figures 0 and 1, class 1 figure 2.
P = logs((0.5, 0.5), (0.2, 0.8), (0.1, 0.9))
T = shares((1, 0), (1, 0), (0, 1))
MISSED = 1 - (0.5 + 0.2) / 2, 1 - 0.9


def test_masked_bce_by_hand():
    logits = torch.tensor([[0.0], [math.log(3.0)], [5.0]])
    targets = torch.tensor([[0.5], [1.0], [NAN]])
    expected = (math.log(2) + math.log(4 / 3)) / 2
    assert masked_bce(logits, targets).item() == pytest.approx(expected, rel=1e-6)


def test_masked_bce_of_nothing_known_is_zero_with_a_finite_gradient():
    logits = torch.zeros(2, 1, requires_grad=True)
    masked_bce(logits, torch.full((2, 1), NAN)).backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum().item() == 0


def test_cross_entropy_by_hand_and_with_weights():
    assert cross_entropy(P, T).item() == pytest.approx(-(math.log(0.5) + math.log(0.2) + math.log(0.9)) / 3)
    weighted = cross_entropy(P, T, torch.tensor([3.0, 0.5]))
    assert weighted.item() == pytest.approx(-(3 * math.log(0.5) + 3 * math.log(0.2) + 0.5 * math.log(0.9)) / 3)


def test_cross_entropy_of_one_logit_is_bce():
    logits, targets = torch.randn(5, 3), torch.rand(5, 3)
    targets[1, 2] = NAN
    torch.testing.assert_close(cross_entropy(*two_classes(logits, targets)), masked_bce(logits, targets))


def test_focal_by_hand():
    terms = (0.5**2 * math.log(0.5), 0.8**2 * math.log(0.2), 0.1**2 * math.log(0.9))
    assert focal(P, T, gamma=2.0).item() == pytest.approx(-sum(terms) / 3)
    weighted = focal(P, T, gamma=2.0, weights=torch.tensor([0.25, 0.75]))
    assert weighted.item() == pytest.approx(-(0.25 * (terms[0] + terms[1]) + 0.75 * terms[2]) / 3)


def test_focal_is_torchvisions():
    ops = pytest.importorskip("torchvision.ops")
    logits, targets = torch.randn(9, 1), (torch.rand(9, 1) > 0.5).float()
    mine = focal(*two_classes(logits, targets), gamma=1.5, weights=torch.tensor([0.7, 0.3]))
    torch.testing.assert_close(mine, ops.sigmoid_focal_loss(logits, targets, alpha=0.3, gamma=1.5, reduction="mean"))


def test_recall_by_hand():
    assert recall(P, T).item() == pytest.approx((MISSED[0] + MISSED[1]) / 2)


def test_a_class_that_the_batch_has_none_of_is_left_out_of_the_recall_loss():
    log_p = logs((0.5, 0.3, 0.2), (0.2, 0.7, 0.1))
    targets = shares((1, 0, 0), (1, 0, 0))
    assert recall(log_p, targets).item() == pytest.approx(1 - 0.35)
    assert focal_recall(log_p, targets, gamma=0.0, beta=1.0).item() == pytest.approx(
        -0.65 * (math.log(0.5) + math.log(0.2)) / 2
    )


def test_soft_labels_count_by_their_shares_in_the_recall_loss():
    log_p, targets = logs((0.6, 0.4), (0.1, 0.9)), shares((2 / 3, 1 / 3), (0, 1))
    hits = (2 / 3 * 0.6) / (2 / 3), (1 / 3 * 0.4 + 0.9) / (4 / 3)
    assert recall(log_p, targets).item() == pytest.approx(1 - sum(hits) / 2)


def test_focal_recall_by_hand():
    terms = (
        MISSED[0] ** 2 * 0.5**2 * math.log(0.5),
        MISSED[0] ** 2 * 0.8**2 * math.log(0.2),
        MISSED[1] ** 2 * 0.1**2 * math.log(0.9),
    )
    assert focal_recall(P, T, gamma=2.0, beta=2.0).item() == pytest.approx(-sum(terms) / 3)


@pytest.mark.parametrize("loss", [cross_entropy, focal, recall, focal_recall])
def test_unknown_rows_are_left_out_and_of_nothing_known_the_loss_is_zero(loss):
    unknown = torch.full((1, 2), NAN, dtype=torch.float64)
    more = torch.cat([P, logs((0.3, 0.7))]), torch.cat([T, unknown])
    torch.testing.assert_close(loss(*more), loss(P, T))
    logits = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    nothing = loss(logits.log_softmax(1), unknown.expand(2, -1))
    nothing.backward()
    assert nothing.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum().item() == 0


@pytest.mark.parametrize("loss", [cross_entropy, focal, recall, focal_recall])
def test_certainty_has_a_finite_loss_and_gradient(loss):
    logits = torch.tensor([[80.0, -80.0], [-80.0, 80.0]], requires_grad=True)
    value = loss(logits.log_softmax(1), torch.eye(2).flip(0) * 0.5 + torch.eye(2) * 0.5)
    value.backward()
    assert value.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", [cross_entropy, focal, recall, focal_recall])
def test_gradients_over_classes_are_those_of_finite_differences(loss):
    torch.manual_seed(0)
    targets = torch.randn(4, 3).double().softmax(1)
    targets[1] = torch.tensor([0.0, 1.0, 0.0])
    targets[2] = NAN
    logits = torch.randn(4, 3).double().requires_grad_()
    assert gradcheck(lambda values: loss(values.log_softmax(1), targets), (logits,))


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    targets = torch.cat([torch.eye(3)[labels], torch.full((1, 3), NAN)])
    assert balanced_weights(targets).tolist() == pytest.approx(list(expected))
    assert balanced_weights(torch.tensor([[1.0, 0.0]])).tolist() == [0.5, 0.0]


def test_the_multi_task_sum_weighs_experts_by_theta():
    losses = {"votes": torch.tensor(3.0), "disagreement": torch.tensor(1.0)}
    assert weighted_sum(losses, {"votes": 0.25, "disagreement": 0.75}).item() == pytest.approx(1.5)


def test_side_cross_entropy_ignores_the_other_side():
    targets = torch.zeros(1, 8)
    targets[0, 1] = 1.0
    logits = torch.zeros(1, 8)
    loud = logits.clone()
    loud[0, 4:] = 9.0
    assert side_cross_entropy(logits, targets).item() == pytest.approx(math.log(4), rel=1e-6)
    assert side_cross_entropy(loud, targets).item() == pytest.approx(math.log(4), rel=1e-6)


def test_side_cross_entropy_leaves_unknown_rows_out():
    targets = torch.full((2, 8), NAN)
    targets[0] = 0.0
    targets[0, 5] = 1.0
    logits = torch.randn(2, 8)
    assert side_cross_entropy(logits, targets).item() == pytest.approx(-side_log_softmax(logits)[0, 5].item(), rel=1e-5)


def test_probabilities_of_subtypes_sum_to_their_side():
    p = probabilities({"amf": torch.tensor([[0.7], [-2.0]]), "subtype": torch.randn(2, 8)})
    torch.testing.assert_close(p["subtype"].sum(1), torch.ones(2))
    torch.testing.assert_close(p["subtype"][:, 4:].sum(1), p["amf"][:, 0])
