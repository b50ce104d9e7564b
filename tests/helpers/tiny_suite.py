"""A suite that runs in seconds, on drawn figures."""

from __future__ import annotations

from typing import Any

SETTINGS = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=48", "split.train_on=train",
    "split.folds=2", "training.epochs=3", "training.batch_size=8", "training.ema_decay=0.5", "optimizer.lr=0.003",
    "distill.epochs=1", "distill.rounds=1",
]  # fmt: skip


def suite_values(**changes: Any) -> dict[str, Any]:
    """The plain values of a suite that runs in seconds."""
    return {
        "name": "tiny",
        "title": "Tiny",
        "data": "figures.csv",
        "settings": SETTINGS,
        "seeds": [3],
        "entries": [
            {"label": "plain", "recipe": "default"},
            {"label": "no noise", "recipe": "default", "settings": ["augment.noise=0.0"]},
            {"label": "to come", "recipe": "not-shipped-yet"},
        ],
        "tests": [
            {"name": "Inner", "split": "test"},
            {"name": "Other", "source": "other.csv"},
            {"name": "Left out", "left_out": True},
        ],
        "domains": ["scanner"],
        **changes,
    }
