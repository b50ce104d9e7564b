"""What solves a probe, held against scikit-learn and hand-worked cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from atypica.training.probe.heads import HiddenProbe, LinearProbe, Neighbors, joined, read_probe
from atypica.training.probe.lda import solve_lda
from atypica.training.probe.logistic import solve_logistic
from atypica.training.probe.mlp import solve_mlp
from atypica.training.probe.nested import Fold, balanced_log_loss, solve_folds, solver
from atypica.training.probe.problems import Problems, balanced_weights

PENALTIES = np.array([1e-3, 1e-2, 1.0])


def drawn(classes: int, rows: int = 240, width: int = 30, seed: int = 0):
    """Features of very different scales, correlated, and labels that follow from them with doubt."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, width)) @ random.normal(size=(width, width))
    score = features @ random.normal(size=(width, classes)) / 6 + random.gumbel(size=(rows, classes))
    labels = score.argmax(axis=1)
    targets = (labels[:, None] == 1).astype(float) if classes == 2 else np.eye(classes)[labels]
    return features * random.uniform(0.1, 10, width) + 5, labels, targets


def problems(features, targets, penalties=PENALTIES):
    known = np.random.default_rng(1).random((len(penalties), len(features))) < 0.8
    weights = np.stack([balanced_weights(targets, rows) for rows in known])
    return Problems.of(features, targets, weights, penalties), known


@pytest.mark.parametrize(("classes", "width"), [(2, 30), (4, 30), (2, 300)])
def test_logistic_regression_is_scikit_learns_solved_to_the_end(classes, width):
    features, labels, targets = drawn(classes, width=width)
    batch, known = problems(features, targets)
    found = solve_logistic(batch).logits(batch.features).numpy()
    for index, (rows, penalty) in enumerate(zip(known, PENALTIES, strict=True)):
        scaler = StandardScaler().fit(features[rows])
        model = LogisticRegression(C=1 / (penalty * rows.sum()), class_weight="balanced", tol=1e-10, max_iter=10_000)
        expected = model.fit(scaler.transform(features[rows]), labels[rows]).decision_function(
            scaler.transform(features)
        )
        assert np.allclose(found[index].T.squeeze(), expected, atol=1e-4, rtol=1e-4)


def test_problems_of_one_batch_do_not_touch_each_other():
    features, _, targets = drawn(2)
    batch, _ = problems(features, targets)
    together = solve_logistic(batch)
    alone = solve_logistic(batch.part(slice(1, 2)))
    assert np.allclose(together.weight[1].numpy(), alone.weight[0].numpy(), atol=1e-6)


def test_a_share_counts_as_so_many_figures_of_each_label():
    features, _, targets = drawn(2, rows=60, width=4)
    shares = 0.1 + 0.8 * targets
    twice, hard = np.concatenate([features, features]), np.repeat([[0.0], [1.0]], 60, axis=0)
    weights = np.concatenate([1 - shares, shares])[:, 0][None]
    one = solve_logistic(Problems.of(features, shares, np.ones((1, 60)), PENALTIES[:1]))
    other = solve_logistic(Problems.of(twice, hard, weights, PENALTIES[:1]))
    assert np.allclose(one.weight.numpy(), other.weight.numpy(), atol=1e-6)
    assert np.allclose(one.bias.numpy(), other.bias.numpy(), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_lda_is_scikit_learns(classes):
    features, labels, targets = drawn(classes)
    batch, known = problems(features, targets, np.array([0.1, 0.5, 0.9]))
    found = solve_lda(batch).logits(batch.features).numpy()
    for index, (rows, shrinkage) in enumerate(zip(known, (0.1, 0.5, 0.9), strict=True)):
        scaler = StandardScaler().fit(features[rows])
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[1 / classes] * classes)
        model.fit(scaler.transform(features[rows]), labels[rows])
        expected = model.decision_function(scaler.transform(features))
        got = found[index].T.squeeze()
        if classes > 2:  # a softmax holds up to a constant
            got, expected = got - got[:, :1], expected - expected[:, :1]
        assert np.allclose(got, expected, atol=1e-6)


def test_a_class_that_nobody_has_is_never_said():
    features, labels, targets = drawn(4)
    rows = labels != 3
    weights = balanced_weights(targets, rows)[None]
    for found in (solve_lda(Problems.of(features, targets, weights, np.array([0.5]))),
                  solve_logistic(Problems.of(features, targets, weights, np.array([0.1])))):  # fmt: skip
        logits = found.logits(Problems.of(features, targets, weights, PENALTIES[:1]).features)[0].numpy()
        assert np.isfinite(logits).all()
        assert (logits.argmax(axis=0) != 3).all()


