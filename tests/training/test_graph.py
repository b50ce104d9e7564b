import numpy as np
import onnx
import pytest
import torch
from tiny_model import tiny_card
from tiny_swin import shrink_swin

from atypica.inference.bundle import read_bundle, write_bundle
from atypica.inference.card import Geometry
from atypica.inference.classifier import OnnxClassifier
from atypica.models.network import build_network
from atypica.training import release
from atypica.training.graph import export_graph, largest_differences, output_names, stored_weights
from atypica.training.release import weights_file
from atypica.training.strangeness import StrangenessModel

HEADS = {"amf": 1, "subtype": 8, "votes": 3, "disagreement": 1}


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    network = build_network("test_efficientnet", "random", HEADS).eval()
    with torch.inference_mode():
        statistics = network.features_and_statistics(torch.rand(80, 3, 64, 64))[1].numpy()
    strangeness = StrangenessModel.fit(statistics)
    return network, strangeness, export_graph(network, strangeness, 64)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_graph_says_what_the_network_says_at_any_batch_size(parts, count):
    crops = np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    differences = largest_differences(*parts, crops)
    assert set(differences) == {*HEADS, "cam", "embedding", "distance"}
    assert max(differences.values()) < 0.02


def test_weights_are_stored_in_half_and_arithmetic_is_in_single(parts):
    graph = onnx.load_from_string(parts[2]).graph
    kernels = [weight for weight in graph.initializer if len(weight.dims) == 4]
    assert kernels
    assert all(weight.data_type == onnx.TensorProto.FLOAT16 for weight in kernels)
    assert [output.name for output in graph.output] == output_names(parts[0])


def test_the_graph_tells_nothing_of_the_machine_that_made_it(parts):
    assert b"site-packages" not in parts[2]
    assert b".py" not in parts[2]


def read_back(graph, network):
    stored, state = stored_weights(graph), network.state_dict()
    network.load_state_dict({key: stored.get(key, value) for key, value in state.items()})
    return network


def test_weights_come_back_for_fine_tuning(parts):
    network, _, graph = parts
    other = read_back(graph, build_network("test_efficientnet", "random", HEADS)).eval()
    crops = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(other(crops)["amf"], network(crops)["amf"], atol=5e-3, rtol=5e-3)


def test_weights_beside_the_graph_say_the_same_as_within(parts, tmp_path):
    network, strangeness, inside = parts
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    with weights_file(network, tmp_path) as weights:
        assert weights is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "LARGEST", 1000)
        with weights_file(network, tmp_path) as weights:
            graph = export_graph(network, strangeness, 64, weights)
            assert len(graph) + weights.stat().st_size == pytest.approx(len(inside), rel=0.1)
            assert len(graph) < len(inside) / 3
            assert largest_differences(network, strangeness, graph, crops, weights)["amf"] < 0.02
            card = tiny_card().model_copy(update={"geometry": Geometry(field_um=32, size_px=64)})
            write_bundle(tmp_path / "apart", graph, card, weights=weights)
    assert [path.name for path in tmp_path.iterdir()] == ["apart"]
    write_bundle(tmp_path / "within", inside, card)
    apart, within = (read_bundle(tmp_path / name) for name in ("apart", "within"))
    found, wanted = (OnnxClassifier(bundle).forward(crops) for bundle in (apart, within))
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)
    again, known = stored_weights(apart.onnx, apart.weights), stored_weights(within.onnx)
    assert again.keys() == known.keys()
    assert all(torch.equal(again[name], known[name]) for name in known)


KINDS = [
    ("test_convnext", "softmax", {"subtype": 8, "disagreement": 1}),
    ("test_vit", "experts", {"votes": 3, "disagreement": 1}),
    ("swin", "hardness", {"hardness": 4, "subtype": 8}),
    ("test_resnet", "hierarchical", {"amf": 1, "subtype": 8}),
]


@pytest.mark.parametrize(("backbone", "kind", "heads"), KINDS, ids=[kind for _, kind, _ in KINDS])
def test_every_kind_of_heads_and_backbone_is_exported_and_read_back(backbone, kind, heads, monkeypatch):
    name = shrink_swin(monkeypatch) if backbone == "swin" else backbone

    def build():
        return build_network(name, "random", heads, kind=kind, hidden=12, size_px=64).eval()

    torch.manual_seed(0)
    network = build()
    with torch.inference_mode():
        strangeness = StrangenessModel.fit(network.features_and_statistics(torch.rand(40, 3, 64, 64))[1].numpy())
    graph = export_graph(network, strangeness, 64)
    for count in (1, 3):
        crops = np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
        differences = largest_differences(network, strangeness, graph, crops)
        assert {"amf", "cam", "embedding", "distance"} <= set(differences)
        assert max(differences[name] for name in [*network.sizes, "cam", "embedding"]) < 0.02
    again, crops = read_back(graph, build()), torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(again(crops)["amf"], network(crops)["amf"], atol=5e-3, rtol=5e-3)
