"""What a release writes beside graph and card; the training itself stands in `test_train`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image
from tiny_model import tiny_card, tiny_graph

from atypica.core.vocabulary import Subtype
from atypica.data.drawn import draw_figures
from atypica.data.figures import figures_from
from atypica.data.sources import open_source
from atypica.inference.model import load_model
from atypica.training import release as module
from atypica.training.metrics import short_metrics


def test_a_bundle_lists_the_figures_that_trained_it(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    names = [f"{number}.png" for number in range(5)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)).save(tmp_path / name)
    everything = figures_from(pd.DataFrame({"image": names}), tmp_path, "noise")
    figures = everything.where(np.arange(5) < 3)
    stands_in = {
        "released_networks": lambda run: [None],
        "measure": lambda network, store: None,
        "StrangenessModel": SimpleNamespace(fit=lambda statistics: None),
        "export_graph": lambda *_: tiny_graph(),
        "stored_bytes": lambda _: 0,
        "largest_differences": lambda *_: {"amf": 0.0},
        "held_out_distances": lambda *_: None,
        "quantiles": lambda _: None,
        "make_card": lambda *_: tiny_card(),
        "short_metrics": lambda *_: {"auroc": 0.5},
    }
    for name, stand_in in stands_in.items():
        monkeypatch.setattr(module, name, stand_in)
    split = SimpleNamespace(test_on="test")
    recipe = SimpleNamespace(geometry=SimpleNamespace(size_px=32), split=split, ensemble="first")
    tested = everything.where(np.arange(5) >= 3)
    folder = tmp_path / "run"
    run = SimpleNamespace(
        recipe=recipe, folder=folder, figures=figures, tested=tested, folds=None, start=None, leaked=np.zeros(2, bool)
    )
    folder.mkdir()
    module.release(run, _Crops())
    model = load_model(tmp_path / "run" / "bundle")
    assert list(model.card.metrics) == ["noise, test split"]
    assert model.classify(everything).predictions["in_training"].tolist() == [True] * 3 + [False] * 2


class _Crops:
    """As many crops as figures, seen as gray."""

    def __len__(self) -> int:
        return 3

    def plain(self, rows):
        import torch

        return torch.full((len(rows), 3, 32, 32), 0.5)


def test_heads_that_a_model_lacks_are_left_out_of_its_metrics(tmp_path):
    draw_figures(tmp_path / "drawn", 40, seed=3)
    figures = open_source(tmp_path / "drawn" / "figures.csv")
    names = ["p_disagreement", *(f"p_{subtype.value}" for subtype in Subtype)]
    empty = pd.DataFrame({"p_amf": np.linspace(0, 1, len(figures)), **dict.fromkeys(names, np.nan)})
    found = short_metrics(figures, empty, 0.5)
    assert "auroc" in found
    assert not {"disagreement_auroc", "subtype_auroc_mean"} & set(found)
