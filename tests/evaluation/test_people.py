"""Experts beside a model: by hand, against scikit-learn, and against the plain coefficients."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn.metrics as sk
from matplotlib import pyplot
from PIL import Image

from atypica.core.errors import EvaluationError
from atypica.core.votes import majority
from atypica.evaluation.agreement import agreement
from atypica.evaluation.agreement_intervals import OVERALL, AgreementScorer, agreement_estimates
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.people import PEOPLE_METRICS, SubtypeCalls, evaluate_people
from atypica.evaluation.resampling import plan_resampling
from atypica.reporting.people_plot import people_plot, write_people_plot

NAN = np.nan
SETTINGS = BootstrapSettings(replicates=200)
# Three experts, eight figures; the last is read by one alone.
VOTES = np.array([
    [1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 0], [NAN, 1, 1], [1, NAN, NAN],
])  # fmt: skip
P = np.array([0.9, 0.2, 0.8, 0.1, 0.6, 0.7, 0.3, 0.4])


def drawn(figures: int = 240, experts: int = 3, missing: float = 0.1, seed: int = 0):
    """Votes of experts who err, scores of a model that errs too, and cases of eight figures."""
    rng = np.random.default_rng(seed)
    truth = rng.random(figures) < 0.3
    votes = np.where(rng.random((figures, experts)) < 0.12, ~truth[:, None], truth[:, None]).astype(float)
    votes[rng.random(votes.shape) < missing] = NAN
    p = np.clip(rng.normal(0.3 + 0.3 * truth, 0.2), 0, 1)
    return votes, p, [f"c{k // 8}" for k in range(figures)]


def test_an_expert_and_the_model_by_hand():
    found = evaluate_people(VOTES, P, 0.5, settings=BootstrapSettings(replicates=0))
    first = found.beside[0]
    # Read by expert 1, with a majority of experts 2 and 3: figures 0 to 3 and 5; they tie at 4, nobody else read 7.
    assert (first.figures, first.ties) == (5, 2)
    # The others say AMF of 0 and 2; expert 1 says AMF of 0 and 1; the model says AMF of 0, 2 and 5.
    assert vars(first.expert.confusion) == {"tp": 1, "fp": 1, "fn": 1, "tn": 2}
    assert vars(first.model.confusion) == {"tp": 2, "fp": 1, "fn": 0, "tn": 2}
    assert first.expert.metrics["balanced_accuracy"].value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert first.model.metrics["balanced_accuracy"].value == pytest.approx((1 + 2 / 3) / 2)
    # Expert 1: agreement 3/5; chance (2 * 2 + 3 * 3) / 25; kappa (15 - 13) / (25 - 13).
    assert first.expert.metrics["kappa"].value == pytest.approx(2 / 12)
    # The model: agreement 4/5; chance (2 * 3 + 3 * 2) / 25; kappa (20 - 12) / (25 - 12).
    assert first.model.metrics["kappa"].value == pytest.approx(8 / 13)
    assert first.difference["kappa"].value == pytest.approx(8 / 13 - 2 / 12)
    # AMF 0.9 and 0.8 lie above all NMF (0.2, 0.1, 0.7).
    assert first.model.metrics["auroc"].value == 1


def test_the_model_against_the_majority_of_all():
    found = evaluate_people(VOTES, P, 0.5, settings=BootstrapSettings(replicates=0))
    # AMF: 0, 2, 4, 6, 7; NMF: 1, 3, 5. Called AMF: 0, 2, 4, 5.
    assert vars(found.majority.confusion) == {"tp": 3, "fp": 1, "fn": 2, "tn": 2}
    assert (found.figures, found.majority_ties) == (7, 0)


def test_expert_and_model_have_the_same_figures_and_truth_as_scikit_learn_says():
    votes, p, cases = drawn()
    found = evaluate_people(votes, p, 0.45, cases=cases, settings=SETTINGS)
    for k, each in enumerate(found.beside):
        truth = majority(np.delete(votes, k, axis=1))
        used = ~np.isnan(truth) & ~np.isnan(votes[:, k])
        for judged, calls in ((each.expert, votes[used, k]), (each.model, p[used] >= 0.45)):
            assert judged.metrics["kappa"].value == pytest.approx(sk.cohen_kappa_score(truth[used], calls))
            assert judged.metrics["balanced_accuracy"].value == pytest.approx(
                sk.balanced_accuracy_score(truth[used], calls)
            )
        assert each.model.metrics["auroc"].value == pytest.approx(sk.roc_auc_score(truth[used], p[used]))
        for metric in PEOPLE_METRICS:
            low, high = (getattr(each.expert.metrics[metric].interval, end) for end in ("low", "high"))
            assert low < each.expert.metrics[metric].value < high
            assert "case-level" in each.difference[metric].interval.method


def test_a_model_that_repeats_an_expert_differs_from_that_expert_in_no_resample():
    votes, _, cases = drawn(missing=0)
    each = evaluate_people(votes, votes[:, 1], 0.5, cases=cases, settings=SETTINGS).beside[1]
    for metric in PEOPLE_METRICS:
        assert each.difference[metric].value == 0
        assert "every resample gives the same" in each.difference[metric].reason


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_weighted_agreement_is_that_of_figures_drawn_so_often(missing):
    votes, _, _ = drawn(60, missing=missing, seed=3)
    weights = np.random.default_rng(1).integers(0, 4, (5, 60)).astype(float)
    found = AgreementScorer.of(votes)(weights)
    for row, counts in enumerate(weights):
        plain = agreement(np.repeat(votes, counts.astype(int), axis=0))
        for name in OVERALL:
            assert found[name][row] == pytest.approx(getattr(plain, name)), name
        for pair in plain.pairs:
            assert found[f"kappa.{pair.first}.{pair.second}"][row] == pytest.approx(pair.kappa)
            assert found[f"agreement.{pair.first}.{pair.second}"][row] == pytest.approx(pair.agreement)


def test_agreement_over_more_than_two_categories():
    ratings = np.random.default_rng(5).integers(0, 8, (300, 2)).astype(float)
    ratings[::2, 1] = ratings[::2, 0]
    found = AgreementScorer.of(ratings)(np.ones((1, 300)))
    assert found["kappa.0.1"][0] == pytest.approx(sk.cohen_kappa_score(*ratings.T.astype(int)))


def test_experts_who_always_say_the_same_have_no_kappa_and_a_reason():
    plan = plan_resampling(np.zeros(6, dtype=np.int64), ("NMF", "AMF"), (np.arange(6),), None)
    found = agreement_estimates(np.zeros((6, 2)), plan, SETTINGS)
    assert found["full"].value == 1
    assert found["fleiss"].value is None
    assert found["fleiss"].reason
    people = evaluate_people(np.zeros((6, 2)), np.full(6, 0.1), 0.5, settings=SETTINGS)
    metrics = people.beside[0].expert.metrics
    assert metrics["sensitivity"].reason == "no AMF figures"
    assert metrics["kappa"].reason == "all calls are alike"


def test_a_difference_is_undefined_where_the_kappa_of_the_expert_is():
    # All experts say NMF throughout; the model calls half of the figures AMF, so that its own kappa is 0.
    people = evaluate_people(np.zeros((6, 3)), np.array([0.1, 0.9] * 3), 0.5, settings=SETTINGS)
    first = people.beside[0]
    assert first.model.metrics["kappa"].value == 0
    assert first.expert.metrics["kappa"].value is None
    assert (first.difference["kappa"].value, first.difference["kappa"].reason) == (None, "all calls are alike")
    json.dumps(people.to_json(), allow_nan=False)


def test_subtypes_of_two_experts_and_the_model_on_the_same_figures():
    votes = np.array([[0.0, 0], [0, 0], [1, 1], [1, 1], [1, 0]])
    experts = np.array([[0.0, 0], [1, 0], [5, 5], [6, 5], [4, NAN]])
    model = np.array([0.0, 1, 5, 5, 4])
    found = evaluate_people(votes, votes[:, 0], 0.5, subtypes=SubtypeCalls(experts, model), settings=SETTINGS)
    shares = {(pair.first, pair.second): (pair.figures, pair.agreement.value) for pair in found.subtypes}
    assert shares == {
        ("expert 1", "expert 2"): (4, 0.5),
        ("expert 1", "model"): (4, 0.75),
        ("expert 2", "model"): (4, 0.75),
    }
    # Experts 1 and 2: observed 1/2, chance 1/4 * 1/2 + 1/4 * 1/2 = 1/4 (both use 0 and 5).
    assert found.subtypes[0].kappa.value == pytest.approx((1 / 2 - 1 / 4) / (1 - 1 / 4))


def test_one_expert_is_no_people():
    assert evaluate_people(np.ones((3, 1)), np.ones(3), 0.5) is None
    assert evaluate_people(np.array([[1, NAN], [NAN, 0]]), np.ones(2), 0.5) is None


def test_votes_that_are_none_are_refused():
    with pytest.raises(EvaluationError, match=r"not 0 \(NMF\)"):
        evaluate_people(np.array([[2.0, 1.0]]), np.ones(1), 0.5)


def test_the_plot_names_who_is_who(tmp_path):
    votes, p, cases = drawn()
    people = evaluate_people(votes, p, 0.45, cases=cases, settings=SETTINGS)
    figure = people_plot(people, 0.45)
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == ["expert 1", "model", "expert 2", "model", "expert 3", "model", "model, all experts"]
    shown = [text.get_text() for text in figure.axes[1].texts]
    assert shown[0] == f"{people.beside[0].expert.metrics['sensitivity'].value:.2f}"
    assert "threshold 0.45" in figure.get_supxlabel()
    with Image.open(write_people_plot(tmp_path, people, 0.45)) as image:
        assert image.width == pytest.approx(85 / 25.4 * 300, abs=2)
    assert pyplot.get_fignums() == []


def test_a_plot_without_amf_says_so():
    people = evaluate_people(np.zeros((6, 3)), np.full(6, 0.1), 0.5, settings=SETTINGS)
    assert "n/a" in [text.get_text() for text in people_plot(people, 0.5).axes[1].texts]
