"""What the networks of a run say of every test set: predicted once, kept, and marked where a figure must not count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from atypica.benchmark.predictions import Answers, figure_columns, kept_answers, write_predictions
from atypica.benchmark.runs import Member, Work
from atypica.benchmark.suite import Leaks, TestSpec
from atypica.benchmark.testset import TestFigures
from atypica.core.errors import AtypicaError, BundleError, EvaluationError, SourceError
from atypica.core.files import sha256_bytes
from atypica.core.vocabulary import Subtype
from atypica.data.figures import Figures
from atypica.data.leaks import leaks, repeats_across_folds
from atypica.evaluation.calibration import fit_calibration
from atypica.evaluation.leaderboard import Kind
from atypica.evaluation.thresholds import max_balanced_accuracy
from atypica.inference.bundle import read_bundle
from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore
from atypica.training.crossval import fold_networks
from atypica.training.distill import student_network
from atypica.training.fold import out_of_fold
from atypica.training.predict import Outputs, predict
from atypica.training.probe.features import FrozenFeatures, probe_outputs
from atypica.training.probe.folds import fold_probes
from atypica.training.recipe import Recipe
from atypica.training.run import Run
from atypica.training.settings.ensemble import Ensemble

Calibration = tuple[float, float]
"""Temperature and bias: p = sigmoid((logit - bias) / temperature)."""
HEADS = "amf subtype disagreement"
"""What is kept of the networks' answers; a file of other heads is made anew."""
BY_LOGIT: Ensemble = "mean_logit"
CIRCULAR = "it would be chosen on the very figures that are tested"


@dataclass(frozen=True)
class Operating:
    """Where a run's networks call AMF by their own choice, and how their logits become probabilities.

    Attributes:
        logit: the own threshold, on the logit; None where there is none, and `note` says why.
        calibration: None where there is none.
    """

    logit: float | None
    calibration: Calibration | None
    note: str = ""


@dataclass(frozen=True)
class Predicted:
    """What the networks of an entry say of a test set.

    Attributes:
        entry, seed, kind, test: which.
        table: one row a figure: `figure_id`, `label`, `case`, `subtype`, domains, `hard`, `leak`, `duplicate_of`,
            `error`, and `scored`, which says whether the row counts.
        answers: in the order of the table.
        operating: by the run's out-of-fold predictions.
        ensemble: how the networks' logits become one.
        split: tells one assignment of folds from another.
        leaks: what was done with leaked figures.
        shared_cases: cases that stand in training too.
        collapses: folds that collapsed, and why.
    """

    entry: str
    seed: int
    kind: Kind
    test: str
    table: pd.DataFrame
    answers: Answers
    operating: Operating
    ensemble: Ensemble
    split: str
    leaks: Leaks
    shared_cases: int
    collapses: dict[int, str]


