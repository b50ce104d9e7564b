"""The card of a run's bundle: calibration and thresholds from out-of-fold predictions, never from test figures."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import atypica
from atypica.core.errors import EvaluationError, TrainingError
from atypica.core.vocabulary import Subtype
from atypica.data.sources import DATASETS
from atypica.evaluation.calibration import fit_calibration
from atypica.inference.card import Calibration, Card, Strangeness, Thresholds
from atypica.inference.operating import choose_thresholds, measured_accuracy
from atypica.inference.predictions import SUBTYPE_COLUMNS, calibrated, subtype_probabilities
from atypica.models.heads import HARDNESS_CLASSES
from atypica.training.fold import out_of_fold
from atypica.training.metrics import short_metrics
from atypica.training.run import Run
from atypica.training.validation import watched_metrics

REFERRED = 0.10
"""Share of the held-out figures in the band that is referred to a person."""
UNINFORMED = 1e6
"""Temperature at which a logit no longer matters."""
CHOSEN_BY = "largest balanced accuracy (smoothed) on one-view {predictions}"
OUT_OF_FOLD = "out-of-fold predictions of the training figures"


def make_card(run: Run, distances: list[float]) -> Card:
    """The card, but for the graph's hash.

    Args:
        run: with all folds finished.
        distances: the 101 quantiles of held-out training figures.
    """
    held_out = out_of_fold(run)
    calibration = _fit_amf(run, held_out)
    p = calibrated(held_out["amf_0_views1"].to_numpy(), calibration)
    thresholds = _thresholds(run, p)
    hard = _fit_disagreement(run, held_out) if "disagreement" in run.head_sizes else Calibration()
    return Card(
        name=f"atypica-{run.recipe.name}",
        version=atypica.__version__,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        description=run.recipe.description.strip(),
        license="Apache-2.0",
        onnx_sha256="",
        geometry=run.recipe.geometry,
        stain_normalization=run.recipe.stain_reference,
        heads={head: _names(head, size) for head, size in run.head_sizes.items()},
        calibration=calibration,
        disagreement_calibration=hard,
        thresholds=thresholds,
        strangeness=Strangeness(quantiles=distances),
        training_data=_training_data(run),
        recipe={"hash": run.recipe.hash, **run.recipe.model_dump(mode="json")},
        metrics=_metrics(run, held_out, p, hard, thresholds.default),
        versions=_versions(),
    )


def _names(head: str, size: int) -> list[str]:
    if head == "subtype":
        return [subtype.value for subtype in Subtype]
    if head == "votes":
        return [f"expert {index + 1} says AMF" for index in range(size)]
    return {"amf": ["AMF"], "disagreement": ["the experts disagree"], "hardness": list(HARDNESS_CLASSES)}[head]


def _fit(run: Run, held_out: pd.DataFrame, head: str) -> Calibration:
    """To the share of votes, so that p_amf says what share of the experts would say AMF."""
    targets = run.targets.heads[head][:, 0].numpy()[run.is_held_out].astype(np.float64)
    known = ~np.isnan(targets)
    logits = held_out[f"{head}_0_views1"].to_numpy(dtype=np.float64)[known]
    temperature, bias = fit_calibration(logits, targets[known])
    return Calibration(temperature=round(temperature, 4), bias=round(bias, 4))


def _fit_amf(run: Run, held_out: pd.DataFrame) -> Calibration:
    try:
        return _fit(run, held_out, "amf")
    except EvaluationError as error:
        raise TrainingError(
            "the networks have learned nothing: out of fold, their scores do not rise with the labels",
            "train longer (training.epochs), or check the labels",
        ) from error


def _fit_disagreement(run: Run, held_out: pd.DataFrame) -> Calibration:
    """A head that learned nothing says the base rate of every figure."""
    try:
        return _fit(run, held_out, "disagreement")
    except EvaluationError:
        rate = float(np.clip(run.targets.heads["disagreement"].nanmean(), 1e-3, 1 - 1e-3))
        return Calibration(temperature=UNINFORMED, bias=float(-UNINFORMED * np.log(rate / (1 - rate))))


def _thresholds(run: Run, p: NDArray[np.float64]) -> Thresholds:
    """One number is fitted to thousands of figures, so the accuracy on these very figures flatters it little."""
    figures, part = run.held_out, run.recipe.split.held_out
    predictions = f"predictions of the held-out part '{part}'" if part else OUT_OF_FOLD
    chosen = choose_thresholds(figures.labels, p, REFERRED, CHOSEN_BY.format(predictions=predictions))
    accuracy = measured_accuracy(figures.labels, p >= chosen.default, figures.cases)
    return chosen.model_copy(update={"accuracy": accuracy})


def _training_data(run: Run) -> dict[str, Any]:
    return {
        "source": run.figures.name,
        "part": "+".join(run.recipe.split.parts),
        "figures": len(run.figures),
        "amf": int(run.figures.labels.sum()),
        "cases": len(set(run.figures.cases)),
        "folds": run.fold_count,
        **_held_out(run),
        "split_hash": run.split_hash,
        **_terms(run.figures.name),
        **_started(run),
        **({"notes": notes} if (notes := _notes(run)) else {}),
    }


def _notes(run: Run) -> list[str]:
    """What the reader must know of how the folds went."""
    notes = [f"fold {fold} collapsed: {why}" for fold, why in run.ledger.collapses().items()]
    if watched_metrics(run.recipe):
        notes.append(
            "the held-out figures of each fold also decided its epochs or learning rate: metrics out of fold, and the "
            "accuracy at the threshold, flatter"
        )
    return notes


def _held_out(run: Run) -> dict[str, Any]:
    """The part that no network was trained on, where it is a fixed one."""
    part = run.recipe.split.held_out
    return {"held_out": part, "held_out_figures": len(run.held_out)} if part else {}


def _terms(source: str) -> dict[str, str]:
    """License and citation, where the source is a published dataset."""
    known = [dataset for dataset in DATASETS.values() if dataset.title == source]
    return {"license": known[0].license, "citation": known[0].citation} if known else {}


def _started(run: Run) -> dict[str, Any]:
    """What the bundle that a run went on from was, and had been trained on."""
    if run.start is None:
        return {}
    card = run.start.card
    return {"started_from": {"name": card.name, "onnx_sha256": card.onnx_sha256, "training_data": card.training_data}}


def _metrics(
    run: Run, held_out: pd.DataFrame, p: NDArray[np.float64], hard: Calibration, threshold: float
) -> dict[str, Any]:
    predictions = pd.DataFrame({"p_amf": p})
    if "subtype" in run.head_sizes:
        logits = held_out[[f"subtype_{index}_views1" for index in range(len(Subtype))]].to_numpy()
        predictions[list(SUBTYPE_COLUMNS)] = subtype_probabilities(p, logits)
    if "disagreement" in run.head_sizes:
        predictions["p_disagreement"] = calibrated(held_out["disagreement_0_views1"].to_numpy(), hard)
    part = run.recipe.split.held_out
    what = f"held-out part {part} (its network)" if part else "out of fold (the folds' networks)"
    return {f"{run.figures.name}, {what}": short_metrics(run.held_out, predictions, threshold)}


def _versions() -> dict[str, str]:
    packages = ("torch", "timm", "lightning", "onnx", "onnxscript", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
