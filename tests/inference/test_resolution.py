"""The resolution is taken from the nearest place that says it, and an assumption is always said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from atypica.core.errors import FigureError, SettingsError
from atypica.data.figures import figures_from
from atypica.inference.resolution import Origin, Resolution
from atypica.inference.resolution_tally import ResolutionTally


def figures(mpp=None):
    table = pd.DataFrame({"image": ["a", "b"]})
    return figures_from(table if mpp is None else table.assign(mpp=mpp), Path(), "test")


@pytest.mark.parametrize(
    ("column", "given", "tag", "expected"),
    [
        ([0.23, None], 0.3, 0.4, (0.23, Origin.COLUMN)),
        (None, 0.3, 0.4, (0.3, Origin.GIVEN)),
        ([None, 0.23], 0.3, 0.4, (0.3, Origin.GIVEN)),
        (None, None, 0.4, (0.4, Origin.TAG)),
        (None, None, None, (0.25, Origin.ASSUMED)),
    ],
)
def test_precedence(column, given, tag, expected):
    assert Resolution(figures(column), given).of(0, tag) == expected


@pytest.mark.parametrize("wrong", [0.0, -0.25, 250.0, float("inf")])
def test_impossible_numbers(wrong):
    with pytest.raises(SettingsError, match="not possible"):
        Resolution(figures(), wrong)
    if np.isfinite(wrong):
        with pytest.raises(FigureError, match="column 'mpp'"):
            Resolution(figures([wrong, 0.25]), None).of(0, None)


def test_nan_given_is_refused():
    with pytest.raises(SettingsError):
        Resolution(figures(), float("nan"))


def test_notes_name_every_origin_and_the_assumption():
    origins = [Origin.COLUMN, Origin.COLUMN, Origin.ASSUMED, None]
    notes = ResolutionTally.of(np.array([0.23, 0.26, 0.25, np.nan]), origins).notes
    assert len(notes) == 2
    assert "0.23 to 0.26" in notes[0]
    assert "2 figures" in notes[0]
    assert "assumed (1 figure)" in notes[1]
    assert "--mpp" in notes[1]


def test_tallies_of_parts_add_up_to_that_of_the_whole():
    mpp = np.array([0.23, np.nan, 0.26, 0.25, 0.5])
    origins = [Origin.COLUMN, None, Origin.COLUMN, Origin.ASSUMED, Origin.SLIDE]
    parts = [
        ResolutionTally.of(mpp[:2], origins[:2], {"a": (0.25, 0.5)}),
        ResolutionTally.of(mpp[2:], origins[2:], {"b": (0.2, 0.5)}),
    ]
    joined = ResolutionTally()
    for part in parts:
        joined.add(ResolutionTally.from_json(json.loads(json.dumps(part.to_json()))))
    assert joined.notes == ResolutionTally.of(mpp, origins, {"a": (0.25, 0.5), "b": (0.2, 0.5)}).notes
    assert len(joined.notes) == 5
