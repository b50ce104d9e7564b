"""One training with Lightning: checkpoints every epoch, resumes where it was stopped."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from atypica.core.errors import TrainingError
from atypica.core.files import atomic_path
from atypica.models.network import FigureNetwork
from atypica.training.module import FigureModule
from atypica.training.sampling import BalancedBatches

WEIGHTS = "network.safetensors"


def fit(module: FigureModule, batches: BalancedBatches, folder: Path, epochs: int, precision: str) -> FigureNetwork:
    """Train a module, or go on from `folder/last.ckpt`; leave the averaged weights as `folder/network.safetensors`.

    Raises:
        TrainingError: the loss is not a number.
    """
    _quiet()
    folder.mkdir(parents=True, exist_ok=True)
    trainer = _trainer(folder, epochs, precision)
    rows = range(batches.rows)
    loader = DataLoader(rows, batch_sampler=batches, collate_fn=torch.tensor)  # pyright: ignore[reportArgumentType]
    last = folder / "last.ckpt"
    trainer.fit(module, loader, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file({key: value.contiguous() for key, value in module.averaged.state_dict().items()}, temporary)
    last.unlink(missing_ok=True)
    return module.averaged


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


def _trainer(folder: Path, epochs: int, precision: str) -> L.Trainer:
    checkpoint = ModelCheckpoint(folder, save_last=True, save_top_k=0, save_on_train_epoch_end=True)
    return L.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        precision=precision,  # pyright: ignore[reportArgumentType]
        logger=CSVLogger(folder, name="", version="log", flush_logs_every_n_steps=1),
        callbacks=[checkpoint, _LossWatch()],
        num_sanity_val_steps=0,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def _quiet() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for known in ("many workers", "isinstance.treespec", "module.s. in eval mode", "Checkpoint directory"):
        warnings.filterwarnings("ignore", f".*{known}.*")
