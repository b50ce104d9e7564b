"""One entry and seed: a training run like any other, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from atypica.benchmark.suite import Suite
from atypica.benchmark.testset import TestFigures
from atypica.core.errors import SettingsError
from atypica.data.figures import Figures
from atypica.evaluation.leaderboard import Failure
from atypica.training.ledger import Ledger
from atypica.training.recipe import Recipe, load_recipe
from atypica.training.run import Run

Say = Callable[[str], None]


@dataclass(frozen=True)
class Member:
    """One run of a benchmark.

    Attributes:
        label: of its entry.
        seed: of its training.
    """

    label: str
    seed: int

    def __str__(self) -> str:
        return f"{self.label}, seed {self.seed}"


@dataclass(frozen=True)
class Work:
    """What all runs of a benchmark share.

    Attributes:
        suite: which runs there are.
        source: the training source.
        digests: of its pixels, by `figure_id`.
        tests: the sets that could be opened.
        out: where everything is kept.
        say: called with a line about every finished step.
        notes: what the reader of the leaderboard must know; grows while it runs.
        failures: what could not be run or typed; grows while it runs.
    """

    suite: Suite
    source: Figures
    digests: dict[str, str]
    tests: Sequence[TestFigures]
    out: Path
    say: Say
    notes: list[str] = field(default_factory=list[str])
    failures: list[Failure] = field(default_factory=list[Failure])

    @property
    def quiet(self) -> Work:
        """The same for another process, which says and notes nothing that this one does not find out as well."""
        source, tests = _rooted(self.source), [replace(test, figures=_rooted(test.figures)) for test in self.tests]
        return replace(self, source=source, tests=tests, out=self.out.absolute(), say=_silent, notes=[], failures=[])

    @property
    def members(self) -> list[Member]:
        """Every run, in the order of the suite."""
        return [Member(entry.label, seed) for entry in self.suite.entries for seed in self.suite.seeds]

    def fail(self, member: Member, words: str) -> None:
        """Note that a run, or one of its test sets, came to nothing, and say so."""
        shown = self.suite.label(member.label, member.seed)
        self.failures.append(Failure(member.label, member.seed, shown, words))
        self.say(f"{member} failed: {words}")

    def file(self, member: Member, test: str) -> Path:
        """Where the predictions of a run for a test set are kept."""
        return self.out / "predictions" / member.label / f"seed-{member.seed}" / f"{test}.parquet"


def _silent(_: str) -> None:
    """Say nothing."""


def _rooted(figures: Figures) -> Figures:
    """The same figures for a process that may stand elsewhere."""
    return replace(figures, root=figures.root.absolute())


def run_folder(out: Path, label: str, seed: int) -> Path:
    """Where the run of an entry and seed is kept."""
    return out / "runs" / label / f"seed-{seed}"


def any_collapsed(suite: Suite, out: Path) -> bool:
    """Whether a trained fold of any entry and seed collapsed."""
    folders = [run_folder(out, entry.label, seed) for entry in suite.entries for seed in suite.seeds]
    return any(Ledger(folder / "ledger.jsonl", "").collapses() for folder in folders)


def place_run(suite: Suite, out: Path, label: str, folder: Path) -> None:
    """Let an entry take up a run that lies elsewhere, by a link; its seed must be one of the suite's.

    Raises:
        SettingsError: there is no run, of no such entry or seed, or another run stands in its place.
    """
    entry = suite.only([label]).entries[0]
    if not (folder / "recipe.yaml").is_file():
        raise SettingsError(f"{folder} is no run: it has no recipe.yaml", "give the folder that atypica train made")
    seed = load_recipe(str(folder / "recipe.yaml")).seed
    if seed not in suite.seeds:
        raise SettingsError(f"the run {folder} has seed {seed}; the suite has {suite.seeds}", "add it to 'seeds'")
    if load_recipe(str(folder / "recipe.yaml")).fold_hash != suite.recipe_of(entry, seed).fold_hash:
        raise SettingsError(f"{folder} holds a run of another recipe than entry '{label}'", "compare recipe.yaml")
    place = run_folder(out, label, seed)
    if place.resolve() == folder.resolve():
        return
    if place.exists():
        raise SettingsError(f"{place} holds another run", "remove it, or choose another --out")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(folder.resolve(), target_is_directory=True)


def open_run(work: Work, member: Member) -> Run:
    """The run of a member; figures with a blank in the column that `split.by` names are left out.

    Raises:
        SettingsError: no such recipe; the folder holds a run of another one.
        SourceError: figures that cannot be trained on.
    """
    folder = run_folder(work.out, member.label, member.seed)
    (entry,) = work.suite.only([member.label]).entries
    recipe = _as_it_lies(folder, work.suite.recipe_of(entry, member.seed))
    source, column = work.source, recipe.split.by
    if column and column in source.table:
        known = source.table[column].notna().to_numpy()
        if not known.all():
            work.notes.append(f"{member.label}: {int((~known).sum()):,} figures without {column} are left out")
            work.say(work.notes[-1])
            source = source.where(known)
    return Run.open(folder, recipe, source)


def _as_it_lies(folder: Path, recipe: Recipe) -> Recipe:
    """The recipe of the run in a folder, if its folds are those of `recipe`: its way of distilling stays its own."""
    path = folder / "recipe.yaml"
    if not path.is_file():
        return recipe
    kept = load_recipe(str(path))
    return kept if kept.fold_hash == recipe.fold_hash else recipe
