"""What every HTML page of ours is rendered with."""

from __future__ import annotations

from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from atypica.reporting.numbers import FILTERS


@cache
def environment(package: str = "atypica.reporting") -> Environment:
    """Jinja over a package's templates, with our filters: text is escaped, and an unknown name is an error."""
    found = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(FILTERS)
    return found


def template_text(name: str) -> str:
    """A file of the templates as it stands, such as a style sheet."""
    return resources.files("atypica.reporting").joinpath("templates", name).read_text(encoding="utf-8")
