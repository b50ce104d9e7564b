"""Which model a container uses: the one asked for, the one that the platform brings, or the one inside."""

from __future__ import annotations

from pathlib import Path

from atypica.core.errors import BundleError
from atypica.inference.bundle import CARD

WEIGHTS = Path("/opt/ml/model")
"""Where the platform unpacks a model that was uploaded apart from the container."""


def choose_bundle(model: Path | None, weights: Path = WEIGHTS) -> Path | None:
    """`model` if given, else the bundle under `weights`, else None for the one that comes with atypica.

    Raises:
        BundleError: `weights` holds files, but not exactly one bundle: an upload is never passed over in silence.
    """
    if model is not None:
        return model
    try:
        inside = sorted(path for path in weights.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BundleError(f"cannot look into {weights}: {error.strerror}", "make it readable for all") from error
    if not inside:
        return None
    if (weights / CARD).is_file():
        return weights
    bundles = [path for path in inside if path.suffix.lower() == ".zip" or (path / CARD).is_file()]
    if len(bundles) != 1:
        found = ", ".join(path.name for path in inside[:5])
        raise BundleError(
            f"{weights} has {len(bundles) or 'no'} model bundle{'' if len(bundles) == 1 else 's'} (there is: {found})",
            "upload one bundle (model.onnx and card.json, or one zip of them), or none",
        )
    return bundles[0]
