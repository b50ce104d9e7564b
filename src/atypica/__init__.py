"""atypica types mitotic figures in H&E histology: normal or atypical. Research use only, not a medical device.

>>> import atypica
>>> model = atypica.load_model()  # doctest: +SKIP
>>> result = model.classify("figures/")  # doctest: +SKIP
>>> result.cases()  # doctest: +SKIP
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atypica.core.errors import AtypicaError as AtypicaError
    from atypica.data.figures import Figures as Figures
    from atypica.data.sources import open_source as open_source
    from atypica.inference.model import Model as Model
    from atypica.inference.model import load_model as load_model
    from atypica.inference.parts.shards import classify_shards as classify_shards
    from atypica.inference.result import Result as Result

__version__ = "0.1.0"

# From 1.29 on, ONNX Runtime reports its use to its maker unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "AtypicaError": "atypica.core.errors",
    "Figures": "atypica.data.figures",
    "Model": "atypica.inference.model",
    "Result": "atypica.inference.result",
    "classify_shards": "atypica.inference.parts.shards",
    "load_model": "atypica.inference.model",
    "open_source": "atypica.data.sources",
}
"""The public names, and the modules that are loaded when they are first used."""

__all__ = [
    "AtypicaError",
    "Figures",
    "Model",
    "Result",
    "__version__",
    "classify_shards",
    "load_model",
    "open_source",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'atypica' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
