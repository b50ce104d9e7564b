"""Foundation models of photographs: DINOv2 and DINOv3."""

from __future__ import annotations

from atypica.models.cards.card import BackboneCard

_RESAMPLED = "Last trained at 518 px; its positions are resampled to the size it is given."
_META = "The hub's copy is timm's; Meta's own is gated."


def _dinov2(name: str, size: str, width: int, parameters: float, registers: bool = False) -> BackboneCard:
    timm_name = f"vit_{size}_patch14_{'reg4_' if registers else ''}dinov2"
    return BackboneCard(
        name=f"dinov2-{name}{'-reg' if registers else ''}",
        title=f"DINOv2 ViT-{name}/14{' with registers' if registers else ''}",
        hub_id=f"timm/{timm_name}.lvd142m",
        timm_name=timm_name,
        mpp=(),
        width=width,
        parameters=parameters,
        license="Apache-2.0",
        gated=False,
        commercial=True,
        paper="https://arxiv.org/abs/2309.16588" if registers else "https://arxiv.org/abs/2304.07193",
        remarks=(_RESAMPLED,),
    )


def _dinov3(name: str, size: str, width: int, parameters: float) -> BackboneCard:
    timm_name = f"vit_{size}_patch16_dinov3"
    return BackboneCard(
        name=f"dinov3-{name}",
        title=f"DINOv3 ViT-{name.removesuffix('plus')}{'+' if name.endswith('plus') else ''}/16",
        hub_id=f"timm/{timm_name}.lvd1689m",
        timm_name=timm_name,
        # timm pools by the mean of the patch tokens, Meta's own code by the class token.
        arguments={"global_pool": "token"},
        input_px=256,
        mpp=(),
        width=width,
        parameters=parameters,
        license="DINOv3 License (Meta)",
        gated=None,
        commercial=True,
        paper="https://arxiv.org/abs/2508.10104",
        remarks=(_META, "Its license allows commercial use on conditions of its own."),
    )


_SIZES = (("s", "small", 384, 22), ("b", "base", 768, 86), ("l", "large", 1024, 304), ("g", "giant", 1536, 1136))
DINOV2 = tuple(_dinov2(*size, registers) for registers in (False, True) for size in _SIZES)
DINOV3 = (
    _dinov3("s", "small", 384, 21.6),
    _dinov3("splus", "small_plus", 384, 29),
    _dinov3("b", "base", 768, 86),
    _dinov3("l", "large", 1024, 303),
    _dinov3("hplus", "huge_plus", 1280, 840),
    _dinov3("7b", "7b", 4096, 6716),
)
GENERAL = (*DINOV2, *DINOV3)
