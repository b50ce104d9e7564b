"""A tiny benchmark on drawn figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from tiny_suite import EASY, suite_values

from atypica.data.drawn import draw_figures


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """A folder: `figures.csv` with train and test, and `other.csv`, three of whose figures also train, one twice."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_figures(folder, 110, seed=1, amf_rate=0.4, mix=EASY)
    figures = pd.read_csv(folder / "figures.csv")
    cases = sorted(figures["case"].unique())
    figures["split"] = np.where(figures["case"].isin(cases[:4]), "test", "train")
    figures.to_csv(folder / "figures.csv", index=False)
    _other(folder, figures)
    return folder


def _other(folder: Path, figures: pd.DataFrame) -> None:
    """The test figures under other names and without cases, one of them twice; and three that train."""
    test, train = figures[figures["split"] == "test"], figures[figures["split"] == "train"]
    other = pd.concat([test, test.iloc[:1], train.iloc[:3]])[["image", "label", "mpp"]]
    other = other.assign(figure_id=[f"other-{row}" for row in range(len(other))])
    other.to_csv(folder / "other.csv", index=False)


@pytest.fixture(scope="session")
def suite_path(drawn) -> Path:
    """The suite as a file beside the figures."""
    path = drawn / "suite.yaml"
    path.write_text(yaml.safe_dump(suite_values()), encoding="utf-8")
    return path
