import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from atypica.core.errors import SettingsError, SourceError
from atypica.data.figures import figures_from
from atypica.training.sampling import BalancedBatches, derive_seed, domain_numbers, loss_weights
from atypica.training.settings.sampling import SamplingSettings
from atypica.training.weighting import weighted_loss

LABELS = (np.arange(400) % 5 == 0).astype(float)


def rows(batches):
    return np.concatenate([np.array(batch) for batch in batches])


def many_rows(batches, epochs=20):
    return np.concatenate([rows(batches) for epoch in range(epochs) if batches.set_epoch(epoch) is None])


def test_balanced_batches_draw_both_labels_equally():
    batches = BalancedBatches(LABELS, 50, 1.0, seed=0)
    share = np.mean([LABELS[rows(batches)].mean() for epoch in range(20) if batches.set_epoch(epoch) is None])
    assert 0.47 < share < 0.53


def test_unbalanced_batches_take_every_figure_once():
    drawn = rows(BalancedBatches(LABELS, 40, 0.0, seed=0))
    assert sorted(drawn.tolist()) == list(range(400))


def test_the_seed_and_the_epoch_decide_everything():
    one, other = BalancedBatches(LABELS, 40, 1.0, seed=0), BalancedBatches(LABELS, 40, 1.0, seed=0)
    other.set_epoch(3)
    assert list(one) != list(other)
    one.set_epoch(3)
    assert list(one) == list(other)
    assert list(one) != list(BalancedBatches(LABELS, 40, 1.0, seed=1))


def test_seed_zero_is_a_seed():
    assert derive_seed(0, 0) != derive_seed(0, 1) != derive_seed(1, 0)


def test_without_new_settings_the_same_rows_are_drawn_as_ever():
    drawn = [list(BalancedBatches(LABELS, 50, balance, 3)) for balance in (0, 0.5, 1)]
    digest = hashlib.sha256(repr(drawn).encode()).hexdigest()
    assert digest == "df9bfe95f5b54fd9e97d5d63cb1d8c32ac98e26bfcb1975d00dba3e5e39c1c6f"


def test_full_balance_weighs_each_figure_by_one_over_its_labels_frequency():
    drawn = many_rows(BalancedBatches(LABELS, 50, 1.0, seed=0), 200)
    often = np.bincount(drawn, minlength=400)
    assert often[LABELS == 1].mean() / often[LABELS == 0].mean() == pytest.approx(320 / 80, rel=0.05)


@pytest.mark.parametrize("balance", [0.0, 1.0])
@pytest.mark.parametrize("batches", [3, 30])
def test_an_epoch_has_as_many_batches_as_asked_for(balance, batches):
    sampler = BalancedBatches(LABELS, 50, balance, seed=0, batches=batches)
    drawn = list(sampler)
    assert len(sampler) == len(drawn) == batches
    assert {len(batch) for batch in drawn} == {50}
    if not balance:
        often = np.bincount(rows(drawn), minlength=400)
        assert often.max() - often.min() <= 1


@pytest.mark.parametrize(("balance", "amf"), [(1.0, 25), (0.5, 18), (0.0, 10)])
def test_exact_batches_hold_the_share_and_no_figure_twice_too_soon(balance, amf):
    sampler = BalancedBatches(LABELS, 50, balance, seed=0, exact=True)
    drawn = list(sampler)
    assert {int(LABELS[batch].sum()) for batch in drawn} == {amf}
    often = np.bincount(rows(drawn), minlength=400)
    for label in (0, 1):
        assert np.ptp(often[label == LABELS]) <= 1
    sampler.set_epoch(1)
    assert list(sampler) != drawn


def test_domains_are_drawn_equally_often_and_labels_within_each():
    domains = np.repeat([0, 1, 2], [300, 80, 20])
    drawn = many_rows(BalancedBatches(LABELS, 50, 1.0, seed=0, domains=domains))
    np.testing.assert_allclose(np.bincount(domains[drawn]) / len(drawn), 1 / 3, atol=0.03)
    for domain in range(3):
        assert LABELS[drawn][domains[drawn] == domain].mean() == pytest.approx(0.5, abs=0.04)
    as_they_come = many_rows(BalancedBatches(LABELS, 50, 0.0, seed=0, domains=domains))
    np.testing.assert_allclose(np.bincount(domains[as_they_come]) / len(as_they_come), 1 / 3, atol=0.03)
    assert LABELS[as_they_come].mean() == pytest.approx(0.2, abs=0.03)


def figures(scanners):
    table = pd.DataFrame({"image": [f"{n}.png" for n in range(len(scanners))], "scanner": scanners, "label": "AMF"})
    return figures_from(table, Path(), "made")


def test_every_domain_weighs_the_same_in_the_loss():
    weights = loss_weights(figures(["a"] * 6 + ["b"] * 2), "scanner")
    np.testing.assert_allclose(weights, [8 / 12] * 6 + [2.0] * 2, rtol=1e-6)
    assert weights.mean() == pytest.approx(1)


def test_a_weighted_loss_is_the_mean_of_weight_times_loss():
    answers, targets = {"amf": torch.randn(8, 1)}, {"amf": torch.rand(8, 1)}
    weights = torch.tensor([2.0, 0.5, 0.5, 1.0, 2.0, 0.5, 1.0, 0.5])

    def loss(said, meant):
        return (said["amf"] - meant["amf"]).square().mean()

    by_hand = (weights[:, None] * (answers["amf"] - targets["amf"]).square()).mean()
    torch.testing.assert_close(weighted_loss(loss, answers, targets, weights), by_hand)
    torch.testing.assert_close(weighted_loss(loss, answers, targets, torch.ones(8)), loss(answers, targets))


def test_a_domain_that_is_not_there_is_named():
    with pytest.raises(SourceError, match="no column 'lab'"):
        domain_numbers(figures(["a", "b"]), "lab")
    with pytest.raises(SourceError, match="1 figures have no scanner"):
        domain_numbers(figures(["a", None]), "scanner")


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(SettingsError, match="exact"):
        SamplingSettings.parse(yaml.safe_load("{exact: true, domain: scanner}"), "sampling")
