from types import SimpleNamespace

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from atypica.core.errors import SettingsError, TrainingError
from atypica.training.plateau import Plateau
from atypica.training.recipe import load_recipe
from atypica.training.schedules import LearningRates
from atypica.training.settings.schedule import ScheduleSettings


def rates(epochs=4, warmup=1.0, head=0, head_lr=0.5, **schedule):
    return LearningRates(1.0, epochs, warmup, head, head_lr, ScheduleSettings(**schedule))


def sgd(*shares):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": share} for share in shares or (1.0,)]
    return torch.optim.SGD(groups, lr=1.0)


def walked(plan, steps=8, optimizer=None):
    """The rate of the first group at every step, and behind the last."""
    optimizer = optimizer or sgd()
    scheduler, seen = plan.stepwise(optimizer, steps), []
    for _ in range(steps + 1):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


# Two steps an epoch: two of warm-up at 1/3 and 2/3, then six with cos(k * 30 degrees).
def test_cosine_falls_to_zero():
    falling = [1, 0.933013, 0.75, 0.5, 0.25, 0.066987, 0]
    assert walked(rates()) == pytest.approx([1 / 3, 2 / 3, *falling], abs=1e-6)


def test_cosine_falls_to_the_lowest_rate():
    falling = [1, 0.939711, 0.775, 0.55, 0.325, 0.160289, 0.1]
    assert walked(rates(min_lr=0.1)) == pytest.approx([1 / 3, 2 / 3, *falling], abs=1e-6)


@pytest.mark.parametrize("name", ["constant", "plateau"])
def test_a_constant_rate_stays_after_the_warm_up(name):
    assert walked(rates(name=name, min_lr=0.1)) == [1 / 3, 2 / 3, *[1.0] * 7]


def test_the_heads_come_first_at_their_own_rate_and_warm_up_and_cosine_begin_behind_them():
    seen = walked(rates(head=1))
    assert seen == pytest.approx([0.5, 0.5, 1 / 3, 2 / 3, 1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)


def test_every_group_keeps_its_share():
    optimizer = sgd(1.0, 0.25)
    walked(rates(), 5, optimizer)
    scheduler = rates(min_lr=0.1).stepwise(optimizer, 8)
    for _ in range(5):
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.55, 0.1375])


def watched(plan, values, optimizer, steps=2):
    """The rate of every group behind each epoch, and the callback."""
    scheduler = plan.stepwise(optimizer, steps * plan.epochs)
    trainer = SimpleNamespace(
        optimizers=[optimizer], lr_scheduler_configs=[SimpleNamespace(scheduler=scheduler)], callback_metrics={}
    )
    plateau, seen = Plateau(plan), []
    plateau.on_train_start(trainer, None)
    for epoch, value in enumerate(values):
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
        trainer.current_epoch = epoch
        trainer.callback_metrics = {f"val_{plan.schedule.metric}": torch.tensor(value)}
        plateau.on_train_epoch_end(trainer, None)
        seen.append([group["lr"] for group in optimizer.param_groups])
    return seen, plateau


def test_a_plateau_lowers_every_rate_after_its_patience_and_not_below_the_lowest():
    plan = rates(9, 0, name="plateau", metric="balanced_accuracy", factor=0.1, patience=1, min_lr=0.05)
    values = [0.7, 0.8, 0.8, 0.79, 0.81, 0.81, 0.5, 0.5, 0.5]
    seen, _ = watched(plan, values, sgd(1.0, 0.5))
    first = [1, 1, 1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05]
    assert seen == [pytest.approx([rate, rate / 2]) for rate in first]


def test_a_loss_should_fall():
    plan = rates(4, 0, name="plateau", metric="loss", factor=0.5, patience=0)
    seen, _ = watched(plan, [0.4, 0.3, 0.35, 0.2], sgd())
    assert seen == [[1.0], [1.0], [0.5], [0.5]]


def test_a_plateau_is_that_of_torch():
    values = [0.5, 0.6, 0.6, 0.55, 0.7, 0.1, 0.2, 0.3, 0.1, 0.1]
    mine, _ = watched(rates(10, 0, name="plateau", factor=0.3, patience=2), values, sgd())
    optimizer = sgd()
    theirs, expected = ReduceLROnPlateau(optimizer, "max", 0.3, 2), []
    for value in values:
        theirs.step(value)
        expected.append([optimizer.param_groups[0]["lr"]])
    assert mine == expected


def test_a_plateau_waits_for_the_heads_and_the_warm_up():
    plan = rates(6, 1, head=2, name="plateau", metric="loss", patience=0, factor=0.1)
    seen, _ = watched(plan, [1.0, 2.0, 3.0, 4.0, 4.0, 4.0], sgd())
    # Behind two epochs of heads comes the first step of the warm-up, and behind that the full rate.
    assert seen == [pytest.approx([rate]) for rate in (0.5, 1 / 3, 1.0, 0.1, 0.01, 0.001)]


def test_a_plateau_without_validation_is_refused():
    optimizer, plan = sgd(), rates(2, 0, name="plateau", metric="auroc")
    trainer = SimpleNamespace(optimizers=[optimizer], callback_metrics={}, current_epoch=0)
    plan.stepwise(optimizer, 2)
    plateau = Plateau(plan)
    plateau.on_train_start(trainer, None)
    with pytest.raises(TrainingError, match="no val_auroc to watch"):
        plateau.on_train_epoch_end(trainer, None)


def test_a_student_has_one_phase_with_a_cosine_to_zero():
    recipe = load_recipe("default", ["schedule.name=plateau", "optimizer.head_epochs=2", "optimizer.head_lr=0.1"])
    student = LearningRates.of(recipe, 1e-3, 8, student=True)
    assert (student.head_epochs, student.schedule) == (0, ScheduleSettings())
    fold = LearningRates.of(recipe, 1e-3, 12, student=False)
    assert (fold.head_epochs, fold.head_lr, fold.schedule.name) == (2, 0.1, "plateau")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("schedule.name=step", "schedule.name"),
        ("schedule.metric=accuracy", "schedule.metric"),
        ("schedule.factor=1", "schedule.factor"),
        ("schedule.patience=-1", "schedule.patience"),
        ("schedule.min_lr=0.01", "at most optimizer.lr"),
        ("schedule.patients=3", "did you mean 'patience'"),
        ("optimizer.name=adam_w", "optimizer.name"),
        ("optimizer.layer_decay=0", "optimizer.layer_decay"),
        ("optimizer.layer_decay=1.1", "optimizer.layer_decay"),
        ("optimizer.head_lr=0", "optimizer.head_lr"),
        ("optimizer.head_epochs=12", "set training.epochs above it"),
    ],
)
def test_a_wrong_setting_is_one_readable_line(override, words):
    with pytest.raises(SettingsError, match=words):
        load_recipe("default", [override])


def test_new_settings_at_their_defaults_leave_the_hash_as_it_is():
    written = ["optimizer.name=adamw", "optimizer.layer_decay=1.0", "schedule.name=cosine", "schedule.min_lr=0"]
    assert load_recipe("default", written).hash == load_recipe("default").hash
    assert load_recipe("default", ["schedule.name=constant"]).hash != load_recipe("default").hash
