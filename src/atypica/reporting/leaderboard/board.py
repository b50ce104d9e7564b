"""The tables of a leaderboard as plain rows and cells, from which every format is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atypica.core.vocabulary import Subtype
from atypica.evaluation.binary import METRICS
from atypica.evaluation.doubt import DOUBTS
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.leaderboard import FOLD_METRICS, Leaderboard, Scored, TestSet
from atypica.evaluation.published import Published, PublishedModel, PublishedSubtypes
from atypica.evaluation.referral import SHARE
from atypica.evaluation.significance import FoldSummary
from atypica.evaluation.subtypes import SUBTYPE_METRICS, SubtypeEvaluation
from atypica.evaluation.summary import Group

SHORT = {**METRICS, "balanced_accuracy": "BA"}
OF = {"ensemble": "ensemble", "distilled": "distilled network", "left-out": "all folds together"}
PUBLISHED = "published"
_REFERRED = {"balanced_accuracy": "BA", "gain": "gain"}
"""What is shown of a `Referral` at each threshold."""
_AT = tuple(metric for metric in FOLD_METRICS if metric != "auroc")
"""What depends on the threshold."""


@dataclass(frozen=True)
class Cell:
    """A number as a table shows it.

    Attributes:
        value: None where undefined or unknown.
        sd, lowest, highest: over folds; no interval.
        low, high: the interval.
        note: why there is no value.
    """

    value: float | None = None
    sd: float | None = None
    lowest: float | None = None
    highest: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @classmethod
    def of(cls, estimate: Estimate) -> Cell:
        """An estimate with its interval."""
        interval = estimate.interval
        limits = (interval.low, interval.high) if interval else (None, None)
        return cls(estimate.value, low=limits[0], high=limits[1], note=estimate.reason)

    @classmethod
    def over_folds(cls, summary: FoldSummary | None) -> Cell:
        """How folds scatter."""
        if summary is None:
            return cls(note="undefined in every fold")
        return cls(summary.mean, summary.sd, summary.lowest, summary.highest)

    def text(self, digits: int = 3, *, ranges: bool = True) -> str:
        """`0.789 ± 0.011 (0.775 to 0.801)`, `0.802 [0.775, 0.829]`, `n/a`, or nothing where nothing is known."""
        if self.value is None:
            return "n/a" if self.note else ""
        words = f"{self.value:.{digits}f}"
        if self.sd is not None:
            spread = f"{words} ± {self.sd:.{digits}f}"
            if self.lowest is None or self.highest is None or not ranges:
                return spread
            return f"{spread} ({self.lowest:.{digits}f} to {self.highest:.{digits}f})"
        if self.low is not None and self.high is not None:
            return f"{words} [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        return words


@dataclass(frozen=True)
class Row:
    """One line.

    Attributes:
        name: the model, or the subtype.
        of: what of it: "5 folds", "ensemble", a domain.
        cells: by column; a column that is not there stays empty.
        counts: figures, AMF and cases, where they are the row's own.
        published: whose table it is from; "" for ours.
        collapsed: how many folds of its training collapsed.
    """

    name: str
    of: str
    cells: dict[str, Cell]
    counts: tuple[int, int, int | None] | None = None
    published: str = ""
    collapsed: int = 0


@dataclass(frozen=True)
class Board:
    """One table.

    Attributes:
        title: above it.
        heads: the titles of the first two columns.
        columns: key to title.
        rows: best first.
        notes: below it.
        kind: "models", "referrals", "domains", "subtypes" or "context".
        test: which test set.
    """

    title: str
    heads: tuple[str, str]
    columns: dict[str, str]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    kind: str
    test: str

    @property
    def counted(self) -> bool:
        """Whether rows have numbers of figures of their own."""
        return any(row.counts for row in self.rows)


def boards(found: Leaderboard) -> list[Board]:
    """Every table: the models on each test set, their domains, and the subtypes where they are the target."""
    tables: list[Board] = []
    for test in found.tests:
        scored = found.on(test.name)
        if not scored:
            continue
        if found.suite.get("target") == "subtype":
            tables += _subtypes(found, test, scored)
        tables += [_models(found, test, scored), _referrals(test, scored)]
        tables += _domains(test, scored)
    return [*tables, *(_context(table) for table in found.published if table.context)]


def about(test: TestSet) -> str:
    """A test set in one line.

    >>> about(TestSet("A", "a", 826, 184, 56, duplicates=2))
    'A: 826 figures, 184 AMF, 56 cases; 2 duplicates left out'
    """
    cases = "no case ids" if test.cases is None else f"{test.cases} cases"
    parts = [f"{test.name}: {test.figures:,} figures, {test.amf:,} AMF, {cases}"]
    if test.duplicates:
        noun = "duplicate" if test.duplicates == 1 else "duplicates"
        parts.append(f"{test.duplicates} {noun} {'kept' if test.duplicates_kept else 'left out'}")
    if test.unusable:
        parts.append(f"{test.unusable} without label or unreadable left out")
    return "; ".join(filter(None, [*parts, test.note]))


def _models(found: Leaderboard, test: TestSet, scored: tuple[Scored, ...]) -> Board:
    tables = [table for table in found.published if not table.context]
    names = list(dict.fromkeys(name for one in scored for name in one.thresholds))
    names += [t.threshold for t in tables if t.threshold not in names and _tested(t, test)]
    columns = {f"balanced_accuracy@{name}": f"BA at {name}" for name in names} | {"auroc": "AUROC"}
    columns |= {f"{m}@{name}": f"{m} at {name}" for name in names for m in ("sensitivity", "specificity")}
    columns |= {"ece": "ECE", "ece_calibrated": "ECE, calibrated"}
    groups = [_entry_rows(one) for one in scored]
    for table in tables:
        groups += [[row] for model in table.models if (row := _published_row(table, model, test.published_as))]
    groups.sort(key=lambda rows: -_rank(rows[0], [f"balanced_accuracy@{name}" for name in names]))
    rows = tuple(row for group in groups for row in group)
    return Board(about(test), ("model", "of"), columns, rows, _notes(found, test, scored), "models", test.name)


def _entry_rows(one: Scored) -> list[Row]:
    """The folds' spread, and the whole."""
    rows: list[Row] = []
    if one.folds:
        cells = {f"{m}@{name}": Cell.over_folds(folds.get(m)) for name, folds in one.folds.items() for m in _AT}
        first = next(iter(one.folds.values()))
        cells["auroc"] = Cell.over_folds(first.get("auroc"))
        count = max((summary.count for summary in first.values()), default=0)
        rows.append(Row(one.label, f"{count} folds{_collapsed(one)}", cells, collapsed=len(one.collapses)))
    cells = {f"{m}@{name}": Cell.of(e.overall.metrics[m]) for name, e in one.evaluations.items() for m in _AT}
    metrics = one.first.overall.metrics
    calibrated = Cell.of(one.calibrated.ece) if one.calibrated else Cell(note=one.calibration_note or "none fitted")
    cells |= {"auroc": Cell.of(metrics["auroc"]), "ece": Cell.of(metrics["ece"]), "ece_calibrated": calibrated}
    return [*rows, Row(one.label, f"{OF[one.kind]}{_collapsed(one)}", cells, collapsed=len(one.collapses))]


