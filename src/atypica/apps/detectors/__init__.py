"""Detectors of mitotic figures that others have made, each behind its own package. A second one is one more file."""

from __future__ import annotations

from collections.abc import Callable

from atypica.apps.detectors.detector import Detector, DetectorOptions
from atypica.core.errors import SettingsError

DETECTORS: dict[str, str] = {"kongnet": "atypica.apps.detectors.kongnet"}
"""Name to module; a module has `make`, a function from `DetectorOptions` to a `Detector`."""


def make_detector(name: str, options: DetectorOptions) -> Detector:
    """The detector of a name, ready to run.

    Raises:
        SettingsError: there is none of that name.
        MissingExtraError: its package is not installed.
        DetectorError: it cannot be made ready.
    """
    from importlib import import_module

    if name not in DETECTORS:
        raise SettingsError(f"there is no detector '{name}'", f"choose {', '.join(DETECTORS)}")
    make: Callable[[DetectorOptions], Detector] = import_module(DETECTORS[name]).make
    return make(options)
