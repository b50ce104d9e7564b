"""`atypica compare`: models on the same figures, or groups of fold results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from atypica.apps.cli.comparison_input import Compared, common_figures, fold_columns
from atypica.apps.cli.comparison_screen import show_common, show_folds, show_models
from atypica.apps.cli.labels import open_labels
from atypica.core.errors import ExitCode, SourceError
from atypica.data.figures import read_table
from atypica.evaluation.bootstrap import REPLICATES, BootstrapSettings
from atypica.evaluation.comparison import ModelComparison, compare_models
from atypica.evaluation.fold_comparison import compare_folds

FORMAT = {"name": "atypica-comparison", "version": 1}


def compare(
    *predictions: Path,
    labels: str | None = None,
    folds: Path | None = None,
    by: str = "strategy",
    metric: str = "balanced_accuracy",
    threshold: float | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    keep_training_figures: Annotated[bool, Parameter(negative="")] = False,
    keep_duplicates: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Compare models: `A.csv B.csv ... --labels TABLE` on the same figures, `--folds FOLDS.csv` by results of folds.

    Differences with intervals by case, and tests with effect sizes, raw p and Holm's p. Exit status: 0 all predictions
    counted, 3 some had failed and were left out, 2 unusable input.

    Parameters
    ----------
    predictions
        Two or more tables of predictions (CSV or Parquet), a model each.
    labels
        Where the labels are: a figure table, a labeled folder, or a dataset's name.
    folds
        A table of results with a row for each run: the column of the metric, fold, and where there are such dataset,
        model, backbone, strategy and seed.
    by
        With --folds: the column whose values are compared.
    metric
        With --folds: the column of the results, such as balanced_accuracy or auroc.
    threshold
        From which p_amf on a figure is called AMF, for all models; each model's own if not given.
    seed
        Of the resampling.
    replicates
        How many resamples; 0 for none.
    keep_training_figures
        Count figures that a model was trained on (its column 'in_training'), which flatter it.
    keep_duplicates
        Count figures with the same pixels as often as they stand there, in place of once; no image is read.
    json_
        Print the comparison as JSON on standard output, in place of the tables.
    """
    if folds is not None:
        if predictions or labels is not None:
            raise SourceError("--folds is not for predictions", "give either --folds, or predictions with --labels")
        return _folds(folds, by, metric, json_)
    if labels is None or len(predictions) < 2:
        raise SourceError(
            f"there is nothing to compare: {len(predictions)} tables of predictions, --labels {labels or 'not given'}",
            "give two or more tables of predictions and --labels, or --folds",
        )
    compared = common_figures(
        [*predictions],
        open_labels(labels),
        labels,
        threshold,
        keep_training_figures=keep_training_figures,
        keep_duplicates=keep_duplicates,
    )
    show_common(compared)
    settings = BootstrapSettings(replicates, seed)
    found = compare_models(compared.y, compared.models, cases=compared.cases, settings=settings)
    if json_:
        _print(_content(compared, found))
    else:
        show_models(found)
    return ExitCode.SOME_FAILED if compared.failed else ExitCode.OK


def _folds(path: Path, by: str, metric: str, json_: bool) -> int:
    values, columns, notes = fold_columns(read_table(path), path.name, by, metric)
    found = compare_folds(values, columns, by)
    if json_:
        _print({"format": FORMAT, "input": {"metric": metric, "notes": list(notes)}, **found.to_json()})
    else:
        show_folds(found, metric, notes)
    return ExitCode.OK


def _content(compared: Compared, found: ModelComparison) -> dict[str, Any]:
    return {"format": FORMAT, "input": compared.to_json(), **found.to_json()}


def _print(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201
