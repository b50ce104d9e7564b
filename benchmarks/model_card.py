"""Write docs/model-card.md, its plots and the log of the training from a finished run: nothing is typed by hand.

python benchmarks/model_card.py RUN --data ami-br --samples atnorm-br atnorm-md --ood OOD.md
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from folds_and_student import open_run, table

from atypica.apps.cli.evaluation_input import Scored, scored_figures
from atypica.core.files import write_text
from atypica.core.tables import write_table
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.summary import Evaluation, Group, evaluate
from atypica.inference.bundle import Bundle, read_bundle
from atypica.inference.model import Model
from atypica.reporting.evaluation_plots import forest_plot, reliability_plot, save
from atypica.training.ledger import Ledger
from atypica.training.run import Run

DOCS = Path(__file__).parent.parent / "docs"
COLUMNS = {
    "auroc": "AUROC",
    "balanced_accuracy": "BA",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "subtype_auroc_mean": "mean AUROC of 8 subtypes",
    "disagreement_auroc": "AUROC of disagreement",
}


@dataclass(frozen=True)
class Scoring:
    """The bundle on a labeled set: the matched figures, the evaluation, and the predictions of the same rows."""

    figures: Figures
    scored: Scored
    found: Evaluation


def main() -> None:
    chosen = parse()
    run = open_run(chosen.run, chosen.data)
    bundle = read_bundle(run.folder / "bundle")
    assert run.tested is not None, "this run set no figures aside"
    tested = score(bundle, run.tested)
    samples = [score(bundle, open_source(name)) for name in chosen.samples]
    for name, figure in (("domains", forest_plot(tested.found)), ("reliability", reliability_plot(tested.found))):
        save(figure, DOCS / "images" / f"model-card-{name}.png")
    write_table(training_log(run), DOCS / "default-run" / "loss.csv")
    write_text(DOCS / "default-run" / "recipe.yaml", run.recipe.to_yaml())
    values = {**facts(run, bundle, tested), "samples": sample_table(samples), "comparison": table(run)}
    text = Template((Path(__file__).parent / "model_card.md.template").read_text(encoding="utf-8"))
    write_text(DOCS / "model-card.md", text.substitute(values, ood=chosen.ood.read_text(encoding="utf-8").strip()))


def score(bundle: Bundle, figures: Figures) -> Scoring:
    """Classify and evaluate as the verbs do."""
    predictions = Model(bundle).classify(figures).predictions
    scored = scored_figures(predictions, figures, (bundle.card.name, figures.name), keep_duplicates=False)
    found = evaluate(scored.y, scored.p, scored.threshold, cases=scored.cases, domains=scored.domains)
    return Scoring(figures, scored, found)


def facts(run: Run, bundle: Bundle, tested: Scoring) -> dict[str, str]:
    """Every placeholder but the tables of other networks and samples."""
    card, data = bundle.card, bundle.card.training_data
    counts = tested.found.overall.confusion.counts
    return {
        **{name: str(data[name]) for name in ("figures", "amf", "cases", "folds", "split_hash")},
        "name": card.name,
        "version": card.version,
        "backbone": run.recipe.model.backbone.replace("tf_efficientnet_lite", "EfficientNet-Lite"),
        "parameters": f"{sum(values.numel() for values in run.new_network().parameters()) / 1e6:.1f}",
        "field": f"{card.geometry.field_um:g}",
        "size": str(card.geometry.size_px),
        "megabytes": f"{sum(path.stat().st_size for path in bundle.path.iterdir()) / 1e6:.1f}",
        "recipe_hash": run.recipe.hash,
        "seed": str(run.recipe.seed),
        "threshold": f"{card.thresholds.default:.3f}",
        "low": f"{card.thresholds.refer_low:.3f}",
        "high": f"{card.thresholds.refer_high:.3f}",
        "ood_limit": f"{card.strangeness.limit:.2f}" if card.strangeness else "n/a",
        "metrics": metrics_table(card.metrics),
        "test_figures": str(len(tested.scored.y)),
        "test_amf": str(counts["AMF"]),
        "test_cases": str(tested.found.overall.cases),
        "ece": estimate(tested.found.overall.metrics["ece"]),
        "parts": parts_table(tested.found),
        "failures": failure_table(tested),
        "run": run_table(run),
    }


def metrics_table(metrics: dict[str, Any]) -> str:
    rows = [[name, *(card_cell(values.get(key)) for key in COLUMNS)] for name, values in metrics.items()]
    return markdown(["figures", *COLUMNS.values()], rows)


def card_cell(value: dict[str, float] | None) -> str:
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})" if value else "n/a"


def sample_table(samples: Sequence[Scoring]) -> str:
    rows = [[one.figures.name, *group_cells(one.found.overall)] for one in samples]
    return markdown(["sample", "figures", "AMF", "AUROC", "BA"], rows)


def parts_table(found: Evaluation) -> str:
    rows = [
        [f"{column}: {group.name}", *group_cells(group)] for column, groups in found.domains.items() for group in groups
    ]
    return markdown(["", "figures", "AMF", "AUROC", "BA"], rows)


def group_cells(group: Group) -> list[str]:
    counts = group.confusion.counts
    shown = [estimate(group.metrics[name]) for name in ("auroc", "balanced_accuracy")]
    return [str(group.confusion.figures), str(counts["AMF"]), *shown]


def failure_table(tested: Scoring) -> str:
    """Where the wrong calls lie: by expert 1's subtype and by whether the experts were unanimous."""
    scored = tested.scored
    rows = tested.figures.table.iloc[scored.rows].reset_index(drop=True)
    wrong = pd.Series((scored.p >= scored.threshold) != (scored.y == 1))
    groups = {"expert 1 says": rows["subtype"], "the three experts are": unanimity(tested, scored.rows)}
    lines = [
        [f"{title} {name}", str(len(index)), str(int(wrong[index].sum())), f"{wrong[index].mean():.0%}"]
        for title, values in groups.items()
        for name, index in values.groupby(values).groups.items()
    ]
    return markdown(["", "figures", "called wrong", "share"], lines)


