"""What every test shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: how long an example takes is not asserted.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


LONG = ("test_project.py", "training", "benchmark", "apps", "models")
"""Where long tests stand; they begin first, so that no processor waits for the last of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the files with long tests forward; the order within a file stays."""
    long = [Path(__file__).parent / name for name in LONG]
    items.sort(key=lambda item: next((n for n, place in enumerate(long) if item.path.is_relative_to(place)), len(long)))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data: `ATYPICA_DATA`, else `../shared/data` beside the checkout."""
    home = Path(os.environ.get("ATYPICA_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (home / "AMi-Br").is_dir():
        pytest.skip(f"no real data at {home}: set ATYPICA_DATA to a folder that holds AMi-Br/")
    return home


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model bundle that calls dark crops atypical."""
    from tiny_model import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle").path
