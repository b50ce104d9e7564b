"""The pipeline keeps every row, in order, whatever the threads, batches and failures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atypica.core.errors import FigureError, SettingsError
from atypica.data.figures import figures_from
from atypica.inference.bundle import read_bundle
from atypica.inference.classifier import OnnxClassifier
from atypica.inference.crops import Crop, CropSource
from atypica.inference.pipeline import AHEAD, Plan, in_order, run
from atypica.inference.resolution import Origin, Resolution


class Greys(CropSource):
    """Row r is a crop of brightness r, read slower at the front; every seventh cannot be read."""

    def __init__(self, fail=lambda row: row % 7 == 3):
        self.fail = fail
        self.closed = False

    def read(self, row: int) -> Crop:
        time.sleep(0.002 if row < 5 else 0)
        if self.fail(row):
            raise FigureError(f"row {row} is bad", "mend it")
        return Crop(np.full((80, 80, 3), row, np.uint8), None)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return OnnxClassifier(read_bundle(tiny_bundle))


def resolution(count: int) -> Resolution:
    return Resolution(figures_from(pd.DataFrame({"image": [str(i) for i in range(count)]}), Path(), "test"), None)


@settings(deadline=None, max_examples=20)
@given(count=st.integers(1, 60), threads=st.integers(1, 4), batch=st.integers(1, 16))
def test_rows_stay_in_order_and_failures_in_their_place(classifier, count, threads, batch):
    crops = Greys()
    columns = run(classifier, crops, resolution(count), count, Plan(1, threads, batch))
    failed = np.array([row % 7 == 3 for row in range(count)])
    amf = columns.outputs["amf"][:, 0]
    np.testing.assert_allclose(amf[~failed], 4 - 8 * np.arange(count)[~failed] / 255, atol=1e-4)
    assert np.isnan(amf[failed]).all()
    assert [bool(error) for error in columns.errors] == failed.tolist()
    assert all(f"row {row} is bad -> mend it" == columns.errors[row] for row in np.flatnonzero(failed))
    assert [origin is Origin.ASSUMED for origin in columns.origins] == (~failed).tolist()
    assert crops.closed


def test_all_failed_gives_blank_columns(classifier):
    columns = run(classifier, Greys(lambda _: True), resolution(4), 4, Plan(threads=2))
    assert np.isnan(columns.outputs["amf"]).all()
    assert None not in columns.errors


def test_too_small_a_crop_is_an_error_of_its_row(classifier):
    class Tiny(Greys):
        def read(self, row: int) -> Crop:
            return Crop(np.zeros((1, 1, 3) if row else (80, 80, 3), np.uint8), None)

    columns = run(classifier, Tiny(), resolution(2), 2, Plan(threads=1))
    assert columns.errors[0] is None
    assert "1x1 px" in str(columns.errors[1])


def test_little_waits():
    """However many figures there are, only a few batches are decoded ahead of the one that is taken."""
    started: list[int] = []

    def work(job: int) -> int:
        started.append(job)
        return job

    results = in_order(work, range(1000), threads=2)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(started) <= 2 * AHEAD + 1
    assert list(results) == list(range(1, 1000))


def test_a_fault_stops_the_rest():
    done = []

    def work(job: int) -> int:
        if job == 3:
            raise ValueError("fault")
        done.append(job)
        return job

    with pytest.raises(ValueError, match="fault"):
        list(in_order(work, range(1000), threads=2))
    assert len(done) < 50


@pytest.mark.parametrize(("name", "value"), [("threads", 0), ("batch", 0), ("threads", -2)])
def test_impossible_plans(name, value):
    with pytest.raises(SettingsError, match=f"--{name} {value}"):
        Plan(**{name: value})