def _collapsed(one: Scored) -> str:
    """What is added to a row whose training had folds that collapsed."""
    count = len(one.collapses)
    return f", {count} {'fold' if count == 1 else 'folds'} collapsed" if count else ""


def _tested(table: Published, test: TestSet) -> bool:
    return any(test.published_as in model.tests for model in table.models)


def _rank(row: Row, keys: Iterable[str]) -> float:
    """The first value that a row has among some columns; 0 where it has none."""
    return next((value for key in keys if (value := row.cells.get(key, Cell()).value) is not None), 0.0)


def _published_row(table: Published, model: PublishedModel, test: str) -> Row | None:
    """A published model, its numbers under the threshold that they were published at."""
    if test not in model.tests:
        return None
    values = model.tests[test]
    cells = {
        name if name == "auroc" else f"{name}@{table.threshold}": Cell(value.mean, value.sd)
        for name, value in values.items()
    }
    return Row(model.model, _comma(model.detail, PUBLISHED), cells, published=table.title)


def _notes(found: Leaderboard, test: TestSet, scored: tuple[Scored, ...]) -> tuple[str, ...]:
    notes = [f"{one.label}: fold {fold} collapsed: {why}" for one in scored for fold, why in one.collapses.items()]
    notes += [f"{one.label}: {_leak_words(one)}" for one in scored if one.leaked]
    notes += [
        f"{one.label}: {one.shared_cases} cases of this set also train, with other figures"
        for one in scored
        if one.shared_cases
    ]
    own = {one.label: one.thresholds["own"] for one in scored if "own" in one.thresholds}
    if own:
        values = ", ".join(f"{label} {value:.3f}" for label, value in own.items())
        notes.append(f"own threshold, by out-of-fold predictions: {values}")
    if any(one.folds for one in scored):
        notes.append("± SD (range) over the folds' networks is no interval: they share training and test figures")
    intervals = [i.interval for one in scored for i in one.first.overall.metrics.values() if i.interval]
    notes += dict.fromkeys(f"[ ] {i.level:.0%} interval, {i.method.split(',')[0]}{_dash(i.note)}" for i in intervals)
    for table in found.published:
        if _tested(table, test) and not table.context:
            notes.append(f"{PUBLISHED}: {table.title} ({table.url}); {table.about}{_other_size(table, test)}")
    return tuple(notes)


