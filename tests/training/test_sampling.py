import numpy as np

from atypica.training.sampling import BalancedBatches, derive_seed

LABELS = (np.arange(400) % 5 == 0).astype(float)


def rows(batches):
    return np.concatenate([np.array(batch) for batch in batches])


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
