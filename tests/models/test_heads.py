"""From trained logits to the answers, against probabilities worked by hand."""

from __future__ import annotations

import pytest
import torch

from atypica.models.heads import HARDNESS_CLASSES, HEADS, SIDE, ExpertHeads, HardnessHeads, Heads, SoftmaxHeads

SIZES = {
    "separate": {"amf": 1, "subtype": 8, "votes": 3, "disagreement": 1},
    "softmax": {"subtype": 8, "votes": 3},
    "experts": {"votes": 3, "disagreement": 1},
    "hardness": {"hardness": 4, "subtype": 8},
    "hierarchical": {"amf": 1, "subtype": 8},
}


def logit(p: float) -> float:
    return float(torch.logit(torch.tensor(p, dtype=torch.float64)))


def test_separate_heads_answer_what_is_trained():
    trained = {"amf": torch.tensor([[0.3]]), "votes": torch.randn(1, 3)}
    answers = Heads({"amf": 1, "votes": 3}).answers(trained)
    assert answers["amf"] is trained["amf"]
    assert answers["votes"] is trained["votes"]


def test_amf_is_the_sum_of_the_atypical_subtypes():
    p = torch.tensor([[0.3, 0.2, 0.05, 0.05, 0.1, 0.1, 0.15, 0.05]]).double()
    answers = SoftmaxHeads({"subtype": 8}).answers({"subtype": p.log() + 1.7})
    assert answers["amf"].item() == pytest.approx(logit(0.4))
    within = answers["subtype"][:, SIDE:].softmax(1)[0].tolist()
    assert within == pytest.approx([0.25, 0.25, 0.375, 0.125])


def test_amf_is_the_mean_of_the_experts():
    p = torch.tensor([[0.9, 0.5, 0.1], [0.99, 0.8, 0.4]]).double()
    amf = ExpertHeads({"votes": 3}).answers({"votes": p.logit()})["amf"]
    assert amf[:, 0].tolist() == pytest.approx([0.0, logit(0.73)], abs=1e-6)


def test_sure_experts_leave_the_logit_finite():
    amf = ExpertHeads({"votes": 2}).answers({"votes": torch.tensor([[90.0, 95.0], [-200.0, -210.0]])})["amf"]
    assert amf[:, 0].tolist() == pytest.approx([90.7, -200.7], abs=0.1)


def test_label_and_disagreement_are_the_margins_of_hardness():
    assert HARDNESS_CLASSES == ("NMF easy", "NMF hard", "AMF easy", "AMF hard")
    answers = HardnessHeads({"hardness": 4}).answers({"hardness": torch.tensor([[0.5, 0.1, 0.15, 0.25]]).log()})
    assert answers["amf"].item() == pytest.approx(logit(0.4), abs=1e-6)
    assert answers["disagreement"].item() == pytest.approx(logit(0.35), abs=1e-6)


@pytest.mark.parametrize("kind", HEADS)
def test_answers_come_in_one_order_with_their_sizes(kind):
    heads = HEADS[kind](SIZES[kind])
    answers = heads.answers({name: torch.randn(2, size) for name, size in SIZES[kind].items()})
    assert {name: values.shape[1] for name, values in answers.items()} == heads.sizes
    assert next(iter(answers)) == "amf"


@pytest.mark.parametrize("kind", HEADS)
def test_slopes_are_the_gradient_of_the_amf_logit(kind):
    torch.manual_seed(0)
    heads = HEADS[kind](SIZES[kind])
    trained = {name: torch.randn(3, size).double().requires_grad_() for name, size in SIZES[kind].items()}
    heads.answers(trained)["amf"].sum().backward()
    slopes = heads.slopes(trained)
    for name, values in trained.items():
        expected = torch.zeros_like(values) if values.grad is None else values.grad
        torch.testing.assert_close(slopes.get(name, torch.zeros_like(values)), expected)
