import numpy as np
import onnx
import pytest
import torch
from tiny_swin import shrink_swin

from atypica.models.network import build_network
from atypica.training.graph import export_graph, largest_differences, output_names, stored_weights
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
