"""The network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.settings import Settings


class LoraSettings(Settings):
    """Low-rank adapters (Hu et al., ICLR 2022): the backbone is frozen, they and the heads are trained.

    The defaults are those of Banerjee et al. (2026).
    """

    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    """What an adapter adds is multiplied by alpha over rank."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """On what an adapter reads."""
    targets: tuple[str, ...] = Field(default=("qkv", "proj", "fc1", "fc2"), min_length=1)
    """Names of linear layers inside the transformer blocks, in every one of them."""
    dora: bool = False
    """Train the length of each output's weights apart from their direction (Liu et al., ICML 2024)."""


class BesideSettings(Settings):
    """A second backbone, frozen, whose embedding stands beside the first one's."""

    backbone: str
    weights: str = "hub"
    """As in `model.weights`."""


class ModelSettings(Settings):
    """The network."""

    backbone: str
    weights: str = "hub"
    start_from: str = ""
    """A model bundle to go on from, in place of `weights`: a folder, a zip, or `default`, the one of atypica itself."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """On what the last layer reads: the pooled features, or those of `heads.hidden`."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    pooling: Literal["own", "average"] = "own"
    """`average` pools a ViT by the mean of its patch tokens, so that its activation map is exact."""
    freeze: bool = False
    """The backbone keeps its weights and the statistics of its batch norms; the heads are trained, and what `lora` or
    `prompts` adds, which freeze it as well."""
    lora: LoraSettings | None = None
    """Adapters in a ViT or Swin, of the package peft (the extra `lora`)."""
    prompts: int = Field(default=0, ge=0)
    """Learned tokens that every block of a ViT reads beside the crop's (Jia et al., ECCV 2022, "deep"); 0 for none."""
    beside: BesideSettings | None = None
    """A frozen second backbone whose embedding is joined to the first one's."""

    @property
    def is_frozen(self) -> bool:
        """Whether the backbone keeps its weights."""
        return self.freeze or self.lora is not None or self.prompts > 0

    @property
    def keeps_weights(self) -> bool:
        """Whether there are weights that training leaves as they came."""
        return self.is_frozen or self.beside is not None
