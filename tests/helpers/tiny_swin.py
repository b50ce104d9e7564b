"""A Swin small enough for tests: timm has none among its `test_*` networks."""

from __future__ import annotations

import timm
from timm.models.swin_transformer import SwinTransformer

SMALL = {"embed_dim": 16, "depths": (1, 1, 2, 1), "num_heads": (1, 1, 2, 2)}
NAME = "swin_tiny_patch4_window7_224"


def shrink_swin(monkeypatch) -> str:
    """Let timm's Swin-T be built with few channels and blocks while the patch holds; returns its name."""
    create = timm.create_model

    def small(name, **options):
        return create(name, **options, **(SMALL if name == NAME else {}))

    monkeypatch.setattr(timm, "create_model", small)
    assert isinstance(small(NAME, pretrained=False), SwinTransformer)
    return NAME
