"""A bundle in int8: which layers, which weights, how far its answers moved, and what its card says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import numpy_helper
from PIL import Image
from tiny_convolutions import CONVOLUTIONS, convolutional_graph, write_convolutional_bundle
from tiny_model import write_tiny_bundle

from atypica.apps.cli.quantize import quantize
from atypica.core.errors import BundleError, ExitCode, SettingsError, SourceError
from atypica.inference.bundle import read_bundle
from atypica.inference.model import Model
from atypica.training.quantization import chosen_nodes, quantized
from atypica.training.recipe import load_recipe
from atypica.training.start import starting_bundle

KEPT = 2


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(1).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def int8(crops):
    return onnx.load_from_string(quantized(convolutional_graph(), crops, KEPT)).graph


def test_the_first_convolutions_and_the_heads_stay_float(int8):
    made = {name: node for node in int8.node for name in node.output}
    by_integers = [
        node.name
        for node in int8.node
        if node.op_type in {"Conv", "MatMul", "Add"} and made.get(node.input[1], node).op_type == "DequantizeLinear"
    ]
    assert sorted(by_integers) == [*CONVOLUTIONS[KEPT:], "sum"]


def test_only_sums_before_a_convolution_are_chosen():
    nodes = onnx.load_from_string(convolutional_graph()).graph.node
    assert chosen_nodes(nodes, 2) == ["conv2", "clip2", "conv3", "clip3", "sum", "conv4", "clip4", "conv5", "clip5"]


def test_weights_are_seven_bits_with_a_scale_for_each_channel(int8):
    parts = {part.name: numpy_helper.to_array(part) for part in int8.initializer}
    stored, scale = parts["conv3.weight_quantized"], parts["conv3.weight_scale"]
    wanted = next(p for p in onnx.load_from_string(convolutional_graph()).graph.initializer if p.name == "conv3.weight")
    weight = numpy_helper.to_array(wanted)
    assert stored.dtype == np.int8
    assert np.abs(stored).max() <= 64
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    np.testing.assert_allclose(scale, 2 * largest / 127, rtol=0.02)
    np.testing.assert_array_equal(stored, np.rint(weight / scale[:, None, None, None]))


def test_weights_of_eight_bits_lie_nearer(crops):
    weight = numpy_helper.to_array(
        next(p for p in onnx.load_from_string(convolutional_graph()).graph.initializer if p.name == "conv3.weight")
    )
    off = []
    for bits in (7, 8):
        graph = onnx.load_from_string(quantized(convolutional_graph(), crops[:4], KEPT, bits)).graph
        parts = {part.name: numpy_helper.to_array(part) for part in graph.initializer}
        back = parts["conv3.weight_quantized"] * parts["conv3.weight_scale"][:, None, None, None]
        off.append(np.abs(back - weight).mean())
    assert 1.6 < off[0] / off[1] < 2.4


def test_twice_is_refused_and_so_is_a_network_without_convolutions(crops, tmp_path):
    with pytest.raises(BundleError, match="quantized already"):
        quantized(quantized(convolutional_graph(), crops[:4], KEPT), crops)
    with pytest.raises(BundleError, match="0 convolutions"):
        quantized(write_tiny_bundle(tmp_path / "tiny").onnx, crops)


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> Path:
    """40 crops; those of the test part are of another kind, so that it shows if they are taken."""
    folder = tmp_path_factory.mktemp("figures")
    random = np.random.default_rng(2)
    for number in range(40):
        levels = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(levels).resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    rows = {"image": [f"{n}.png" for n in range(40)], "mpp": 0.25, "split": ["train"] * 32 + ["test"] * 8}
    pd.DataFrame(rows).to_csv(folder / "figures.csv", index=False)
    return folder / "figures.csv"


@pytest.fixture(scope="module")
def made(tmp_path_factory, figures):
    """The float32 bundle, the int8 one beside it."""
    folder = tmp_path_factory.mktemp("bundles")
    before = write_convolutional_bundle(folder / "float")
    status = quantize(str(before.path), data=str(figures), out=folder / "int8.zip", figures=20, keep=KEPT)
    assert status == ExitCode.OK
    return before, read_bundle(folder / "int8.zip")


def test_the_card_says_what_it_is_and_claims_no_metrics(made):
    before, after = made
    told = after.card.quantization
    assert told.arithmetic == "int8"
    assert told.float32_sha256 == before.card.onnx_sha256 != after.card.onnx_sha256
    assert (told.figures, told.checked_figures, told.kept_float32, told.weight_bits) == (20, 12, KEPT, 7)
    assert "atypica calibrate" in told.note
    assert after.card.version == "1+int8"
    assert list(after.card.metrics) == ["a test (float32 model)"]
    assert after.card.thresholds == before.card.thresholds
    assert after.card.calibration == before.card.calibration
    assert after.trained_on == before.trained_on
    assert b"quantization" not in (before.path / "card.json").read_bytes()


def test_the_differences_on_the_card_are_those_of_typing(made, figures):
    before, after = made
    p = [Model(bundle).classify(str(figures)).predictions["p_amf"].to_numpy()[:32] for bundle in made]
    off = np.abs(p[1] - p[0])
    told = after.card.quantization
    assert 0 < told.largest_difference < 0.2
    assert told.largest_difference == pytest.approx(off.max(), abs=1e-4)
    assert told.mean_difference == pytest.approx(off.mean(), abs=1e-4)
    assert told.changed_calls == int(((p[0] >= 0.5) != (p[1] >= 0.5)).sum())
    assert len(after.onnx) < len(before.onnx) * 1.6  # tiny weights: the notes of the scales weigh more


def test_a_figure_that_cannot_be_read_is_told(tmp_path, figures, capsys):
    rows = pd.read_csv(figures).drop(columns="split").head(8)
    rows["image"] = [str(figures.parent / name) for name in rows["image"]]
    rows.loc[3, "image"] = str(tmp_path / "missing.png")
    rows.to_csv(tmp_path / "some.csv", index=False)
    start = write_convolutional_bundle(tmp_path / "float")
    status = quantize(str(start.path), data=str(tmp_path / "some.csv"), out=tmp_path / "out", figures=8, keep=KEPT)
    assert status == ExitCode.SOME_FAILED
    assert "1 figure could not be read" in capsys.readouterr().err
    told = read_bundle(tmp_path / "out").card.quantization
    assert (told.figures, told.checked_figures) == (7, 0)


def test_what_cannot_be_is_refused(tmp_path, figures):
    start = str(write_convolutional_bundle(tmp_path / "float").path)
    with pytest.raises(SettingsError, match="the bundle to start from"):
        quantize(start, data=str(figures), out=Path(start))
    with pytest.raises(SettingsError, match="--figures 0"):
        quantize(start, data=str(figures), out=tmp_path / "out", figures=0)
    pd.DataFrame({"image": [str(tmp_path / "missing.png")]}).to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(SourceError, match=r"no figure of .* can be read"):
        quantize(start, data=str(tmp_path / "none.csv"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_does_not_go_on_from_integers(made):
    recipe = load_recipe("default", [f"model.start_from={made[1].path}", "geometry.field_um=20", "geometry.size_px=32"])
    with pytest.raises(SettingsError, match="is int8"):
        starting_bundle(recipe)
