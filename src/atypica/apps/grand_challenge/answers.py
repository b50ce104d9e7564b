"""The answers in the challenge's form: one object a page, in page order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import numpy as np
import pandas as pd

from atypica.apps.grand_challenge.interface import CLASSES
from atypica.core.vocabulary import Label

NAMES = dict(zip((Label.NMF.value, Label.AMF.value), CLASSES, strict=True))
STEP, DECIMALS = 1e-6, 6
Answer = TypedDict("Answer", {"class": str, "confidence": float})


def answers_of(predictions: pd.DataFrame, threshold: float) -> list[Answer]:
    """The class that was called, and the calibrated P(atypical), of every row; `neutral` where a row was not typed."""
    rows: Iterable[tuple[float, str]] = zip(predictions["p_amf"], predictions["prediction"], strict=True)
    return [
        neutral(threshold) if np.isnan(p) else {"class": NAMES[called], "confidence": float(p)} for p, called in rows
    ]


def neutral(threshold: float) -> Answer:
    """What to say of a page that cannot be read: the commoner class, as close to the threshold as it gets.

    At the threshold of the best balanced accuracy both classes explain a figure equally well, so P(atypical) there is
    what one knows without having seen it. Where everything is called atypical (threshold 0), so is this page.
    """
    if threshold <= 0:
        return {"class": CLASSES[1], "confidence": 0.0}
    return {"class": CLASSES[0], "confidence": max(0.0, round(threshold - STEP, DECIMALS))}
