"""The frozen features that a run's probe reads, each computed once and kept."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from atypica.data.figures import Figures
from atypica.models.embedding import EmbeddingCache, Encoder, embed_figures
from atypica.models.embedding.cache import cache_home
from atypica.models.heads import HEADS
from atypica.training.objective import trained_heads
from atypica.training.predict import Outputs
from atypica.training.probe.heads import Probe
from atypica.training.run import Run


class FrozenFeatures:
    """Features by the backbone of a run, which is loaded once.

    Args:
        run: its recipe says backbone, weights, field of view and colors.
    """

    def __init__(self, run: Run) -> None:
        recipe = run.recipe
        device = "cuda" if torch.cuda.is_available() else "cpu"
        network = run.new_network().to(device)
        self._encoder = Encoder(network, recipe.geometry, recipe.model.backbone, recipe.stain_reference)
        self._cache = EmbeddingCache(cache_home())

    def of(self, figures: Figures, views: int = 1) -> NDArray[np.float32]:
        """(figures, views, width).

        Raises:
            SourceError: figures that cannot be read.
        """
        found = embed_figures(figures, self._encoder, self._cache, views)
        self._cache.close()
        return found


def probe_outputs(run: Run, probe: Probe, features: NDArray[np.float32]) -> Outputs:
    """What a network with this probe as its head would answer: features (n, views, width) -> name to (n, size).

    Logits are the mean over the views.
    """
    heads = HEADS[run.recipe.heads.kind](trained_heads(run.recipe.heads, run.targets.heads))
    (name,) = heads.trained
    of_views = [
        heads.answers({name: torch.from_numpy(probe.logits(features[:, view].astype(np.float64)))})
        for view in range(features.shape[1])
    ]
    return {
        answer: torch.stack([said[answer] for said in of_views]).mean(dim=0).float().numpy() for answer in heads.sizes
    }
