"""Templates to HTML."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any, cast

from jinja2 import Environment

from atypica.apps.web.review.ballot import Call
from atypica.core.vocabulary import Subtype
from atypica.reporting.pages import environment

SUBTYPE_KEYS = {subtype: str(number) for number, subtype in enumerate(Subtype, start=1)}
"""The key that labels a figure with a subtype, and so with its side."""
CALL_KEYS = {Call.NMF: "n", Call.AMF: "a", Call.UNSURE: "u", Call.NOT_MITOSIS: "x"}


def page(template: str, **content: Any) -> str:
    """A template filled in."""
    return _environment().get_template(template).render(**content)


@cache
def _environment() -> Environment:
    found = environment("atypica.apps.web.review")
    found.filters["side"] = _side
    cast("dict[str, Any]", found.globals).update(
        version=version("atypica"),
        Call=Call,
        Subtype=Subtype,
        call_keys=CALL_KEYS,
        subtype_keys=SUBTYPE_KEYS,
    )
    return found


def _side(share: float | None) -> str:
    """A share as a length in SVG."""
    return f"{100 * min(max(share or 0.0, 0.0), 1.0):.2f}%"