@dataclass(frozen=True)
class Typist:
    """Types test sets with a run's networks, which are loaded no sooner than needed.

    Attributes:
        work: what all runs share.
        member: which run.
        run: with all folds finished.
    """

    work: Work
    member: Member
    run: Run

    def predict(self) -> list[Predicted]:
        """Every test set by the folds' networks, and by the distilled one, if the run has finished one."""
        found = [self._left_out(spec) for spec in self.work.suite.tests if spec.left_out]
        for test, table in zip(self.work.tests, self.screened, strict=True):
            try:
                found += self._typed(test, table)
            except AtypicaError as error:
                self.work.fail(self.member, f"{test.spec.name}: {error.message}")
        return found

    def _typed(self, test: TestFigures, table: pd.DataFrame) -> list[Predicted]:
        found = [self._predicted("ensemble", test, table, self._folds(test, table), self.operating)]
        if self.distilled:
            found.append(self._predicted("distilled", test, table, self._student(test, table), self.distilled))
        self.work.say(f"{self.member}: {test.spec.name} predicted")
        return found

    @cached_property
    def screened(self) -> list[pd.DataFrame]:
        """The table of every test set, with what speaks against each row.

        Raises:
            SourceError: a test figure is trained on, and the suite refuses that.
        """
        return [self._screen(test) for test in self.work.tests]

    @cached_property
    def held_out(self) -> pd.DataFrame:
        """What every held-out figure's own fold said of it, one view."""
        return out_of_fold(self.run)

    @cached_property
    def operating(self) -> Operating:
        """Threshold and calibration by the out-of-fold predictions."""
        labels, logits = self.run.held_out.labels, self.held_out["amf_0_views1"].to_numpy(dtype=np.float64)
        own = max_balanced_accuracy(labels, expit(logits)).value
        try:
            return Operating(float(logit(own)), fit_calibration(logits, labels))
        except EvaluationError as error:
            return Operating(float(logit(own)), None, error.message)

    @cached_property
    def distilled(self) -> Operating | None:
        """Those of the finished bundle's card; None where the run has no bundle of this recipe, or distills nothing."""
        if self.run.recipe.distill is None or not self.run.ledger.find("bundle", self.run.recipe.hash):
            return None
        try:
            card = read_bundle(self.run.folder / "bundle").card
        except BundleError:
            return None
        fitted = card.calibration
        own = fitted.temperature * float(logit(card.thresholds.default)) + fitted.bias
        return Operating(own, (fitted.temperature, fitted.bias))

    @cached_property
    def _networks(self) -> list[FigureNetwork]:
        return fold_networks(self.run)

    def _folds(self, test: TestFigures, table: pd.DataFrame) -> Answers:
        file = self.work.file(self.member, test.spec.name)
        return self._answers(test, table, file, self.run.recipe.fold_hash, lambda: self._networks)

    def _student(self, test: TestFigures, table: pd.DataFrame) -> Answers:
        file = self.work.file(self.member, f"{test.spec.name}.distilled")
        return self._answers(test, table, file, self.run.recipe.hash, lambda: [student_network(self.run)])

    def _answers(
        self,
        test: TestFigures,
        table: pd.DataFrame,
        file: Path,
        recipe: str,
        networks: Callable[[], list[FigureNetwork]],
    ) -> Answers:
        key = _key(self.run, test, recipe)
        answers = kept_answers(file, key)
        if answers is None:
            readable = test.figures.where(test.readable)
            if self.run.recipe.probe:
                outputs = self._probed(readable)
            else:
                outputs = _ask(networks(), self.run.read_crops(readable))
            answers = _stacked(outputs).among(test.readable)
        write_predictions(file, table, answers, key)
        return answers

    @cached_property
    def _frozen(self) -> FrozenFeatures:
        return FrozenFeatures(self.run)

    def _probed(self, figures: Figures) -> list[Outputs]:
        features = self._frozen.of(figures)
        return [probe_outputs(self.run, probe, features) for probe in fold_probes(self.run)]

    def _predicted(
        self, kind: Kind, test: TestFigures, table: pd.DataFrame, answers: Answers, operating: Operating
    ) -> Predicted:
        suite, run = self.work.suite, self.run
        shared = _shared_cases(run, test)
        return Predicted(
            self.member.label, self.member.seed, kind, test.spec.name, table, answers, operating, _ensemble(run.recipe),
            run.split_hash, suite.leaks, shared, run.ledger.collapses(),
        )  # fmt: skip

    def _screen(self, test: TestFigures) -> pd.DataFrame:
        training = self.run.figures
        known = {self.work.digests[name] for name in training.table["figure_id"]} - {""}
        leak = leaks(test.figures, test.pixels, training, known)
        policy = self.work.suite.leaks
        if policy == "refuse" and any(leak):
            first = test.figures.table["figure_id"][next(row for row, why in enumerate(leak) if why)]
            raise SourceError(
                f"{sum(map(bool, leak))} figures of test set {test.spec.name} are trained on, first {first}",
                "leave them out of one of the two, or set 'leaks: drop' in the suite",
            )
        table = figure_columns(test.figures, self.work.suite.domains)
        table["leak"], table["duplicate_of"] = leak, list(test.repeat_of)
        table["error"] = [error or "" for error in test.pixels.errors]
        kept = np.array([not why for why in leak], dtype=bool) | (policy == "mark")
        table["scored"] = test.scored & kept
        return table

    def _left_out(self, spec: TestSpec) -> Predicted:
        """The out-of-fold predictions as a test: column K holds the figures of fold K alone."""
        run = self.run
        table = figure_columns(run.figures, self.work.suite.domains)
        names = run.figures.table["figure_id"].tolist()
        digests = [self.work.digests[name] for name in names]
        table["leak"], table["duplicate_of"] = repeats_across_folds(names, digests, run.folds.tolist())
        table["error"] = ""
        table["scored"] = (table["leak"] == "") & (table["duplicate_of"] == "")
        table = table[run.is_held_out].reset_index(drop=True)
        own = run.folds[run.is_held_out, None] == np.arange(run.fold_count)
        amf = np.where(own, self.held_out["amf_0_views1"].to_numpy(dtype=np.float64)[:, None], np.nan)
        names = [f"subtype_{index}_views1" for index in range(len(Subtype))]
        subtype = None
        if names[0] in self.held_out:
            subtype = np.where(own[..., None], self.held_out[names].to_numpy(dtype=np.float64)[:, None, :], np.nan)
        disagreement = None
        if "disagreement_0_views1" in self.held_out:
            logits = self.held_out["disagreement_0_views1"].to_numpy(dtype=np.float64)
            disagreement = np.where(own, logits[:, None], np.nan)
        answers = Answers(amf, subtype, disagreement)
        file = self.work.file(self.member, spec.name)
        write_predictions(file, table, answers, f"{run.recipe.fold_hash}-{run.data_hash}")
        none = Operating(None, None, CIRCULAR)
        return Predicted(
            self.member.label, self.member.seed, "left-out", spec.name, table, answers, none, BY_LOGIT,
            run.split_hash, self.work.suite.leaks, 0, run.ledger.collapses(),
        )  # fmt: skip


def _ensemble(recipe: Recipe) -> Ensemble:
    """That of the bundle, or where the bundle holds a distilled network, the mean logit."""
    return BY_LOGIT if recipe.distill else recipe.ensemble


def _ask(networks: list[FigureNetwork], store: CropStore) -> list[Outputs]:
    """One view of every figure by every network."""
    return [predict(network, store, np.arange(len(store))) for network in networks]


def _stacked(outputs: list[Outputs]) -> Answers:
    found = {
        name: np.stack([output[name] for output in outputs], axis=1).astype(np.float64)
        for name in HEADS.split()
        if name in outputs[0]
    }
    disagreement = found.get("disagreement")
    return Answers(found["amf"][..., 0], found.get("subtype"), None if disagreement is None else disagreement[..., 0])


def _key(run: Run, test: TestFigures, recipe: str) -> str:
    """Of everything that the answers depend on."""
    figures = "\n".join(map("\t".join, zip(test.figures.table["figure_id"], test.pixels.digests, strict=True)))
    return sha256_bytes(f"{HEADS}\n{recipe}\n{run.data_hash}\n{figures}".encode())[:16]


def _shared_cases(run: Run, test: TestFigures) -> int:
    """Cases of a test set whose other figures train, where both sets name them alike."""
    if "case" not in test.figures.table:
        return 0
    tested: NDArray[np.object_] = test.figures.table["case"][test.scored].dropna().to_numpy()
    return len(set(tested) & set(run.figures.cases))
