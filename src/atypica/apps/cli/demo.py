"""`atypica demo`: the whole way from figures to report, on sample figures, without a network."""

from __future__ import annotations

from pathlib import Path

from atypica.apps.cli.classify import deliver, prepare_folder
from atypica.apps.cli.screen import say, show_source
from atypica.core.errors import SourceError
from atypica.data.drawn import draw_figures
from atypica.data.figures import Figures, figures_from, read_table
from atypica.data.sources import open_source
from atypica.inference.model import load_model

DATASET = "atnorm-br"
DRAWN = 60
SEED = 0
BANNER = "These figures are DRAWN by a program, not photographed: the results show how atypica works, nothing else."


def demo(*, out: Path = Path("atypica-demo"), model: Path | None = None, report: bool = True) -> int:
    """Type sample figures: real ones (AtNorM-Br) where they have been fetched, else drawn ones.

    Parameters
    ----------
    out
        The folder for the results.
    model
        A model bundle; the one that comes with atypica if not given.
    report
        Write report.html.
    """
    prepare_folder(out)
    loaded = load_model(model)
    figures, banner = real_figures(), None
    if figures is None:
        banner = BANNER
        say(banner, "bold yellow")
        say("  For real ones: atypica data fetch atnorm-br, or set ATYPICA_DATA to the folder that holds them.")
        figures = drawn_figures(out / "figures")
    show_source(figures)
    return deliver(loaded.classify(figures), out, report=report, title="atypica demonstration", banner=banner)


def real_figures() -> Figures | None:
    """AtNorM-Br, if it is on this machine."""
    try:
        return open_source(DATASET)
    except SourceError:
        return None


def drawn_figures(folder: Path) -> Figures:
    """Drawn figures in `folder`; those of an earlier demonstration are used again."""
    table = folder / "figures.csv"
    if table.is_file():
        return figures_from(read_table(table), folder, "drawn figures", (BANNER,))
    return draw_figures(folder, DRAWN, SEED)
