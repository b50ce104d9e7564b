import math

import pytest
import torch

from atypica.training.losses import masked_bce, multi_head_loss, probabilities, side_cross_entropy, side_log_softmax

NAN = float("nan")


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


def test_gradients_are_those_of_finite_differences():
    logits = {"amf": torch.randn(3, 1).double(), "subtype": torch.randn(3, 8).double()}
    targets = {"amf": torch.rand(3, 1).double(), "subtype": torch.rand(3, 8).double().softmax(1)}
    weights = {"amf": 1.0, "subtype": 0.3}

    def loss(amf, subtype):
        return multi_head_loss({"amf": amf, "subtype": subtype}, targets, weights)

    assert torch.autograd.gradcheck(loss, tuple(value.requires_grad_() for value in logits.values()))
