"""The maps of a report lie where the evidence is, for every kind of heads, more inputs and ensembles.

The networks are made by hand: they find dark spots, so where the evidence lies is known.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny_model import tiny_card
from torch import nn

from atypica.apps.cli.classify import classify
from atypica.core.vocabulary import Subtype
from atypica.inference.bundle import write_bundle
from atypica.inference.card import Geometry
from atypica.models.ensemble import as_one
from atypica.models.heads import HARDNESS_CLASSES, HEADS, SIDE, Heads
from atypica.models.network import FigureNetwork, HierarchicalNetwork
from atypica.models.stem import TwoFields
from atypica.reporting.gallery import AMF_RGB
from atypica.training.graph import export_graph
from atypica.training.strangeness import StrangenessModel

SIZE, PLACES = 64, 8
MARGIN = 8
SPOT = 14
CORNERS = {"upper left": (0, 0), "upper right": (0, 1), "lower left": (1, 0), "lower right": (1, 1)}
TRAINED = {
    "separate": {"amf": 1, "disagreement": 1},
    "softmax": {"subtype": 8},
    "experts": {"votes": 3},
    "hardness": {"hardness": 4},
    "hierarchical": {"amf": 1},
}
NAMES = {
    "amf": ["AMF"],
    "subtype": [subtype.value for subtype in Subtype],
    "votes": ["expert 1", "expert 2", "expert 3"],
    "disagreement": ["disagreement"],
    "hardness": list(HARDNESS_CLASSES),
}


class Spots(nn.Module):
    """A backbone of two features at 8 x 8 places: how dark, or how dense in hematoxylin; and a constant."""

    num_features = 2

    def forward_features(self, channels):
        evidence = channels[:, 3:4] if channels.shape[1] > 3 else 1 - channels.mean(1, keepdim=True)
        places = nn.functional.avg_pool2d(evidence, SIZE // PLACES)
        return torch.cat([places, torch.ones_like(places)], dim=1)

    def forward_intermediates(self, channels, indices):
        features = self.forward_features(channels)
        return features, [features] * indices


def network(kind: str, *, hidden: int = 0, hed: bool = False, inner: float = 0.0, slope: float = 20.0) -> FigureNetwork:
    """The darker, the more atypical, by whatever the kind trains; the second feature pulls the other way."""
    backbone = TwoFields(Spots(), inner) if inner else Spots()
    options = {"hidden": hidden, "hed": hed}
    plain = (backbone, (0.0,) * 3, (1.0,) * 3)
    if kind == "hierarchical":
        specialists = [FigureNetwork(Spots(), Heads({"subtype": SIDE}), *plain[1:], hed=hed) for _ in range(2)]
        made = HierarchicalNetwork(specialists, backbone, Heads(TRAINED[kind]), *plain[1:], **options)
    else:
        made = FigureNetwork(backbone, HEADS[kind](TRAINED[kind]), *plain[1:], **options)
    signs = {"amf": [1], "disagreement": [-1], "votes": [1, 0.5, 2]}
    signs |= {"subtype": [-1, -1, -0.5, -1, 1, 1, 2, 1], "hardness": [-1, -1, 1, 0.5]}
    rows = torch.tensor([sign for name in made.heads.trained for sign in signs[name]])
    with torch.no_grad():
        if made.shared is not None:  # passes the features on
            made.shared.weight.copy_(torch.eye(hidden, made.width))
            made.shared.bias.fill_(5.0)
        made.head.weight.zero_()
        made.head.bias.zero_()
        for feature in range(0, made.head.in_features, 2):
            made.head.weight[:, feature] = slope * rows
            made.head.weight[:, feature + 1] = -rows
    return made.eval()


MODELS = {
    "separate": [network("separate")],
    "softmax, ensemble": [network("softmax", slope=slope) for slope in (10.0, 30.0)],
    "experts, shared layer, context and HED": [network("experts", inner=0.625, hed=True, hidden=4)],
    "hardness, context": [network("hardness", inner=0.5)],
    "hierarchical, HED": [network("hierarchical", hed=True)],
}
AT_ONCE = ("softmax, ensemble", "experts, shared layer, context and HED")
"""Between them they have every part; each of the others takes its own slow export."""
ALONE = tuple(name for name in MODELS if name not in AT_ONCE)


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> Path:
    """A spot the color of hematoxylin in one corner each, and one in the center."""
    folder = tmp_path_factory.mktemp("figures")
    for name, (down, right) in CORNERS.items():
        draw(folder / f"{name}.png", *(MARGIN if not side else SIZE - MARGIN - SPOT for side in (down, right)))
    draw(folder / "center.png", (SIZE - SPOT) // 2, (SIZE - SPOT) // 2)
    return folder


def draw(path: Path, top: int, left: int) -> None:
    crop = np.full((SIZE, SIZE, 3), (245, 240, 245), dtype=np.uint8)
    crop[top : top + SPOT, left : left + SPOT] = (60, 40, 110)
    Image.fromarray(crop).save(path)


def write_model(networks: list[FigureNetwork], path: Path) -> Path:
    joint = as_one(networks, "mean_probability").eval()
    with torch.inference_mode():
        statistics = networks[0].features_and_statistics(torch.rand(40, 3, SIZE, SIZE))[1].numpy()
    card = tiny_card().model_copy(
        update={
            "geometry": Geometry(field_um=SIZE / 4, size_px=SIZE),
            "heads": {name: NAMES[name] for name in joint.sizes},
        }
    )
    return write_bundle(path, export_graph(joint, StrangenessModel.fit(statistics), SIZE), card).path


def maps_of(report: Path) -> dict[str, np.ndarray]:
    """Opacity of what is drawn towards AMF, by figure: (h, w)."""
    pattern = (
        r'aria-label="([^"]+), p\(AMF\)[^"]*"><image id="c\d+"[^>]*/><g class="map">'
        r'<image id="m\d+" href="data:image/png;base64,([^"]+)"'
    )
    found = {}
    for name, coded in re.findall(pattern, report.read_text(encoding="utf-8")):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))).convert("RGBA")).astype(float)
        towards_amf = (pixels[..., :3] == AMF_RGB).all(-1)
        found[Path(name).stem] = pixels[..., 3] * towards_amf
    return found


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=() if name in AT_ONCE else pytest.mark.slow) for name in MODELS]
)
def test_the_report_draws_what_moved_the_model_where_it_lies(model, figures, tmp_path):
    bundle = write_model(MODELS[model], tmp_path / "bundle")
    classify(str(figures), out=tmp_path / "typed", model=str(bundle), mpp=0.25, views=1)
    maps = maps_of(tmp_path / "typed" / "report.html")
    assert set(maps) == {*CORNERS, "center"}
    for name, (down, right) in CORNERS.items():
        drawn = maps[name]
        half = len(drawn) // 2
        corner = drawn[half * down : half * (down + 1), half * right : half * (right + 1)]
        assert drawn.max() > 50
        assert corner.sum() > 0.9 * drawn.sum(), name
    center, quarter = maps["center"], len(maps["center"]) // 4
    assert center[quarter:-quarter, quarter:-quarter].sum() > 0.9 * center.sum()
    assert pd.read_csv(tmp_path / "typed" / "predictions.csv")["p_amf"].between(0, 1).all()
