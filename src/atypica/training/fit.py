"""One training with Lightning: checkpoints every epoch, resumes where it was stopped."""

from __future__ import annotations

import logging
import signal
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from atypica.core.errors import TrainingError
from atypica.core.files import atomic_path
from atypica.models.network import FigureNetwork
from atypica.training.module import FigureModule
from atypica.training.plateau import Plateau
from atypica.training.sampling import BalancedBatches

WEIGHTS = "network.safetensors"


def fit(module: FigureModule, batches: BalancedBatches, folder: Path, epochs: int, key: str) -> FigureNetwork:
    """Train a module, or go on from its checkpoint; leave the averaged weights as `folder/network.safetensors`.

    Args:
        module: what is trained.
        batches: row numbers.
        folder: where everything is kept.
        epochs: in all, those before a resume included.
        key: of settings and data; a checkpoint of another key is not resumed.

    Raises:
        TrainingError: the loss is not a number.
        KeyboardInterrupt: Ctrl-C; the last whole epoch is kept.
    """
    _quiet()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{key}.ckpt"
    for other in set(folder.glob("*.ckpt")) - {checkpoint}:
        other.unlink()
    trainer = _trainer(folder, epochs, module, checkpoint)
    rows = range(batches.rows)
    loader = DataLoader(rows, batch_sampler=batches, collate_fn=torch.tensor)  # pyright: ignore[reportArgumentType]
    _run(trainer, module, loader, checkpoint)
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file({name: value.contiguous() for name, value in module.averaged.state_dict().items()}, temporary)
    checkpoint.unlink(missing_ok=True)
    return module.averaged


def _run(trainer: L.Trainer, module: FigureModule, loader: DataLoader[Any], checkpoint: Path) -> None:
    """Lightning leaves on Ctrl-C by `sys.exit(1)` and with the signal ignored; both are mended here."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        resume = str(checkpoint) if checkpoint.is_file() else None
        trainer.fit(module, loader, ckpt_path=resume, weights_only=True)
    except SystemExit as left:
        if trainer.interrupted:
            raise KeyboardInterrupt from left
        raise
    finally:
        signal.signal(signal.SIGINT, handler)


def load_weights(network: FigureNetwork, folder: Path) -> FigureNetwork:
    """Fill a network from what `fit` left in `folder`; it comes back ready for inference."""
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval().to(memory_format=torch.channels_last)


class _LossWatch(Callback):
    """Stops a training whose loss is not a number, naming the epoch."""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is not a number in epoch {trainer.current_epoch}", "lower optimizer.lr")


class _Checkpoint(Callback):
    """Keeps the state after every epoch, whole or not at all (Lightning's own keeps none without a metric to watch)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        with atomic_path(self._path) as temporary:
            trainer.save_checkpoint(temporary)


def _trainer(folder: Path, epochs: int, module: FigureModule, checkpoint: Path) -> L.Trainer:
    recipe, rates = module.recipe, module.rates
    plateau = [Plateau(rates)] if rates.schedule.name == "plateau" else []
    return L.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        precision=recipe.training.precision,  # pyright: ignore[reportArgumentType]
        gradient_clip_val=recipe.optimizer.clip_norm or None,
        logger=CSVLogger(folder, name="log", flush_logs_every_n_steps=1),
        callbacks=[*plateau, _Checkpoint(checkpoint), _LossWatch()],
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def _quiet() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for known in ("many workers", "isinstance.treespec", "module.s. in eval mode"):
        warnings.filterwarnings("ignore", f".*{known}.*")
