"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The counters of one server, in a registry of their own.

    Args:
        batch: the most figures of a batch.
        depth: gives how many crops wait.
    """

    def __init__(self, batch: int, depth: Callable[[], float]) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "atypica_requests", "Requests answered.", ["method", "path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "atypica_request_seconds",
            "Time to answer, from the first byte on.",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self.figures = Counter("atypica_figures", "Figures answered.", ["outcome"], registry=registry)
        self.batch = Histogram(
            "atypica_batch_figures", "Figures of a batch.", buckets=range(1, batch + 1), registry=registry
        )
        self.under_way = Gauge("atypica_requests_under_way", "Requests to classify under way.", registry=registry)
        self.queue = Gauge(
            "atypica_queue_crops", "Crops (figures times views) that wait for a worker.", registry=registry
        )
        self.queue.set_function(depth)
        for outcome in ("typed", "failed"):
            self.figures.labels(outcome)
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self._registry)
