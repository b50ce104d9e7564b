"""What a person sees of a training: one live line in a terminal, a plain line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from atypica.core.progress import console


class LiveView(Callback):
    """Title, epoch, loss, validation (where there is one), learning rate and the time left, on standard error.

    Args:
        title: of the training, such as "fold 0".
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._started = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the bar, at the epoch from which the training goes on."""
        self._started, self._first_epoch = time.monotonic(), trainer.current_epoch
        if trainer.is_global_zero and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[numbers]}"))
            self._bar = Progress(*columns, console=console, transient=True)
            batches = int(trainer.num_training_batches)
            self._task = self._bar.add_task(
                self._head(trainer),
                total=batches * (trainer.max_epochs or 1),
                completed=batches * trainer.current_epoch,
                numbers="",
            )
            self._bar.start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._bar is None or self._task is None:
            return
        loss = float(outputs["loss"] if isinstance(outputs, dict) else outputs)
        done = trainer.current_epoch * int(trainer.num_training_batches) + batch_idx + 1
        numbers = numbers_line({**_numbers(trainer), "loss": loss}, self._left(trainer, batch_idx + 1))
        self._bar.update(self._task, completed=done, description=self._head(trainer), numbers=numbers)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Without a terminal: one line."""
        if self._bar is None and trainer.is_global_zero:
            batches = int(trainer.num_training_batches)
            line = numbers_line(_numbers(trainer), self._left(trainer, batches))
            console.print(f"{self._head(trainer)}: {line}", markup=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bar away, whatever the training ended in."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _head(self, trainer: L.Trainer) -> str:
        return f"{self._title}, epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"

    def _left(self, trainer: L.Trainer, batches_done: int) -> float:
        """Seconds to the last epoch, if it goes on as since the start."""
        batches = int(trainer.num_training_batches)
        done = (trainer.current_epoch - self._first_epoch) * batches + batches_done
        left = ((trainer.max_epochs or 1) - self._first_epoch) * batches - done
        return (time.monotonic() - self._started) / max(1, done) * left


def _numbers(trainer: L.Trainer) -> dict[str, float]:
    """What is known by now, by the log's names."""
    found = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {**found, "lr": max(float(group["lr"]) for group in trainer.optimizers[0].param_groups)}


def numbers_line(numbers: dict[str, float], seconds_left: float) -> str:
    """One line for a person.

    >>> numbers_line({"loss": 0.41234, "val_balanced_accuracy": 0.8125, "lr": 3e-4}, 3725)
    'loss 0.412, BA 0.812, learning rate 3.0e-04, 1:02:05 left'
    """
    shown = {
        "loss": ("loss", ".3f"),
        "val_loss": ("validation loss", ".3f"),
        "val_balanced_accuracy": ("BA", ".3f"),
        "val_auroc": ("AUROC", ".3f"),
        "lr": ("learning rate", ".1e"),
    }
    parts = [f"{words} {numbers[name]:{form}}" for name, (words, form) in shown.items() if name in numbers]
    return ", ".join([*parts, f"{clock(seconds_left)} left"])


def clock(seconds: float) -> str:
    """Hours, minutes, seconds.

    >>> clock(65), clock(3661)
    ('1:05', '1:01:01')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
