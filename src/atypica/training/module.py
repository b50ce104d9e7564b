"""The Lightning module: one network, its averaged weights, its loss and its optimizer."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Generator, Tensor

from atypica.models.frozen import check_held, checkpoint_blocks, trained_state, twin
from atypica.models.network import FigureNetwork
from atypica.training.augment import Augmentation
from atypica.training.crops import CropStore
from atypica.training.losses import probabilities
from atypica.training.objective import Objective
from atypica.training.optimizers import forget, freeze_backbones, new_optimizer
from atypica.training.predict import turned
from atypica.training.recipe import Recipe
from atypica.training.sampling import derive_seed
from atypica.training.schedules import LearningRates
from atypica.training.targets import Targets, blend
from atypica.training.weighting import weighted_loss


class FigureModule(L.LightningModule):
    """Trains a network on row numbers of a crop store.

    All randomness of a step comes from the seed, the epoch and the step, so a resumed run repeats what an
    uninterrupted one does.

    Args:
        network: what is trained.
        store: the crops.
        targets: of the same rows.
        recipe: augmentation, heads and their loss, optimizer.
        lr, epochs: of this training (a fold's or the student's).
        seed: of this training.
        teachers: networks whose mean probability is blended into the targets; empty for plain training.
        weights: of every figure in the loss, (figures,); all weigh 1 if None. A mixed crop weighs as its first.
    """

    def __init__(
        self,
        network: FigureNetwork,
        store: CropStore,
        targets: Targets,
        recipe: Recipe,
        *,
        lr: float,
        epochs: int,
        seed: int,
        teachers: list[FigureNetwork] | None = None,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network = network.train().to(memory_format=torch.channels_last)
        self.averaged = twin(network).requires_grad_(False).eval()
        if recipe.training.gradient_checkpointing:
            checkpoint_blocks(self.network)
        self.recipe = recipe
        self._store = store
        self._targets = targets
        self._figure_weights = weights
        self._augment = Augmentation(recipe.augment, store.kept, store.seen)
        self._objective = Objective.of(recipe.heads, recipe.loss, targets.heads)
        self.rates = LearningRates.of(recipe, lr, epochs, student=bool(teachers))
        self._seed = seed
        # In a tuple, so that the teachers are neither trained nor saved with the student.
        self._teachers = tuple(teacher.eval().requires_grad_(False) for teacher in teachers or [])
        self._teacher_weight = recipe.distill.teacher if recipe.distill else 0.0
        if recipe.training.compile:
            for network in (self.network, *self._teachers):
                network.compile(dynamic=False)

    def on_fit_start(self) -> None:
        """Bring the teachers to the student's device."""
        for teacher in self._teachers:
            teacher.to(self.device)

    def on_train_epoch_start(self) -> None:
        """Train the heads alone in the first phase, and all layers afterwards."""
        if not self.rates.head_epochs:
            return
        freeze_backbones(self.network, self.current_epoch < self.rates.head_epochs)
        if self.current_epoch == self.rates.head_epochs:
            forget(self.trainer.optimizers[0])

    def training_step(self, batch: list[int] | Tensor, batch_idx: int) -> Tensor:
        """One step on the rows `batch`."""
        rows = torch.as_tensor(batch)
        others = [self.global_rank] if self.global_rank else []
        seed = derive_seed(self._seed, self.current_epoch, batch_idx, *others)
        # For dropout and stochastic depth; at every step, because Lightning draws numbers of its own between them.
        torch.manual_seed(seed)
        generator = Generator().manual_seed(seed)
        crops = self._augment(self._store.pixels[rows].to(self.device), generator)
        targets = {name: values.to(self.device) for name, values in self._targets.at(rows).items()}
        if self.recipe.training.mixup:
            crops, targets = mixup(crops, targets, self.recipe.training.mixup, seed)
        crops = crops.contiguous(memory_format=torch.channels_last)
        if self._teachers:
            targets = blend(targets, self._teach(crops), self._teacher_weight)
        answers = self.network(crops)
        if self._figure_weights is None:
            loss = self._objective(answers, targets)
        else:
            loss = weighted_loss(self._objective, answers, targets, self._figure_weights[rows].to(self.device))
        self.log("loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(rows))
        return loss

    @torch.no_grad()
    def _teach(self, crops: Tensor) -> dict[str, Tensor]:
        """The teachers' mean; each sees the crops turned otherwise, so it is a mean over views as well."""
        answers = [probabilities(teacher(turned(crops, view % 8))) for view, teacher in enumerate(self._teachers)]
        return {name: torch.stack([answer[name] for answer in answers]).mean(0) for name in answers[0]}

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the averaged weights towards the trained ones; the decay grows from 0 over the first steps."""
        batches = batch_idx + 1
        if batches % self.recipe.training.accumulate and batches < int(self.trainer.num_training_batches):
            return
        step = self.global_step
        decay = min(self.recipe.training.ema_decay, (1 + step) / (10 + step))
        if self.recipe.training.ema_decay == 0:
            decay = 0.0
        with torch.no_grad():
            pairs = zip(trained_state(self.averaged).values(), trained_state(self.network).values(), strict=True)
            for kept, new in pairs:
                if kept.is_floating_point():
                    kept.lerp_(new, 1 - decay)
                else:
                    kept.copy_(new)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out what is held."""
        held = {f"{owner}.{name}" for owner in ("network", "averaged") for name in self.network.held}
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: value for name, value in state.items() if name not in held}
        checkpoint["held"] = self.network.held_hash

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Fill in what is held.

        Raises:
            SettingsError: the training was begun on other weights.
        """
        check_held(self.network, checkpoint.get("held", ""))
        checkpoint["state_dict"] = {**self.state_dict(), **checkpoint["state_dict"]}

    def configure_optimizers(self) -> Any:
        """The recipe's optimizer, and its rate at every step."""
        optimizer = new_optimizer(self.network, self.recipe.optimizer, self.rates.lr)
        scheduler = self.rates.stepwise(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def mixup(crops: Tensor, targets: dict[str, Tensor], alpha: float, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Blend every crop and its targets with another's (Zhang et al., ICLR 2018); unknown if either is unknown."""
    random = np.random.default_rng(seed)
    other = torch.from_numpy(random.permutation(len(crops)))
    part = torch.from_numpy(random.beta(alpha, alpha, len(crops))).float().to(crops)
    mixed = {name: values.lerp(values[other], part.view(-1, 1)) for name, values in targets.items()}
    return crops.lerp(crops[other], part.view(-1, 1, 1, 1)), mixed
