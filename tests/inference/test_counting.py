"""What a detector or the model doubts can be left out of every count, and stays in the table with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_model import tiny_card

from atypica.core.errors import SettingsError, SourceError
from atypica.data.figures import figures_from
from atypica.inference.counting import LeftOut, Limits, counted, leave_out

SCORES = [0.9, 0.5, 0.4999, np.nan, 0.1, 0.2]
OOD = [0.2, 0.99, 0.991, 1.0, 0.5, np.nan]
FAILED = 5


def typed() -> pd.DataFrame:
    """Six figures, the last of which failed."""
    return pd.DataFrame(
        {"p_amf": [0.5] * FAILED + [np.nan], "prediction": ["AMF"] * 6, "detection_score": SCORES, "ood": OOD}
    )


def figures(**columns):
    return figures_from(pd.DataFrame({"image": list("ab"), **columns}), Path(), "test")


def test_without_limits_every_typed_figure_counts():
    table = leave_out(typed(), Limits())
    assert table["counted"].tolist() == [True] * FAILED + [False]
    assert table["left_out"].isna().all()
    assert not Limits()


def test_a_limit_is_inclusive_and_a_blank_is_not_beyond_it():
    table = leave_out(typed(), Limits(min_detection_score=0.5, max_ood=0.99))
    assert table["counted"].tolist() == [True, True, False, False, False, False]
    assert table["left_out"].tolist() == [
        None,
        None,
        "detection_score 0.4999 below 0.5; ood 0.991 above 0.99",
        "ood 1 above 0.99",
        "detection_score 0.1 below 0.5",
        None,
    ]
    assert len(table) == 6


def notes(limits: Limits) -> tuple[str, ...]:
    parts = [LeftOut.of(part, limits) for part in (typed().iloc[:2], typed().iloc[2:])]
    assert parts[0] + parts[1] == LeftOut.of(typed(), limits)
    return (parts[0] + parts[1]).notes(limits)


def test_what_is_left_out_is_said():
    assert notes(Limits(min_detection_score=0.5, max_ood=0.99)) == (
        "left out: 2 figures with a detection score below 0.5",
        "counted: 1 figure without a detection score",
        "left out: 2 figures with ood above 0.99",
    )
    assert notes(Limits()) == ()


@pytest.mark.parametrize("said", [[True, False, True], ["True", "False", "True"], [1.0, 0.0, 1.0]])
def test_a_table_read_back_counts_the_same(said):
    table = pd.DataFrame({"p_amf": [0.1, 0.2, np.nan], "counted": said})
    assert counted(table).tolist() == [True, False, False]
    assert counted(table.drop(columns="counted")).tolist() == [True, True, False]


def test_limits_are_checked_before_any_work():
    card, scored = tiny_card(), figures(detection_score=[0.5, None])
    assert Limits.of(scored, card, 0.5, "card") == Limits(0.5, 0.95)
    assert Limits.of(scored, card, None, "0.5") == Limits(None, 0.5)
    for bad in ("1.5", "-0.1", "nan", "high", 2):
        with pytest.raises(SettingsError, match="no limit of ood"):
            Limits.of(scored, card, None, bad)
    with pytest.raises(SettingsError, match="no least detection score"):
        Limits.of(scored, card, float("nan"), None)
    for without in (figures(), figures(detection_score=[None, None])):
        with pytest.raises(SettingsError, match="no detection scores"):
            Limits.of(without, card, 0.5, None)
    with pytest.raises(SettingsError, match="does not say how unlike"):
        Limits.of(scored, card.model_copy(update={"strangeness": None}), None, "card")


def test_what_a_detector_said_is_part_of_the_figure_table():
    table = figures(detection_score=["0.75", None], detection_class=["mitosis", " "]).table
    assert table["detection_score"].tolist()[0] == 0.75
    assert np.isnan(table["detection_score"][1])
    assert table["detection_class"].tolist() == ["mitosis", None]
    with pytest.raises(SourceError, match=r"'detection_score'.*not a number.*row 3: 'high'"):
        figures(detection_score=["0.75", "high"])