def test_neighbors_vote_by_hand():
    features = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]], dtype=np.float32)
    probe = Neighbors(
        features / np.linalg.norm(features, axis=1, keepdims=True),
        np.array([[1.0], [0.0], [0.0], [0.0]]),
        np.array([2.0, 2 / 3, 2 / 3, 2 / 3]),
        2,
    )
    # Near (5, 0): one AMF of weight 2 and one NMF of 2/3, and one vote for each from the start.
    assert probe.logits(np.array([[5.0, 0.0]]))[0, 0] == pytest.approx(np.log(3 / (5 / 3)), abs=1e-6)
    assert probe.logits(np.array([[0.0, 5.0]]))[0, 0] == pytest.approx(np.log(1 / (1 + 4 / 3)), abs=1e-6)


def test_a_hidden_layer_learns_what_no_line_parts():
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 2)) * [1, 50]
    targets = (features[:, :1] * features[:, 1:] > 0).astype(float)
    batch = Problems.of(features, targets, np.ones((2, 200)), np.array([1e-4, 1e-4]))
    probes = solve_mlp(batch, hidden=16, seed=0)
    called = probes[0].logits(features) > 0
    assert (called == (targets > 0)).mean() > 0.93
    solved = solve_logistic(batch)
    line = LinearProbe(solved.weight[0].numpy(), solved.bias[0].numpy())
    assert ((line.logits(features) > 0) == (targets > 0)).mean() < 0.7
    assert np.allclose(probes[0].logits(features), probes[1].logits(features), atol=1e-3)


@pytest.mark.parametrize("kind", ["logistic", "lda", "mlp", "knn"])
def test_what_is_held_out_changes_nothing(kind):
    features, _, targets = drawn(2, rows=120, width=6)
    part = np.arange(120) % 5
    fold = Fold(part != 0, [part == inner for inner in (1, 2, 3, 4)])
    grid = {"lda": [0.1, 0.5], "knn": [3, 9]}.get(kind, [0.001, 0.1])
    solve = solver(kind, 8, 0)
    spoiled, other = features.copy(), targets.copy()
    spoiled[part == 0] += 3.0
    other[part == 0] = 1 - other[part == 0]
    some = [values.astype(np.float32)[:, None] for values in (features, spoiled)]
    one, two = (solve_folds(f, t, [fold], grid, solve)[0] for f, t in zip(some, (targets, other), strict=True))
    tolerance = 0.02 if kind == "mlp" else 1e-4
    assert one.penalty == two.penalty
    assert np.allclose(one.probe.logits(features), two.probe.logits(features), atol=tolerance)


def test_the_penalty_with_the_least_loss_on_the_inner_folds_is_chosen():
    features, labels, targets = drawn(2, rows=200, width=40)
    part = np.arange(200) % 5
    fold = Fold(part != 0, [part == inner for inner in (1, 2)])
    chosen = solve_folds(features.astype(np.float32)[:, None], targets, [fold], [1e-4, 0.03, 100.0],
                         solver("logistic", 0, 0))[0]  # fmt: skip
    losses = []
    for penalty in (1e-4, 0.03, 100.0):
        of_parts = []
        for inner in fold.inner:
            rows = fold.trained & ~inner
            scaler = StandardScaler().fit(features[rows])
            model = LogisticRegression(
                C=1 / (penalty * rows.sum()), class_weight="balanced", tol=1e-10, max_iter=10_000
            )
            model.fit(scaler.transform(features[rows]), labels[rows])
            p = model.predict_proba(scaler.transform(features[inner]))[:, 1]
            y = labels[inner]
            of_parts.append((-np.log(p[y == 1]).mean() - np.log(1 - p[y == 0]).mean()) / 2)
        losses.append(np.mean(of_parts))
    assert [*chosen.losses.values()] == pytest.approx(losses, abs=1e-4)
    assert chosen.penalty == [1e-4, 0.03, 100.0][int(np.argmin(losses))]


def test_the_balanced_log_loss_by_hand():
    targets = np.array([[1.0], [0.0], [0.0], [0.0]])
    logits = np.log(np.array([[0.5 / 0.5], [0.2 / 0.8], [0.2 / 0.8], [0.2 / 0.8]]))
    assert balanced_log_loss(targets, logits) == pytest.approx((-np.log(0.5) - np.log(0.8)) / 2)


def test_probes_are_read_as_they_were_written_and_join_to_their_mean():
    features, _, targets = drawn(2, rows=80, width=5)
    batch = Problems.of(features, targets, np.ones((2, 80)), np.array([1e-2, 1.0]))
    solved = solve_logistic(batch)
    linear = [LinearProbe(solved.weight[k].numpy(), solved.bias[k].numpy()) for k in range(2)]
    hidden: list[HiddenProbe] = [solve_mlp(batch, 4, seed, steps=5)[0] for seed in (0, 1)]
    for probes in (linear, hidden):
        mean = np.mean([probe.logits(features) for probe in probes], axis=0)
        assert np.allclose(joined(probes).logits(features), mean)
        assert np.allclose(read_probe(joined(probes).tensors()).logits(features), mean, atol=1e-4)
