"""`atypica benchmark`: a suite of recipes, folds, seeds and test sets, run, scored and shown."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from atypica.apps.cli.benchmark_screen import show_leaderboard, show_suites
from atypica.apps.cli.fan_out import HERE, FanOut
from atypica.apps.cli.screen import say
from atypica.core.errors import ExitCode, MissingExtraError, SettingsError
from atypica.core.files import write_json
from atypica.core.locks import sole_use
from atypica.core.tables import write_table
from atypica.evaluation.bootstrap import REPLICATES, BootstrapSettings

if TYPE_CHECKING:
    from atypica.evaluation.leaderboard import Leaderboard


def benchmark(
    suite: str | None = None,
    *,
    out: Path | None = None,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
    entries: str | None = None,
    run: Annotated[list[str] | None, Parameter(negative="")] = None,
    folds_only: Annotated[list[int] | None, Parameter(consume_multiple=True, negative="")] = None,
    keep_duplicates: Annotated[bool, Parameter(negative="")] = False,
    replicates: int = REPLICATES,
    seed: int = 0,
    threads: int = 0,
    fan_out: FanOut = HERE,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Train every entry of a suite by cross-validation, test all of them on the same figures, write a leaderboard.

    Writes leaderboard.html, .md, .tex, .csv and .json, and keeps runs and predictions: given again, the same command
    goes on where it was stopped, and does nothing twice. Exit status: 0 all ran, 3 some runs failed (the leaderboard
    says why), 5 all ran, but a fold collapsed (the leaderboard says which and why), 2 unusable input, 4 the output
    cannot be written.

    Parameters
    ----------
    suite
        The name of a shipped suite (see --list), or a YAML file.
    out
        The folder for runs, predictions and the leaderboard.
    list_
        List the suites that ship with atypica.
    entries
        Labels of the suite's entries to run, separated by commas; all of them if not given.
    run
        LABEL=FOLDER: take up a run of `atypica train` for an entry, in place of training it. May be repeated.
    folds_only
        Train these folds alone (counted from 0) and score nothing, to spread a long suite over nights.
    keep_duplicates
        Score figures with the same pixels each time they stand in a test set.
    replicates
        How many resamples for the intervals.
    seed
        Of the resampling (the suite says the seeds of the training).
    threads
        Processor threads; 0 leaves the choice to PyTorch.
    json_
        Print the leaderboard as JSON on standard output, in place of the tables.
    """
    try:
        import torch

        from atypica.benchmark.engine import Options, run_suite
        from atypica.benchmark.runs import any_collapsed, place_run
        from atypica.benchmark.suite import load_suite, suite_names
    except ImportError as error:
        raise MissingExtraError("benchmark", "train") from error
    if list_:
        show_suites([load_suite(name) for name in suite_names()])
        return ExitCode.OK
    if suite is None or out is None:
        raise SettingsError("a suite and --out are needed", f"name one of: {', '.join(suite_names())}; or a file")
    if threads:
        torch.set_num_threads(threads)
    chosen = load_suite(suite)
    if entries:
        chosen = chosen.only([label.strip() for label in entries.split(",")])
    for placed in run or []:
        label, folder = _placed(placed)
        place_run(chosen, out, label, folder)
    bootstrap = BootstrapSettings(replicates, seed)
    options = Options(keep_duplicates, tuple(folds_only or ()), bootstrap, typed_command())
    fan_out.refuse_threads(threads)
    with sole_use(out), fan_out.open() as executor:
        found = run_suite(chosen, out, options, say, executor)
    if found is None:
        say("folds trained; without --folds-only the rest is trained and everything scored")
        return ExitCode.COLLAPSED if any_collapsed(chosen, out) else ExitCode.OK
    written = write_leaderboard(out, found)
    if json_:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        show_leaderboard(found)
    say("wrote " + ", ".join(map(str, written)))
    if not found.complete:
        return ExitCode.SOME_FAILED
    return ExitCode.COLLAPSED if any_collapsed(chosen, out) else ExitCode.OK


def _placed(text: str) -> tuple[str, Path]:
    label, separator, folder = text.partition("=")
    if not separator or not folder:
        raise SettingsError(f"--run {text} names no folder", "write it as --run LABEL=FOLDER")
    return label.strip(), Path(folder).expanduser()


def typed_command() -> str:
    """What was typed, fit to be typed again, without the folders of this machine."""
    return shlex.join(["atypica", *(_bare(word) for word in sys.argv[1:])])


def _bare(word: str) -> str:
    """A word of the command line with the last part of a whole path alone: `--run a=/x/y` is `--run a=y`."""
    label, separator, place = word.rpartition("=")
    return label + separator + (Path(place).name if Path(place).is_absolute() else place)


def write_leaderboard(out: Path, found: Leaderboard) -> list[Path]:
    """Write every format of a leaderboard; gives the files."""
    from atypica.reporting.leaderboard.page import write_page
    from atypica.reporting.leaderboard.text import long_table, write_texts

    page, values = out / "leaderboard.html", out / "leaderboard.json"
    write_json(values, found.to_json())
    table = write_table(long_table(found), out / "leaderboard.csv")
    texts = write_texts(found, out)
    write_page(found, page)
    return [page, *texts, table, values]
