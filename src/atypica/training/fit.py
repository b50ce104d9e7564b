"""One training with Lightning: checkpoints every epoch, resumes where it was stopped."""

from __future__ import annotations

import logging
import signal
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from atypica.core.errors import TrainingError
from atypica.core.files import atomic_path
from atypica.models.frozen import load_trained_state, trained_state
from atypica.models.network import FigureNetwork
from atypica.training.best import BestEpoch
from atypica.training.hardware import ONE_DEVICE, Hardware, is_first, precision_here, wait
from atypica.training.live import LiveView
from atypica.training.loggers import new_logger
from atypica.training.memory import keep_freed_memory, return_freed_memory
from atypica.training.module import FigureModule
from atypica.training.plateau import Plateau
from atypica.training.sampling import BalancedBatches
from atypica.training.settings.stopping import KEPT_BY
from atypica.training.validation import Validation

WEIGHTS = "network.safetensors"
HELD = "held"
"""In the file's metadata: the fingerprint of the weights that were not trained, which it does not hold."""


class LossError(TrainingError):
    """A loss that is not a number."""

    kept_epoch: int | None = None
    """As in `Fitted`."""


@dataclass(frozen=True)
class Fitted:
    """What a training left.

    Attributes:
        network: the averaged weights that are kept.
        epochs: how many there were.
        kept_epoch: from 1, where the best was asked for and there was one.
    """

    network: FigureNetwork
    epochs: int
    kept_epoch: int | None = None


def fit(
    module: FigureModule,
    batches: BalancedBatches,
    folder: Path,
    epochs: int,
    key: str,
    *,
    title: str = "training",
    validation: Validation | None = None,
    hardware: Hardware = ONE_DEVICE,
) -> Fitted:
    """Train a module, or go on from its checkpoint; leave the kept weights as `folder/network.safetensors`.

    Args:
        module: what is trained.
        batches: row numbers.
        folder: where everything is kept.
        epochs: in all, those before a resume included.
        key: of settings and data; a checkpoint of another key is not resumed.
        title: what the person reads.
        validation: on held-out figures, after every epoch; without it the last epoch is kept.
        hardware: devices and strategy.

    Raises:
        LossError: the loss is not a number; the weights so far are in `module.averaged`.
        KeyboardInterrupt: Ctrl-C; the last whole epoch is kept.
    """
    _quiet()
    (return_freed_memory if module.recipe.training.gradient_checkpointing else keep_freed_memory)()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{key}.ckpt"
    if is_first():
        _remove_checkpoints(folder, but=checkpoint)
    metric = KEPT_BY.get(module.recipe.training.keep) if validation else None
    best = BestEpoch(metric, module.recipe.training.patience) if metric else None
    view = LiveView(title)
    watching = [part for part in (validation, best) if part]
    trainer = _trainer(folder, epochs, module, checkpoint, [*watching, view], hardware)
    rows = range(batches.rows)
    loader = DataLoader(rows, batch_sampler=batches, collate_fn=torch.tensor)  # pyright: ignore[reportArgumentType]
    try:
        _run(trainer, module, loader, checkpoint)
    except LossError as error:
        error.kept_epoch = best.kept(module.averaged) if best else None
        raise
    finally:
        view.close()
    kept = best.kept(module.averaged) if best else None
    keep_weights(module.averaged, folder)
    return Fitted(module.averaged, cast(Any, trainer.fit_loop.epoch_progress.current).processed, kept)


def keep_weights(network: FigureNetwork, folder: Path) -> None:
    """End a training: its weights are what `load_weights` reads, the checkpoint is no longer needed."""
    if is_first():
        with atomic_path(folder / WEIGHTS) as temporary:
            state = {name: value.contiguous() for name, value in trained_state(network).items()}
            save_file(state, temporary, {HELD: network.held_hash} if network.held_hash else None)
        _remove_checkpoints(folder)
    wait()


def _remove_checkpoints(folder: Path, but: Path | None = None) -> None:
    for path in set(folder.glob("*.ckpt")) - {but}:
        path.unlink(missing_ok=True)


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
    """Fill a network from what `fit` left in `folder`; it comes back ready for inference.

    Raises:
        SettingsError: only a part was trained, on other weights than those that the network holds.
    """
    with safe_open(folder / WEIGHTS, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        load_trained_state(network, state, (file.metadata() or {}).get(HELD, ""))
    return network.eval().to(memory_format=torch.channels_last)


class _LossWatch(Callback):
    """Stops a training whose loss is not a number, naming the epoch."""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if not trainer.strategy.reduce_boolean_decision(bool(torch.isfinite(loss))):
            raise LossError(f"the loss is not a number in epoch {trainer.current_epoch + 1}", "lower optimizer.lr")


class _Checkpoint(Callback):
    """Keeps the state after every epoch, whole or not at all (Lightning's own keeps none without a metric to watch)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            trainer.save_checkpoint(self._path)  # gathers with the first process, and writes nothing
            return
        with atomic_path(self._path) as temporary:
            trainer.save_checkpoint(temporary)


def _trainer(
    folder: Path, epochs: int, module: FigureModule, checkpoint: Path, watching: list[Any], hardware: Hardware
) -> L.Trainer:
    """The callbacks in the order in which they need each other: what is measured, what decides by it, what is kept."""
    recipe, rates = module.recipe, module.rates
    plateau = [Plateau(rates)] if rates.schedule.name == "plateau" else []
    return L.Trainer(
        accelerator="auto",
        devices=hardware.devices,
        strategy=hardware.strategy,
        # One device needs no cluster, whatever job this process is part of: Lightning would join SLURM's tasks.
        plugins=[LightningEnvironment()] if hardware.devices == 1 else None,
        use_distributed_sampler=False,
        max_epochs=epochs,
        precision=precision_here(recipe.training.precision),  # pyright: ignore[reportArgumentType]
        gradient_clip_val=recipe.optimizer.clip_norm or None,
        accumulate_grad_batches=recipe.training.accumulate,
        logger=new_logger(recipe.training.logger, folder, recipe.name),
        callbacks=[*watching, *plateau, _Checkpoint(checkpoint), _LossWatch()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def _quiet() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for known in ("many workers", "`srun` command", "sync_dist", "isinstance.treespec", "module.s. in eval mode"):
        warnings.filterwarnings("ignore", f".*{known}.*")
