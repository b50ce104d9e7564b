"""`atypica evaluate`: predictions against labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from atypica.apps.cli.evaluation_input import Scored, scored_figures
from atypica.apps.cli.evaluation_screen import show_evaluation, show_input
from atypica.apps.cli.labels import open_labels
from atypica.core.errors import ExitCode
from atypica.core.files import write_json
from atypica.core.progress import console
from atypica.data.figures import read_table
from atypica.evaluation.bootstrap import REPLICATES
from atypica.evaluation.summary import Evaluation
from atypica.evaluation.summary import evaluate as evaluate_arrays


def evaluate(
    predictions: Path,
    *,
    labels: str,
    out: Path,
    by: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    threshold: float | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Hold predictions against labels: every metric with an interval that keeps the figures of a case together.

    Writes metrics.json and plots (ROC, precision-recall, reliability, scores, domains). Exit status: 0 all
    predictions counted, 3 some had failed and were left out, 2 unusable input, 4 the output cannot be written.

    Parameters
    ----------
    predictions
        The table that `atypica classify` wrote (CSV or Parquet), or any with figure_id or image, and p_amf.
    labels
        Where the labels are: a figure table, a labeled folder, or a dataset's name.
    out
        The folder for the results.
    by
        Columns to split the figures by, such as scanner, tumor, hardness. Without it: those of dataset, source,
        tumor, species, scanner, lab and hardness that tell figures apart.
    threshold
        From which p_amf on a figure is called AMF; the predictions' own if not given.
    seed
        Of the resampling.
    replicates
        How many resamples; 0 for none.
    json_
        Print the metrics as JSON on standard output, in place of the table.
    """
    scored = scored_figures(read_table(predictions), open_labels(labels), (predictions.name, labels), threshold, by)
    show_input(scored)
    found = evaluate_arrays(
        scored.y,
        scored.p,
        scored.threshold,
        cases=scored.cases,
        domains=scored.domains,
        subtypes=scored.subtypes,
        seed=seed,
        replicates=replicates,
    )
    written = _write(out, found, scored)
    if json_:
        print(json.dumps(_content(found, scored), indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        show_evaluation(found)
    console.print("wrote " + ", ".join(map(str, written)), markup=False, soft_wrap=True)
    return ExitCode.SOME_FAILED if scored.counts["failed"] else ExitCode.OK


def _content(found: Evaluation, scored: Scored) -> dict[str, object]:
    return {"input": scored.to_json(), **found.to_json()}


def _write(out: Path, found: Evaluation, scored: Scored) -> list[Path]:
    from atypica.reporting.evaluation_plots import write_plots

    write_json(out / "metrics.json", _content(found, scored))
    return [out / "metrics.json", *write_plots(out, found, scored.y, scored.p)]