def unanimity(tested: Scoring, rows: Any) -> pd.Series:
    votes = tested.figures.votes[rows]
    return pd.Series(np.where(votes.min(axis=1) == votes.max(axis=1), "unanimous", "divided"))


def training_log(run: Run) -> pd.DataFrame:
    """Mean loss of every epoch of every fold and of the student."""
    logs = sorted(run.folder.glob("folds/*/log/*/metrics.csv")) + sorted(run.folder.glob("student/log/*/metrics.csv"))
    parts = [pd.read_csv(path)[["epoch", "loss"]].assign(step=step_of(path, run.folder)) for path in logs]
    return pd.concat(parts)[["step", "epoch", "loss"]].round({"loss": 5})


def step_of(log: Path, folder: Path) -> str:
    parts = log.relative_to(folder).parts
    return f"fold {parts[1]}" if parts[0] == "folds" else "student"


def run_table(run: Run) -> str:
    entries = Ledger(run.folder / "ledger.jsonl", run.data_hash).entries()
    rows = [[entry["step"], f"{entry['seconds']:.0f}", brief(entry["metrics"])] for entry in entries]
    return markdown(["step", "seconds", "result"], [row for row in rows if row[0] != "bundle"])


def brief(metrics: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in metrics.items())


def estimate(of: Estimate) -> str:
    if of.value is None:
        return f"n/a ({of.reason})"
    return f"{of.value:.3f} ({of.interval.low:.3f} to {of.interval.high:.3f})" if of.interval else f"{of.value:.3f}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", default="ami-br")
    parser.add_argument("--samples", nargs="*", default=["atnorm-br", "atnorm-md"])
    parser.add_argument("--ood", type=Path, required=True, help="what benchmarks/strangeness.py printed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
