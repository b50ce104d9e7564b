"""A study of drawn figures, typed by the tiny model, and the page on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'web' is not installed")


@pytest.fixture(scope="session")
def typed(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A folder of results, the 36 drawn figures (5 cases; the last one broken) beside it."""
    from atypica.data.drawn import draw_figures
    from atypica.data.figures import figures_from, read_table
    from atypica.inference.model import load_model

    home = tmp_path_factory.mktemp("study")
    draw_figures(home / "figures", 36, 5, cases=5, size=64)
    (home / "figures" / "images" / "drawn_00036.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    figures = figures_from(read_table(home / "figures" / "figures.csv"), home / "figures", "drawn")
    load_model(tiny_bundle).classify(figures, threads=1).write(home / "results")
    return home / "results"


@pytest.fixture(scope="session")
def result(typed: Path, tiny_bundle: Path) -> Any:
    from atypica.inference.model import load_model
    from atypica.inference.saved import open_result

    return open_result(typed, load_model(tiny_bundle))


@pytest.fixture
def review(result: Any, tmp_path: Path) -> Callable[..., Any]:
    """Open the study; the votes of one test stay over any number of openings."""
    from atypica.apps.web.review.storage.database import open_database
    from atypica.apps.web.review.study import Review

    def call(*, blinded: bool = False, name: str = "drawn", database: Path | str = tmp_path / "votes.sqlite") -> Review:
        engine = open_database(database)
        return Review.open(name, result, engine, tmp_path / "pictures", maps=True, blinded=blinded)

    return call


@pytest.fixture
def visitor(review: Callable[..., Any]) -> Callable[..., Any]:
    """A reader's browser on a study."""
    from review_visitor import Visitor

    from atypica.apps.web.bind import Bind
    from atypica.apps.web.review.app import create_app

    def call(study: Any = None, token: str | None = None) -> Visitor:
        return Visitor(create_app(study or review(), Bind("127.0.0.1", None)), token)

    return call


@pytest.fixture
def ann(visitor: Callable[..., Any]) -> Any:
    """The one reader who needs no token."""
    return visitor()
