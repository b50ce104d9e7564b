"""From a finished run to a bundle: calibration, thresholds, distances, graph, card, and the check of it all."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

import atypica
from atypica.core.errors import TrainingError
from atypica.core.vocabulary import Subtype
from atypica.evaluation.calibration import fit_calibration
from atypica.evaluation.thresholds import max_ba_threshold
from atypica.inference.bundle import write_bundle
from atypica.inference.card import Calibration, Card, Geometry, Strangeness, Thresholds
from atypica.training.crops import CropStore
from atypica.training.crossval import out_of_fold
from atypica.training.distill import student_network
from atypica.training.graph import export_graph, largest_differences
from atypica.training.predict import predict
from atypica.training.run import Run
from atypica.training.strangeness import StrangenessModel, held_out_distances, quantiles

REFERRED = 0.10
"""Share of the held-out figures in the band that is referred to a person."""
LARGEST_DIFFERENCE = 0.05
"""Largest difference of a logit between torch and the exported graph that passes (float16 storage)."""
CHECKED = 64


def release(run: Run, store: CropStore) -> dict[str, Any]:
    """Write `RUN/bundle`; returns what the check of the exported graph measured.

    Raises:
        TrainingError: the exported graph does not say what the network says.
    """
    network = student_network(run)
    embeddings = predict(network, store, np.arange(len(store)))["embedding"]
    strangeness = StrangenessModel.fit(embeddings)
    graph = export_graph(network, strangeness, run.recipe.geometry.size_px)
    crops = (store.plain(np.arange(min(CHECKED, len(store)))) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    differences = largest_differences(network, strangeness, graph, crops)
    if differences["amf"] > LARGEST_DIFFERENCE:
        raise TrainingError(f"the exported graph differs from the network: {differences}", "report this as a fault")
    distances = quantiles(held_out_distances(embeddings, run.folds))
    write_bundle(run.folder / "bundle", graph, _card(run, distances))
    return {name: round(value, 5) for name, value in differences.items()}


def _card(run: Run, distances: list[float]) -> Card:
    held_out = out_of_fold(run)
    calibration = _calibration(held_out["amf_0_views1"], run.targets.heads["amf"][:, 0].numpy())
    p = probability(held_out["amf_0_views1"].to_numpy(), calibration)
    names = {"amf": ["AMF"], "subtype": [s.value for s in Subtype], "disagreement": ["votes differ"]}
    names["votes"] = [f"expert {index + 1}" for index in range(run.head_sizes.get("votes", 0))]
    table = run.figures.table
    return Card(
        name=f"atypica {run.recipe.name}",
        version=atypica.__version__,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        description=run.recipe.description.strip(),
        license="Apache-2.0 (weights); training data under their own license",
        onnx_sha256="",
        geometry=Geometry(**run.recipe.geometry.model_dump()),
        heads={head: names[head] for head in run.head_sizes},
        calibration=calibration,
        disagreement_calibration=_disagreement_calibration(run, held_out),
        thresholds=_thresholds(run.figures.labels, p),
        strangeness=Strangeness(quantiles=distances),
        training_data={
            "source": run.figures.name,
            "part": run.recipe.split.train_on,
            "figures": len(run.figures),
            "amf": int(run.figures.labels.sum()),
            "cases": int(table["case"].nunique()),
            "split_hash": run.data_hash,
        },
        recipe={"hash": run.recipe.hash, **run.recipe.model_dump(mode="json")},
        metrics=_metrics(run, held_out, p),
        versions=_versions(),
    )


def probability(logits: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """p = sigmoid((logit - bias) / temperature)."""
    return 1 / (1 + np.exp(-(np.asarray(logits, dtype=np.float64) - calibration.bias) / calibration.temperature))


def _calibration(logits: Any, targets: NDArray[np.float64]) -> Calibration:
    """Fitted to the share of votes, so that a probability says what share of experts would say AMF."""
    known = ~np.isnan(targets)
    temperature, bias = fit_calibration(np.asarray(logits, dtype=np.float64)[known], targets[known].astype(np.float64))
    return Calibration(temperature=round(temperature, 4), bias=round(bias, 4))


def _disagreement_calibration(run: Run, held_out: Any) -> Calibration:
    if "disagreement" not in run.head_sizes:
        return Calibration()
    return _calibration(held_out["disagreement_0_views1"], run.targets.heads["disagreement"][:, 0].numpy())


def _thresholds(labels: NDArray[np.float64], p: NDArray[np.float64]) -> Thresholds:
    default = max_ba_threshold(labels, p)
    nearest = np.quantile(np.abs(p - default), REFERRED)
    return Thresholds(
        default=round(default, 4),
        chosen_by="largest balanced accuracy on out-of-fold predictions of the training split",
        others={"half": 0.5},
        refer_low=round(float(max(0.0, default - nearest)), 4),
        refer_high=round(float(min(1.0, default + nearest)), 4),
    )


def _metrics(run: Run, held_out: Any, p: NDArray[np.float64]) -> dict[str, Any]:
    return {}


def _versions() -> dict[str, str]:
    packages = ("torch", "timm", "lightning", "onnx", "onnxscript", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