def _leak_words(one: Scored) -> str:
    done = {"drop": "left out", "mark": "scored all the same"}.get(one.leaks, one.leaks)
    return f"test figures that it trained on: {one.leaked}, {done}"


def _other_size(table: Published, test: TestSet) -> str:
    published = table.figures.get(test.published_as)
    if published is None or published == test.figures:
        return ""
    return f"; on all {published:,} figures, ours on {test.figures:,}"


def _referrals(test: TestSet, scored: tuple[Scored, ...]) -> Board:
    """What each doubt is worth: BA of the rest, its gain, and whether the doubt finds what experts disagree on."""
    names = list(dict.fromkeys(name for one in scored for name in one.referrals))
    columns = {f"{m}@{name}": f"{words} at {name}" for name in names for m, words in _REFERRED.items()}
    columns["hard_auroc"] = "AUROC for 'experts disagree'"
    rows = tuple(row for one in scored for row in _referral_rows(one))
    notes = [
        "BA of the figures that are left, and what it gains over BA of all; intervals are for the figures as referred",
        f"{DOUBTS['spread']}: standard deviation of the networks' p(AMF)",
    ]
    notes += dict.fromkeys(
        f"AUROC for 'experts disagree': n/a, {cell.note}"
        for row in rows
        if (cell := row.cells.get("hard_auroc")) and cell.value is None
    )
    title = f"{test.name}: BA of the rest when {SHARE:.0%} of the figures go to a person"
    return Board(title, ("model", "referred"), columns, rows, tuple(notes), "referrals", test.name)


def _referral_rows(one: Scored) -> list[Row]:
    every = {name: found.overall.metrics["balanced_accuracy"] for name, found in one.evaluations.items()}
    cells = {f"balanced_accuracy@{name}": Cell.of(ba) for name, ba in every.items()}
    rows = [Row(one.label, "none", cells, (one.first.overall.confusion.figures, 0, None))]
    first = next(iter(one.referrals.values()))
    for doubt, words in DOUBTS.items():
        if doubt not in first:
            continue
        by_name = {name: found[doubt] for name, found in one.referrals.items()}
        cells = {f"{m}@{name}": Cell.of(getattr(found, m)) for name, found in by_name.items() for m in _REFERRED}
        cells["hard_auroc"] = Cell.of(first[doubt].hard_auroc)
        rows.append(Row(one.label, words, cells, (first[doubt].rest.figures, 0, None)))
    return rows


def _domains(test: TestSet, scored: tuple[Scored, ...]) -> list[Board]:
    columns = list(dict.fromkeys(column for one in scored for column in one.first.domains))
    return [board for column in columns if (board := _domain(test, scored, column))]


