"""A fold: where it is kept, what it said of the figures that it did not see, and how good that was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.tables import write_table
from atypica.training.collapse import one_class
from atypica.training.predict import Outputs
from atypica.training.run import Run
from atypica.training.validation import balanced_accuracy_and_auroc

PREDICTIONS = "predictions.parquet"


def fold_folder(run: Run, fold: int) -> Path:
    """Where a fold is kept."""
    return run.folder / "folds" / str(fold)


def held_out_rows(run: Run, fold: int) -> NDArray[np.int64]:
    """The rows that a fold holds out."""
    return np.flatnonzero(run.folds == fold)


def out_of_fold(run: Run) -> pd.DataFrame:
    """What every held-out figure's own fold said of it, in the order of the run's figures."""
    parts = [pd.read_parquet(fold_folder(run, fold) / PREDICTIONS) for fold in range(run.fold_count)]
    return pd.concat(parts).set_index("figure_id").loc[run.held_out.table["figure_id"]].reset_index()


def keep_predictions(
    run: Run, fold: int, outputs: Mapping[int, Outputs], broken: str = ""
) -> tuple[dict[str, Any], dict[str, str]]:
    """Write what a fold says of the figures that it holds out, and judge it.

    Args:
        run: what is trained.
        fold: which.
        outputs: number of views to logits.
        broken: why its training broke off, if it did.

    Returns:
        Its metrics, and `collapse`, why the fold counts as collapsed, if it does.
    """
    rows = held_out_rows(run, fold)
    _write(run, fold, rows, outputs)
    labels, one_view = run.figures.labels[rows], outputs[min(outputs)]["amf"][:, 0]
    collapse = broken or one_class(labels, one_view)
    metrics = {
        "figures": len(rows),
        "amf": int(labels.sum()),
        **{_auroc_name(count): _auroc(labels, output["amf"][:, 0]) for count, output in outputs.items()},
        "balanced_accuracy": _rounded(balanced_accuracy_and_auroc(labels, one_view).get("balanced_accuracy")),
    }
    return metrics, {"collapse": collapse} if collapse else {}


def _auroc_name(views: int) -> str:
    return "auroc" if views == 1 else f"auroc_{views}_views"


def _auroc(labels: NDArray[np.float64], scores: NDArray[np.float32]) -> float | None:
    return _rounded(balanced_accuracy_and_auroc(labels, scores).get("auroc"))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _write(run: Run, fold: int, rows: NDArray[np.int64], outputs: Mapping[int, Outputs]) -> None:
    columns: dict[str, Any] = {"figure_id": run.figures.table["figure_id"].to_numpy()[rows], "fold": fold}
    for views, heads in outputs.items():
        for name, logits in heads.items():
            if name != "embedding":
                columns |= {f"{name}_{index}_views{views}": logits[:, index] for index in range(logits.shape[1])}
    write_table(pd.DataFrame(columns), fold_folder(run, fold) / PREDICTIONS)
