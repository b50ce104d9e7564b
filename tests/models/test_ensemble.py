"""An ensemble answers with the means of what its networks say, computed here from their answers alone."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from scipy.special import expit, softmax

from atypica.inference.predictions import subtype_probabilities
from atypica.models.ensemble import EnsembleNetwork, as_one, mean_probability
from atypica.models.heads import Heads
from atypica.models.network import build_network
from atypica.training.graph import export_graph, largest_differences
from atypica.training.strangeness import StrangenessModel

KINDS = {
    "separate": ("test_efficientnet", {"amf": 1, "subtype": 8, "votes": 3, "disagreement": 1}),
    "softmax": ("test_resnet", {"subtype": 8, "disagreement": 1}),
    "experts": ("test_convnext", {"votes": 3, "disagreement": 1}),
    "hardness": ("test_vit", {"hardness": 4, "subtype": 8}),
    "hierarchical": ("test_resnet", {"amf": 1, "subtype": 8}),
}
SIZE = 64


def networks(kind: str, count: int = 3):
    backbone, heads = KINDS[kind]
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        network = build_network(backbone, "random", heads, kind=kind, size_px=SIZE).eval()
        for part in network.modules():  # heads that differ as those of trained folds do
            if isinstance(part, torch.nn.Linear) and part.out_features <= 16:
                torch.nn.init.normal_(part.bias, std=2.0)
        made.append(network)
    return made


def said(kind: str, mean: str):
    """What each network says of crops, answer to (networks, N, size), and what the ensemble does."""
    members, crops = networks(kind), torch.rand(5, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(9))
    with torch.inference_mode():
        each = [member.read(crops) for member in members]
        joint = EnsembleNetwork(members, mean).read(crops)
    logits = {name: np.stack([one.answers[name].double().numpy() for one in each]) for name in each[0].answers}
    return each, logits, joint, {name: values.double().numpy() for name, values in joint.answers.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_the_means_of_the_networks_probabilities(kind):
    _, each, _, joint = said(kind, "mean_probability")
    assert list(joint) == list(each)
    for name in set(joint) - {"subtype", "hardness"}:
        np.testing.assert_allclose(expit(joint[name]), expit(each[name]).mean(axis=0), atol=1e-5)
    if "subtype" in joint:
        columns = [subtype_probabilities(expit(a[:, 0]), s) for a, s in zip(each["amf"], each["subtype"], strict=True)]
        mine = subtype_probabilities(expit(joint["amf"][:, 0]), joint["subtype"])
        np.testing.assert_allclose(mine, np.mean(columns, axis=0), atol=1e-5)
    if "hardness" in joint:
        np.testing.assert_allclose(softmax(joint["hardness"], 1), softmax(each["hardness"], 2).mean(axis=0), atol=1e-5)
    spread = expit(each["amf"]).std(axis=0)
    assert spread.max() > 0.05, "networks that agree would prove nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_the_means_of_the_networks_logits(kind):
    _, each, _, joint = said(kind, "mean_logit")
    assert set(joint) == set(each)
    for name, values in joint.items():
        np.testing.assert_allclose(values, each[name].mean(axis=0), atol=1e-5)


def test_the_mean_of_a_softmax_stays_one():
    """p(AMF) is still the sum over the atypical subtypes, and disagreement that over the hard classes."""
    _, _, _, joint = said("softmax", "mean_probability")
    np.testing.assert_allclose(expit(joint["amf"][:, 0]), softmax(joint["subtype"], 1)[:, 4:].sum(axis=1), atol=1e-5)
    _, _, _, joint = said("hardness", "mean_probability")
    hard = softmax(joint["hardness"], 1)[:, 1::2].sum(axis=1)
    np.testing.assert_allclose(expit(joint["disagreement"][:, 0]), hard, atol=1e-5)
    _, _, _, joint = said("experts", "mean_probability")
    np.testing.assert_allclose(expit(joint["amf"][:, 0]), expit(joint["votes"]).mean(axis=1), atol=1e-5)


def test_the_map_is_the_mean_and_embedding_and_statistics_are_the_first_networks():
    each, _, joint, _ = said("separate", "mean_logit")
    torch.testing.assert_close(joint.map, (each[0].map + each[1].map + each[2].map) / 3)
    torch.testing.assert_close(joint.embedding, each[0].embedding)
    torch.testing.assert_close(joint.statistics, each[0].statistics)


def test_sure_networks_do_not_overflow():
    subtypes = torch.arange(8.0)[None] * 20
    answers = [{"amf": torch.tensor([[sign * 80.0]]), "subtype": sign * subtypes} for sign in (1, -1)]
    joint = mean_probability(answers)
    torch.testing.assert_close(joint["amf"], torch.zeros(1, 1))
    assert joint["subtype"].isfinite().all()


def test_sure_networks_do_not_overflow_once_they_are_exported():
    members = networks("separate", 2)
    for member, bias in zip(members, (150.0, 200.0), strict=True):
        member.head.bias.data[:1].fill_(bias)
    joint = EnsembleNetwork(members, "mean_probability").eval()
    with torch.inference_mode():
        statistics = members[0].features_and_statistics(torch.rand(40, 3, SIZE, SIZE))[1].numpy()
    graph = export_graph(joint, StrangenessModel.fit(statistics), SIZE)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    crops = np.zeros((1, SIZE, SIZE, 3), dtype=np.uint8)
    assert session.run(["amf"], {"crops": crops})[0].item() == pytest.approx(150.7, abs=5)


def test_one_network_and_the_first_stay_what_they_are():
    members = networks("separate", 2)
    assert as_one(members, "first") is members[0]
    assert as_one(members[:1], "mean_probability") is members[0]
    assert as_one(members, "mean_logit").sizes == Heads(KINDS["separate"][1]).sizes


@pytest.mark.parametrize("kind", ["separate", "hardness", "hierarchical"])
def test_one_graph_holds_all_networks_and_says_what_they_say(kind):
    members = networks(kind, 2)
    joint = EnsembleNetwork(members, "mean_probability").eval()
    with torch.inference_mode():
        statistics = members[0].features_and_statistics(torch.rand(40, 3, SIZE, SIZE))[1].numpy()
    strangeness = StrangenessModel.fit(statistics)
    graph = export_graph(joint, strangeness, SIZE)
    for count in (1, 3):
        crops = np.random.default_rng(count).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
        differences = largest_differences(joint, strangeness, graph, crops)
        assert set(differences) == {*joint.sizes, "cam", "embedding", "distance"}
        assert max(differences[name] for name in [*joint.sizes, "cam", "embedding"]) < 0.02
