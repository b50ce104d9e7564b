"""The field of view, in micrometers or as a share of the usual crop."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import BeforeValidator

from atypica.inference.card import Geometry

CROP_UM = 32.0
"""Side of the usual crop: 128 px at 0.25 um/px."""


def in_micrometers(values: Any) -> Any:
    """`fraction` of the usual crop, where it is given, as `field_um`."""
    if not isinstance(values, dict) or "fraction" not in values:
        return cast(Any, values)
    given = cast(dict[str, Any], values)
    fraction = given["fraction"]
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or fraction <= 0:
        raise ValueError("'fraction' must be a number above 0: the share of the side of a 32 um crop")
    others = {key: value for key, value in given.items() if key != "fraction"}
    return {**others, "field_um": round(CROP_UM * fraction, 6)}


RecipeGeometry = Annotated[Geometry, BeforeValidator(in_micrometers)]
"""`field_um` or `fraction` (which takes its place where both are given), and `size_px`; kept in micrometers."""
