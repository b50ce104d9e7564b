"""`atypica review`: a local page on which figures are looked at, labeled and exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from atypica.apps.cli.classify import prepare_folder
from atypica.apps.cli.screen import counted, say, show_files, show_result, show_source
from atypica.core.errors import MissingExtraError, SettingsError
from atypica.core.tables import PARQUET, check_table_name, write_table
from atypica.data.sources import open_source
from atypica.inference.model import Model, load_model
from atypica.inference.result import Result
from atypica.inference.saved import is_result, open_result, typed_by

if TYPE_CHECKING:
    from atypica.apps.web.review.study import Review

PORT = 8765
DATABASE = "review.sqlite"
PICTURES = "review-pictures"
DRAWN = "These figures are drawn by a program, not photographed: they show how the page works, nothing else."


def review(
    result: str,
    *,
    source: str | None = None,
    out: Path = Path("atypica-review"),
    reader: list[str] | None = None,
    new_token: list[str] | None = None,
    blind: bool = False,
    export: Path | None = None,
    model: Path | None = None,
    mpp: float | None = None,
    database: str | None = None,
    study: str | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
) -> int:
    """Look at typed figures in the browser, and label them. Research use only, not a medical device.

    Listens on this machine alone; any other address demands readers with tokens. Votes are kept in review.sqlite
    beside the results; none is ever changed. Ctrl-C stops the page; the same command takes it up again.

    Parameters
    ----------
    result
        A folder that 'atypica classify' wrote; or figures (folder, image, table, dataset), which are typed first.
    source
        What was typed, where a result's images are not found in or beside it.
    out
        Where results go if figures are typed first.
    reader
        A reader, who gets a token of their own; give it once for each. Without, there is one reader, and no token.
    new_token
        Make a new token for a reader who has lost theirs.
    blind
        Hide the model's opinion of a figure until the reader has called it.
    export
        Write the figures with all votes to this table (.csv or .parquet), and do not start the page.
    model
        The model bundle that typed, or is to type, the figures; the one that comes with atypica if not given.
    mpp
        Micrometers per pixel, as it was given to classify.
    database
        Another SQLite file, or a PostgreSQL URL (postgresql://user@host/name).
    study
        The name under which the votes are kept; one database may hold several. The folder's name if not given.
    host
        The address to listen on.
    port
        The port; 0 for a free one.
    """
    try:
        from atypica.apps.web.review.serve import check_access, serve
        from atypica.apps.web.review.storage.database import open_database
        from atypica.apps.web.review.study import Review
    except ImportError as error:
        raise MissingExtraError("atypica review", "web") from error
    if export:
        check_table_name(export)
    loaded = load_model(model)
    typed, folder = _typed(result, source, out, loaded, mpp)
    engine = open_database(database if database and "://" in database else Path(database or folder / DATABASE))
    explained = typed_by(typed, loaded)
    page = Review.open(
        study or folder.resolve().name,
        typed,
        engine,
        folder / PICTURES,
        maps=explained,
        blinded=blind,
        banner=DRAWN if set(typed.predictions.get("dataset", ())) == {"drawn"} else "",
    )
    if export:
        return _export(page, export)
    if not explained:
        say("Another model typed these figures: its maps are not shown (give it with --model).", "yellow")
    tokens = {name: page.readers.admit(name) for name in reader or ()}
    tokens |= {name: page.readers.admit(name, fresh=True) for name in new_token or ()}
    bind = check_access(page, host)
    serve(page, bind, port, lambda address: _greet(page, address, tokens))
    return 0


def _typed(given: str, source: str | None, out: Path, model: Model, mpp: float | None) -> tuple[Result, Path]:
    """A result and its folder: read back, or made of figures that are given in its place."""
    folder = Path(given).expanduser()
    if is_result(folder):
        return open_result(folder, model, source=open_source(source) if source else None, mpp=mpp), folder
    if is_result(out):
        raise SettingsError(
            f"{out} holds results already", f"say 'atypica review {out}' to go on with them, or choose another --out"
        )
    figures = open_source(given)
    prepare_folder(out)
    show_source(figures)
    result = model.classify(figures, mpp=mpp)
    show_result(result)
    show_files(list(result.write(out)))
    return result, out


def _export(page: Review, path: Path) -> int:
    from atypica.apps.web.review.export import figure_table, without_formulas

    standing, names = page.votes.all_standing(), page.readers.names()
    voted = {who: name for who, name in names.items() if who in standing and standing[who].votes}
    table = figure_table(page.catalog, page.result.figures, standing, voted, folder=path.parent)
    write_table(table if path.suffix.lower() in PARQUET else without_formulas(table), path)
    say(f"{counted(len(table), 'figure')} with a label, by {counted(len(voted), 'reader')}")
    show_files([path])
    return 0


def _greet(page: Review, address: str, tokens: dict[str, str | None]) -> None:
    say(f"{page.name}: {counted(len(page.catalog), 'figure')}, {counted(len(page.catalog.cases), 'case')}", "bold")
    say(f"Open {address}" + (" and give your token" if page.readers.demand_tokens() else ""), "bold")
    for name, token in tokens.items():
        if token:
            say(f"  {name}: {address}enter?token={token}  (shown once; for {name} alone)")
        else:
            say(f"  {name} has a token already; --new-token {name} makes another")
    if page.readers.demand_tokens():
        say("  The connection is not encrypted: from other machines, use a proxy with TLS.")
    if page.blinded:
        say("  Blinded: the model's opinion of a figure is hidden until it has been called.")
    say("Ctrl-C stops. Research use only, not a medical device.", "dim")
