"""`atypica data`: the datasets, what they consist of, what is wrong with them, and how to split them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from atypica.apps.cli import data_screen
from atypica.apps.cli.screen import say, show_source
from atypica.core.errors import ExitCode, SettingsError, SourceError
from atypica.core.tables import check_table_name, write_table
from atypica.data.audit import audit as run_audit
from atypica.data.audit.duplicates import TOLERANCE_PX
from atypica.data.describe import describe as run_describe
from atypica.data.figures import Figures, read_table
from atypica.data.sources import DATASETS, data_home, find_dataset, open_source
from atypica.data.splits import Strata, holdout, kfold, leave_one_out, official, split_table

app = App(name="data", help="List, fetch, describe, audit, split and pack datasets of mitotic figures.")


@app.command(name="list")
def list_(*, home: Path | None = None) -> None:
    """List the public datasets, and which of them are here.

    Parameters
    ----------
    home
        Where datasets lie: the setting ATYPICA_DATA, else your data folder.
    """
    where = home or data_home()
    here = {name: find_dataset(name, where) for name in DATASETS if name != "midogpp-labels"}
    data_screen.show_datasets(list(DATASETS.values()), here, where)


@app.command
def fetch(*names: str, home: Path | None = None, mirror: str | None = None, again: bool = False) -> None:
    """Download datasets from their public homes; a cut download goes on with the same command.

    Parameters
    ----------
    names
        Of datasets (see: atypica data list).
    home
        Where to put them: the setting ATYPICA_DATA, else your data folder.
    mirror
        An address that repeats the public ones as MIRROR/HOST/PATH; the setting ATYPICA_MIRROR.
    again
        Download anew, replace what is there, and accept that the publisher changed a file.
    """
    from atypica.data.fetch import fetch as run_fetch

    if not names:
        raise SourceError("no dataset is named", f"name one or more of {', '.join(DATASETS)}")
    for name in names:
        run_fetch(name, home=home, mirror=mirror, again=again, say=say)


@app.command
def pack(
    source: str,
    *,
    out: Path,
    format: Literal["parquet", "tar", "tiff"] = "parquet",
    size: int = 10_000,
    repeat: int = 1,
    mpp: float | None = None,
) -> ExitCode:
    """Write figures as shards, files of thousands each, for 'classify' at size. A stopped run goes on.

    Files of crops are taken as they are; figures on slides are cut, 64 micrometers wide, as PNG.
    Exit status: 0 all packed, 3 some figures could not be read (Parquet and tar keep their rows, without an image).

    Parameters
    ----------
    source
        A dataset's name, a folder, a figure table, or a table of slides.
    out
        The folder for the shards: an empty one, or one that was begun with the same settings.
    format
        Parquet and tar keep all columns; a TIFF stack keeps pixels and resolution alone, so no cases.
    size
        Figures a shard.
    repeat
        How often all figures are written, with other ids: to try what many figures cost.
    mpp
        Micrometers per pixel of slides that do not say it.
    """
    from atypica.inference.packing import pack as run_pack

    figures = open_source(source)
    show_source(figures)
    done = run_pack(figures, out, format, size=size, repeat=repeat, mpp=mpp)
    data_screen.show_packed(out, len(figures) * repeat, done.kept, len(done.files), done.errors)
    return ExitCode.SOME_FAILED if done.errors else ExitCode.OK


@app.command
def describe(source: str, *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> None:
    """Count figures, AMF, cases, domains, votes and subtypes.

    Parameters
    ----------
    source
        A dataset's name, a folder, an image, or a figure table. The published label table of MIDOG25 counts all its
        rows, with or without crops.
    as_json
        Write JSON to standard output.
    """
    description = run_describe(open_source(source))
    if as_json:
        _write_json(description.to_json())
    else:
        data_screen.show_description(description)


@app.command
def audit(
    *sources: str,
    test: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    split: Path | None = None,
    pixels: bool = True,
    tolerance: float = TOLERANCE_PX,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Look for duplicates, contradictory labels, bad images and leaks, within and across sources.

    Exit status: 0 without errors, 3 with. Warnings and notes do not count.

    Parameters
    ----------
    sources
        Datasets' names, folders, images, or figure tables.
    test
        What a model will be tested on; may be repeated. The sources are then taken as training.
    split
        A split of the (only) source, as atypica data split writes it.
    pixels
        Read the images; without, only the tables are checked.
    tolerance
        Distance on a slide in pixels within which two annotations mean one figure.
    as_json
        Write JSON to standard output.
    """
    if not sources:
        raise SourceError("no source is named", "name one or more datasets, folders or tables")
    opened = [open_source(source) for source in sources]
    if split:
        opened = [_with_split(opened, split)]
    if not as_json:
        for figures in opened:
            show_source(figures)
    outcome = run_audit(opened, [open_source(source) for source in test], pixels=pixels, tolerance=tolerance)
    if as_json:
        _write_json(outcome.to_json())
    else:
        data_screen.show_audit(outcome)
    return ExitCode.SOME_FAILED if outcome.errors else ExitCode.OK


@app.command
def split(
    source: str,
    *,
    by: str = "kfold",
    folds: int = 5,
    seed: int = 0,
    stratify: Literal["label", "hardness"] = "label",
    out: Path | None = None,
) -> None:
    """Split figures without ever cutting a case; writes figure_id and fold (or split).

    Parameters
    ----------
    source
        A dataset's name, a folder, or a figure table; with labels and cases.
    by
        kfold; official (as published); shares such as 70:15:15 or 80:20; or the name of a column (scanner, tumor...)
        to leave out one of its values at a time.
    folds
        How many, for kfold.
    seed
        Of the assignment.
    stratify
        By label, or by label and hardness (whether the experts disagree).
    out
        The table to write (CSV or Parquet); only shown if not given.
    """
    if out:
        check_table_name(out)
    figures = open_source(source)
    show_source(figures)
    strata: Strata = "label" if stratify == "label" else "label x hardness"
    table = split_table(figures, _parts(figures, by, folds, seed, strata))
    data_screen.show_split(figures, table)
    if out:
        write_table(table, out)
        say(f"wrote {out}")


def _parts(figures: Figures, by: str, folds: int, seed: int, strata: Strata) -> Any:
    if by == "kfold":
        return kfold(figures, folds, seed, strata)
    if by == "official":
        return official(figures)
    if ":" in by:
        return holdout(figures, _shares(by), seed, strata)
    return leave_one_out(figures, by)


def _shares(text: str) -> list[float]:
    try:
        return [float(share) for share in text.split(":")]
    except ValueError as error:
        raise SettingsError(f"--by {text}: these are no shares", "give numbers, such as 70:15:15") from error


def _with_split(opened: list[Figures], path: Path) -> Figures:
    """The source with the parts of a split file as its column `split`."""
    if len(opened) != 1:
        raise SettingsError("--split goes with one source", "audit the sources one by one")
    table = read_table(path)
    column = next((name for name in ("split", "fold") if name in table), None)
    if column is None or "figure_id" not in table:
        raise SourceError(f"{path} is no split", "give a table with figure_id and split or fold")
    parts = table.set_index(table["figure_id"].astype(str))[column].astype(str)
    figures = opened[0]
    known = figures.table["figure_id"].map(parts[~parts.index.duplicated()]).astype(object)
    if known.isna().any():
        raise SourceError(f"{path} lacks {int(known.isna().sum())} figures of {figures.name}", "split it again")
    return Figures(figures.table.assign(split=known), figures.root, figures.name, figures.notes)


def _write_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
