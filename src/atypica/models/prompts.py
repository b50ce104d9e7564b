"""Visual prompt tuning: learned tokens beside a crop's (Jia et al., ECCV 2022, the variant "deep")."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from atypica.core.errors import SettingsError


def add_prompts(backbone: nn.Module, count: int) -> None:
    """Give every block of a ViT learned tokens, in place.

    Raises:
        SettingsError: the backbone is no plain ViT of timm; in others (Swin, rotary positions) tokens have places.
    """
    if not isinstance(backbone, VisionTransformer):
        raise SettingsError("model.prompts is for plain ViTs", "take one as model.backbone, or use model.lora")
    size, patch = backbone.embed_dim, cast(Any, backbone.patch_embed).patch_size
    bound = math.sqrt(6 / (3 * patch[0] * patch[1] + size))
    backbone.blocks = nn.Sequential(*(PromptedBlock(block, count, size, bound) for block in backbone.blocks))


class PromptedBlock(nn.Module):
    """A block that reads learned tokens behind those it is given, and gives back as many as it was given.

    Args:
        block: a transformer block.
        count: learned tokens.
        size: of a token.
        bound: they are drawn evenly up to it, to either side.
    """

    def __init__(self, block: nn.Module, count: int, size: int, bound: float) -> None:
        super().__init__()
        self.block = block
        self.prompts = nn.Parameter(torch.empty(count, size).uniform_(-bound, bound))

    def forward(self, tokens: Tensor, *args: Any, **options: Any) -> Tensor:
        """(N, tokens, size) -> the same."""
        beside = self.prompts.expand(len(tokens), -1, -1)
        return self.block(torch.cat([tokens, beside], dim=1), *args, **options)[:, : tokens.shape[1]]
