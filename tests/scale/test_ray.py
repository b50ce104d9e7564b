"""Jobs by Ray on a cluster of several machines: the same results, and nothing lost to a kill, even of a machine."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from doubling import Make, begun

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from ray.cluster_utils import Cluster  # noqa: E402

from atypica.core.errors import FigureError, SettingsError  # noqa: E402
from atypica.scale.open import open_executor  # noqa: E402


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that does no work, and two machines of one core each."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "helpers"))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        yield cluster
        cluster.shutdown()


def test_a_cluster_does_all_jobs_though_workers_and_a_machine_are_lost(cluster: Any, tmp_path: Path) -> None:
    first = cluster.add_node(num_cpus=1)
    jobs = ["waits 1", "waits 2", *range(6), "refused", "dies once"]
    said: list[str] = []

    with open_executor(cluster.address, workers=2, say=said.append) as executor, ThreadPoolExecutor(1) as threads:
        working = threads.submit(lambda: {done.job: done for done in executor.map(Make(tmp_path), jobs)})
        _until(lambda: begun(tmp_path, "waits 1"))
        cluster.add_node(num_cpus=1)
        _until(lambda: begun(tmp_path, "waits 2"))
        cluster.remove_node(first, allow_graceful=False)
        _until(lambda: not Path(f"/proc/{begun(tmp_path, 'waits 1')[0]}").exists())
        (tmp_path / "go on").touch()
        found = working.result()
    assert said[0] == "Ray: machines 2, room for workers 1, wanted 2"
    assert sorted(map(str, found)) == sorted(map(str, jobs))
    assert [found[number].value() for number in range(6)] == [0, 2, 4, 6, 8, 10]
    assert len(found["waits 1"].lost) == 1
    assert len(begun(tmp_path, "waits 1")) == 2
    assert len(begun(tmp_path, "waits 2")) == 1
    assert len(found["dies once"].lost) == 1
    assert found["dies once"].error is None
    assert isinstance(found["refused"].error, FigureError)


def test_a_cluster_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(SettingsError, match=r"no Ray cluster at 127\.0\.0\.1:1"), open_executor("127.0.0.1:1"):
        pass


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
