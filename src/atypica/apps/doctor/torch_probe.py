"""Imports PyTorch and its kin in a process of its own, where a crash hurts nobody, and tells as JSON what it saw."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

MODULES = ("torch", "torchvision", "timm")
"""Those that most often do not fit each other. The rest is slow to import, and its versions are checked anyway."""


def probe() -> dict[str, Any]:
    """`errors`: module to why it cannot be imported; `gpus`: names; `threads`: those that torch would use."""
    errors = {name: error for name in MODULES if (error := _error_of(name))}
    return {"errors": errors, **({} if "torch" in errors else _torch())}


def _error_of(name: str) -> str:
    try:
        import_module(name)
    except Exception as error:  # a broken binary fails in many ways
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ""


def _torch() -> dict[str, Any]:
    torch: Any = sys.modules["torch"]
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {"gpus": [str(torch.cuda.get_device_name(gpu)) for gpu in gpus], "threads": torch.get_num_threads()}


if __name__ == "__main__":
    print(json.dumps(probe()))  # noqa: T201
