"""A tiny benchmark on drawn figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from drawn_table import write_drawn_table
from threads import one_thread  # noqa: F401
from tiny_suite import suite_values


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """A folder: `figures.csv` with train and test, and `other.csv`, three of whose figures also train, one twice."""
    folder = tmp_path_factory.mktemp("drawn")
    path = write_drawn_table(folder, 110, tested=4)
    _other(folder, pd.read_csv(path))
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
