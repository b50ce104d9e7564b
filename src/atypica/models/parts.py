"""Weights in several safetensors files, as the hub has those of large models: an index says where each tensor is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from safetensors.torch import load_file
from torch import Tensor

from atypica.core.errors import SettingsError

INDEX = "model.safetensors.index.json"
SUFFIX = ".safetensors.index.json"
_AGAIN = "get the whole folder again: the index and every part"


def part_names(index: Path) -> list[str]:
    """The files beside an index that hold its tensors.

    Raises:
        SettingsError: it is no index, or names a file that does not lie beside it.
    """
    return sorted(set(_places(index).values()))


def load_parts(index: Path) -> dict[str, Tensor]:
    """All tensors of an index, each from the part that it names.

    Raises:
        SettingsError: as `part_names`; a part, or a tensor in it, is missing.
        SafetensorError: a part is damaged.
    """
    places, state = _places(index), dict[str, Tensor]()
    for name in sorted(set(places.values())):
        part = index.with_name(name)
        if not part.is_file():
            raise SettingsError(f"{index.name} names {name}, which does not lie beside it", _AGAIN)
        state |= load_file(part)
    if missing := [tensor for tensor in places if tensor not in state]:
        raise SettingsError(f"{index.name} names '{missing[0]}', which no part of it holds", _AGAIN)
    return {tensor: state[tensor] for tensor in places}


def _places(index: Path) -> dict[str, str]:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = cast("dict[str, str]", places).values()
        if names and all(name == Path(name).name and name.endswith(".safetensors") for name in names):
            return places  # of any other folder nothing is read
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise SettingsError(f"{index} is no index of safetensors files", _AGAIN)