def _domain(test: TestSet, scored: tuple[Scored, ...], column: str) -> Board | None:
    rows = [
        Row(one.label, group.name, _group_cells(group), _counts(group))
        for one in scored
        for group in one.first.domains.get(column, ())
    ]
    if len({row.of for row in rows}) < 2:
        return None
    threshold = next(iter(scored[0].thresholds))
    heads = {m: f"{SHORT[m]}" + ("" if m == "auroc" else f" at {threshold}") for m in FOLD_METRICS}
    notes = tuple(
        dict.fromkeys(f"{row.of}: {c.note}" for row in rows for c in row.cells.values() if c.value is None and c.note)
    )
    return Board(f"{test.name} by {column}", ("model", column), heads, tuple(rows), notes, "domains", test.name)


def _group_cells(group: Group) -> dict[str, Cell]:
    return {metric: Cell.of(group.metrics[metric]) for metric in FOLD_METRICS}


def _counts(group: Group) -> tuple[int, int, int | None]:
    return group.confusion.figures, group.confusion.counts["AMF"], group.cases


def _subtypes(found: Leaderboard, test: TestSet, scored: tuple[Scored, ...]) -> list[Board]:
    ours = [(one, one.first.subtypes) for one in scored if one.first.subtypes]
    if not ours:
        return []
    tables = [(t, t.subtypes[test.published_as]) for t in found.published if test.published_as in t.subtypes]
    rows: list[Row] = []
    for subtype in Subtype:
        rows += [_class_row(subtype, one, evaluation) for one, evaluation in ours]
        rows += [_published_class(subtype, table, values) for table, values in tables]
    rows += [_mean_row(one, evaluation) for one, evaluation in ours]
    rows += [_published_mean(table, values) for table, values in tables]
    notes = [f"{PUBLISHED}: {table.title} ({table.url}); {table.about}" for table, _ in tables]
    notes += [
        f"{one.label}: mean AUROC over the folds' networks {one.subtype_folds.mean:.3f}"
        + (f" ± {one.subtype_folds.sd:.3f}" if one.subtype_folds.sd is not None else "")
        for one, _ in ours
        if one.subtype_folds
    ]
    title = f"{test.name}: each subtype against the rest"
    return [Board(title, ("subtype", "model"), SUBTYPE_METRICS, tuple(rows), tuple(notes), "subtypes", test.name)]


def _class_row(subtype: Subtype, one: Scored, found: SubtypeEvaluation) -> Row:
    cells = {metric: Cell.of(found.per_class[subtype.value][metric]) for metric in SUBTYPE_METRICS}
    count = found.counts[subtype.value]
    return Row(subtype.display, f"{one.label}, {OF[one.kind]}", cells, (count, 0, None))


def _mean_row(one: Scored, found: SubtypeEvaluation) -> Row:
    cells = {metric: Cell.of(found.macro[metric]) for metric in SUBTYPE_METRICS}
    return Row("mean", f"{one.label}, {OF[one.kind]}", cells, (found.figures, 0, None))


def _published_class(subtype: Subtype, table: Published, values: PublishedSubtypes) -> Row:
    one = values.classes[subtype]
    cells = {metric: Cell(getattr(one, metric)) for metric in SUBTYPE_METRICS}
    return Row(subtype.display, _comma(values.model, PUBLISHED), cells, (one.figures, 0, None), table.title)


def _published_mean(table: Published, values: PublishedSubtypes) -> Row:
    cells = {metric: Cell(values.mean(metric)) for metric in SUBTYPE_METRICS}
    total = sum(one.figures for one in values.classes.values())
    return Row("mean", _comma(values.model, PUBLISHED), cells, (total, 0, None), table.title)


def _context(table: Published) -> Board:
    """A table on figures that nobody else has."""
    columns = {"balanced_accuracy": "BA", "auroc": "AUROC"}
    rows = tuple(
        Row(model.model, _comma(model.detail, PUBLISHED), _plain(values.items()), published=table.title)
        for model in table.models
        for values in model.tests.values()
    )
    notes = (f"{PUBLISHED}: {table.citation} {table.url}; {table.about}",)
    return Board(f"For context, on other figures: {table.title}", ("model", "of"), columns, rows, notes, "context", "")


def _plain(values: Iterable[tuple[str, object]]) -> dict[str, Cell]:
    return {name: Cell(getattr(value, "mean", None), getattr(value, "sd", None)) for name, value in values}


def _comma(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _dash(text: str) -> str:
    return f" ({text})" if text else ""
