"""`atypica demo`: the whole way from figures to report, on sample figures, without a network."""

from __future__ import annotations

import os
from pathlib import Path

from atypica.apps.cli.classify import deliver, prepare_folder
from atypica.apps.cli.screen import say, show_source
from atypica.core.errors import DownloadError, SourceError
from atypica.data.drawn import draw_figures
from atypica.data.fetch import MIRROR
from atypica.data.fetch import fetch as fetch_dataset
from atypica.data.figures import Figures, figures_from, read_table
from atypica.data.sources import open_source
from atypica.inference.model import load_model

DATASET = "atnorm-br"
DRAWN = 60
SEED = 0
BANNER = "These figures are DRAWN by a program, not photographed: the results show how atypica works, nothing else."


def demo(
    *, out: Path = Path("atypica-demo"), model: Path | None = None, report: bool = True, fetch: bool | None = None
) -> int:
    """Type sample figures: real ones (AtNorM-Br) where they can be had, else drawn ones.

    Parameters
    ----------
    out
        The folder for the results.
    model
        A model bundle; the one that comes with atypica if not given.
    report
        Write report.html.
    fetch
        Download AtNorM-Br if it is not on this machine. Not done unless asked for, or ATYPICA_MIRROR is set.
    """
    prepare_folder(out)
    loaded = load_model(model)
    figures, banner = real_figures(MIRROR in os.environ if fetch is None else fetch), None
    if figures is None:
        banner = BANNER
        say(banner, "bold yellow")
        say("  For real ones: atypica demo --fetch, or set ATYPICA_DATA to the folder that holds them.")
        figures = drawn_figures(out / "figures")
    show_source(figures)
    return deliver(loaded.classify(figures), out, report=report, title="atypica demonstration", banner=banner)


def real_figures(download: bool) -> Figures | None:
    """AtNorM-Br, if it is on this machine or `download` brings it."""
    try:
        return open_source(DATASET)
    except SourceError:
        if not download:
            return None
    try:
        fetch_dataset(DATASET, say=say)
        return open_source(DATASET)
    except (DownloadError, SourceError) as error:
        say(str(error), "yellow")
        return None


def drawn_figures(folder: Path) -> Figures:
    """Drawn figures in `folder`; those of an earlier demonstration are used again."""
    table = folder / "figures.csv"
    if table.is_file():
        return figures_from(read_table(table), folder, "drawn figures", (BANNER,))
    return draw_figures(folder, DRAWN, SEED)
