"""`atypica evaluate`: predictions against labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from atypica.apps.cli.challenge_metrics import Challenge, challenge_of, show_challenge
from atypica.apps.cli.evaluation_input import Scored, scored_figures
from atypica.apps.cli.evaluation_screen import show_evaluation, show_input
from atypica.apps.cli.labels import open_labels
from atypica.apps.cli.people_screen import show_folds, show_people
from atypica.core.errors import ExitCode, SettingsError
from atypica.core.files import write_json
from atypica.core.progress import console
from atypica.data.figures import read_table
from atypica.evaluation.bootstrap import REPLICATES
from atypica.evaluation.fold_spread import FoldSpread, fold_spread
from atypica.evaluation.people import People, evaluate_people
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
    keep_training_figures: Annotated[bool, Parameter(negative="")] = False,
    keep_duplicates: Annotated[bool, Parameter(negative="")] = False,
    grand_challenge: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Hold predictions against labels: every metric with an interval that keeps the figures of a case together.

    Writes metrics.json and plots (ROC, precision-recall, reliability, scores, domains, and the model beside the
    experts where the labels hold their votes). Exit status: 0 all predictions counted, 3 some had failed and were left
    out, 2 unusable input, 4 the output cannot be written.

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
    keep_training_figures
        Count figures that the model was trained on (the predictions' column 'in_training'), which flatter it.
    keep_duplicates
        Count figures with the same pixels as often as they stand there, in place of once; no image is read.
    grand_challenge
        Write grand_challenge_metrics.json too, in the schema of the MIDOG 2025 challenge; the one column of --by
        gives its domains.
    json_
        Print the metrics as JSON on standard output, in place of the table.
    """
    if grand_challenge and by and len(by) > 1:
        raise SettingsError(f"--grand-challenge takes its domains from one column, not from {len(by)}", "give --by one")
    scored = scored_figures(
        read_table(predictions),
        open_labels(labels),
        (predictions.name, labels),
        threshold,
        by,
        keep_training_figures=keep_training_figures,
        keep_duplicates=keep_duplicates,
    )
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
    people = evaluate_people(
        scored.votes,
        scored.p,
        scored.threshold,
        names=scored.experts,
        cases=scored.cases,
        subtypes=scored.subtype_calls,
        settings=found.settings,
    )
    folds = None if scored.folds is None else fold_spread(scored.y, scored.p, scored.threshold, scored.folds)
    everything = _Found(scored, found, people, folds, challenge_of(scored, by) if grand_challenge else None)
    written = everything.write(out)
    if json_:
        print(json.dumps(everything.to_json(), indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        show_evaluation(found)
        if people:
            show_people(people)
        if folds:
            show_folds(folds)
        if everything.challenge:
            show_challenge(everything.challenge)
    console.print("wrote " + ", ".join(map(str, written)), markup=False, soft_wrap=True)
    return ExitCode.SOME_FAILED if scored.counts["failed"] else ExitCode.OK


@dataclass(frozen=True)
class _Found:
    scored: Scored
    metrics: Evaluation
    people: People | None
    folds: FoldSpread | None
    challenge: Challenge | None

    def to_json(self) -> dict[str, Any]:
        return {
            "input": self.scored.to_json(),
            **self.metrics.to_json(),
            "people": self.people.to_json() if self.people else None,
            "folds": self.folds.to_json() if self.folds else None,
            "grand_challenge": self.challenge.to_json() if self.challenge else None,
        }

    def write(self, out: Path) -> list[Path]:
        from atypica.reporting.evaluation_plots import write_plots
        from atypica.reporting.people_plot import write_people_plot

        write_json(out / "metrics.json", self.to_json())
        written = [out / "metrics.json"]
        if self.challenge:
            write_json(out / "grand_challenge_metrics.json", self.challenge.metrics)
            written.append(out / "grand_challenge_metrics.json")
        written += write_plots(out, self.metrics, self.scored.y, self.scored.p)
        return [*written, write_people_plot(out, self.people, self.scored.threshold)] if self.people else written
