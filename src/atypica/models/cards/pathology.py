"""Foundation models of pathology."""

from __future__ import annotations

from atypica.models.cards.card import HALF, MAGNIFICATIONS, NON_COMMERCIAL, BackboneCard

_SWIGLU = {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}
_OPTIMUS_MEAN, _OPTIMUS_STD = (0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517)
_HIBOU_MEAN, _HIBOU_STD = (0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816)
_KAIKO_LICENSE = "Kaiko Non-Commercial Public License 1"
_TRANSFORMERS = "The hub's file names its tensors as the library transformers does; loading renames them for timm."
_SHARED_WITH = "Its license forbids to share what is derived from it: keep adapted weights and bundles to yourself."

UNI = BackboneCard(
    name="uni",
    title="UNI",
    hub_id="MahmoodLab/UNI",
    timm_name="vit_large_patch16_224",
    arguments={"init_values": 1e-5},
    width=1024,
    parameters=307,
    license=NON_COMMERCIAL,
    gated=True,
    commercial=False,
    paper="https://doi.org/10.1038/s41591-024-02857-3",
    remarks=("307 M is the nominal size of ViT-L/16; without a classifier it has 303 M.", _SHARED_WITH),
)
UNI2_H = BackboneCard(
    name="uni2-h",
    title="UNI2-h",
    hub_id="MahmoodLab/UNI2-h",
    timm_name="vit_giant_patch14_224",
    arguments={
        "img_size": 224,
        "patch_size": 14,
        "depth": 24,
        "num_heads": 24,
        "init_values": 1e-5,
        "embed_dim": 1536,
        "mlp_ratio": 2.66667 * 2,
        "no_embed_class": True,
        "reg_tokens": 8,
        **_SWIGLU,
    },
    width=1536,
    parameters=681,
    license=NON_COMMERCIAL,
    gated=True,
    commercial=False,
    paper="https://doi.org/10.1038/s41591-024-02857-3",
    remarks=(_SHARED_WITH,),
)
_VIRCHOW = {"img_size": 224, "init_values": 1e-5, "mlp_ratio": 5.3375, "global_pool": "", **_SWIGLU}
VIRCHOW = BackboneCard(
    name="virchow",
    title="Virchow",
    hub_id="paige-ai/Virchow",
    timm_name="vit_huge_patch14_224",
    arguments=_VIRCHOW,
    pooling="class_and_mean",
    width=2560,
    parameters=632,
    license="Apache-2.0",
    gated=True,
    commercial=True,
    paper="https://doi.org/10.1038/s41591-024-03141-0",
    remarks=("The hub asks for an institution's address and the acceptance of terms beside the license.",),
)
VIRCHOW2 = BackboneCard(
    name="virchow2",
    title="Virchow2",
    hub_id="paige-ai/Virchow2",
    timm_name="vit_huge_patch14_224",
    arguments={**_VIRCHOW, "reg_tokens": 4},
    mpp=MAGNIFICATIONS,
    pooling="class_and_mean",
    width=2560,
    parameters=632,
    license=NON_COMMERCIAL,
    gated=True,
    commercial=False,
    paper="https://arxiv.org/abs/2408.00738",
    remarks=("The mean is over the patch tokens alone, without the four registers.", _SHARED_WITH),
)
GIGAPATH = BackboneCard(
    name="prov-gigapath",
    title="Prov-GigaPath (tile encoder)",
    hub_id="prov-gigapath/prov-gigapath",
    timm_name="vit_giant_patch14_dinov2",
    arguments={"img_size": 224, "patch_size": 16},
    width=1536,
    parameters=1135,
    license="Apache-2.0 with conditions (prov-gigapath)",
    gated=True,
    commercial=None,
    paper="https://doi.org/10.1038/s41586-024-07441-w",
    remarks=(
        "Its authors cut tiles of 256 px and show the central 224.",
        "Its page limits the use to research; read it before any other use.",
    ),
)
_OPTIMUS = {"img_size": 224, "init_values": 1e-5}
H_OPTIMUS_0 = BackboneCard(
    name="h-optimus-0",
    title="H-optimus-0",
    hub_id="bioptimus/H-optimus-0",
    timm_name="vit_giant_patch14_reg4_dinov2",
    arguments=_OPTIMUS,
    mean=_OPTIMUS_MEAN,
    std=_OPTIMUS_STD,
    width=1536,
    parameters=1135,
    license="Apache-2.0",
    gated=True,
    commercial=True,
    paper="https://github.com/bioptimus/releases/tree/main/models/h-optimus/v0",
    remarks=("Whether the hub asks for terms has changed over time; where it does, access follows at once.",),
)
H_OPTIMUS_1 = BackboneCard(
    name="h-optimus-1",
    title="H-optimus-1",
    hub_id="bioptimus/H-optimus-1",
    timm_name="vit_giant_patch14_reg4_dinov2",
    arguments=_OPTIMUS,
    mean=_OPTIMUS_MEAN,
    std=_OPTIMUS_STD,
    width=1536,
    parameters=1135,
    license=NON_COMMERCIAL,
    gated=True,
    commercial=False,
    paper="https://huggingface.co/bioptimus/H-optimus-1",
    remarks=(_SHARED_WITH,),
)
H0_MINI = BackboneCard(
    name="h0-mini",
    title="H0-mini",
    hub_id="bioptimus/H0-mini",
    timm_name="vit_base_patch14_reg4_dinov2",
    arguments={"img_size": 224, "init_values": 1e-5, "mlp_ratio": 2.66667 * 2, **_SWIGLU},
    mean=_OPTIMUS_MEAN,
    std=_OPTIMUS_STD,
    pooling="class_and_mean",
    width=1536,
    parameters=86,
    license=NON_COMMERCIAL,
    gated=True,
    commercial=False,
    paper="https://arxiv.org/abs/2501.16239",
    remarks=(
        "The hidden width of its blocks follows from its published size; a file that differs is refused.",
        "Its authors also give the class token alone (768 numbers).",
        _SHARED_WITH,
    ),
)
PHIKON_V2 = BackboneCard(
    name="phikon-v2",
    title="Phikon-v2",
    hub_id="owkin/phikon-v2",
    timm_name="vit_large_patch16_224",
    arguments={"init_values": 1e-5},
    width=1024,
    parameters=303,
    license="Owkin non-commercial license",
    gated=False,
    commercial=False,
    paper="https://arxiv.org/abs/2409.09173",
    remarks=(_TRANSFORMERS,),
)
MIDNIGHT = BackboneCard(
    name="midnight-12k",
    title="Midnight-12k",
    hub_id="kaiko-ai/midnight",
    timm_name="vit_giant_patch14_dinov2",
    arguments={"img_size": 224},
    mpp=MAGNIFICATIONS,
    mean=HALF,
    std=HALF,
    pooling="class_and_mean",
    width=3072,
    parameters=1135,
    license="MIT",
    gated=None,
    commercial=True,
    paper="https://arxiv.org/abs/2504.05186",
    remarks=(
        _TRANSFORMERS,
        "Its page calls the weights public; others list it as gated.",
        "That it was trained at these four magnifications is taken from the paper's description of its predecessor.",
    ),
)
_HIBOU_REMARKS = (
    _TRANSFORMERS,
    "Its hub file needs code of its own in transformers, so that its names could not be checked; others are refused.",
    "At which magnifications it was trained is not recorded here.",
)
HIBOU_B = BackboneCard(
    name="hibou-b",
    title="Hibou-B",
    hub_id="histai/hibou-b",
    timm_name="vit_base_patch14_reg4_dinov2",
    arguments={"img_size": 224, "init_values": 1e-5, "mlp_ratio": 4096 / 768, **_SWIGLU},
    mpp=None,
    mean=_HIBOU_MEAN,
    std=_HIBOU_STD,
    width=768,
    parameters=86,
    license="Apache-2.0",
    gated=True,
    commercial=True,
    paper="https://arxiv.org/abs/2406.05074",
    remarks=_HIBOU_REMARKS,
)
HIBOU_L = BackboneCard(
    name="hibou-l",
    title="Hibou-L",
    hub_id="histai/hibou-L",
    timm_name="vit_large_patch14_reg4_dinov2",
    arguments={"img_size": 224, "init_values": 1e-5, "mlp_ratio": 5472 / 1024, **_SWIGLU},
    mpp=None,
    mean=_HIBOU_MEAN,
    std=_HIBOU_STD,
    width=1024,
    parameters=304,
    license="Apache-2.0",
    gated=True,
    commercial=True,
    paper="https://arxiv.org/abs/2406.05074",
    remarks=_HIBOU_REMARKS,
)


def _kaiko(size: str, timm_name: str, width: int, parameters: float, hub: str, **arguments: int) -> BackboneCard:
    return BackboneCard(
        name=f"kaiko-{size}",
        title=f"Kaiko {size}",
        hub_id=f"1aurent/{hub}.kaiko_ai_towards_large_pathology_fms",
        timm_name=timm_name,
        arguments=arguments,
        mpp=MAGNIFICATIONS,
        mean=HALF,
        std=HALF,
        width=width,
        parameters=parameters,
        license=_KAIKO_LICENSE,
        gated=False,
        commercial=False,
        paper="https://arxiv.org/abs/2404.15217",
        remarks=("The hub's copy is a third person's; the authors give the weights on GitHub.",),
    )


KAIKO = (
    _kaiko("vits16", "vit_small_patch16_224", 384, 22, "vit_small_patch16_224"),
    _kaiko("vits8", "vit_small_patch8_224", 384, 22, "vit_small_patch8_224"),
    _kaiko("vitb16", "vit_base_patch16_224", 768, 86, "vit_base_patch16_224"),
    _kaiko("vitb8", "vit_base_patch8_224", 768, 86, "vit_base_patch8_224"),
    _kaiko("vitl14", "vit_large_patch14_reg4_dinov2", 1024, 303, "vit_large_patch14_reg4_224", img_size=224),
)
PATHOLOGY = (
    UNI,
    UNI2_H,
    VIRCHOW,
    VIRCHOW2,
    GIGAPATH,
    H_OPTIMUS_0,
    H_OPTIMUS_1,
    H0_MINI,
    PHIKON_V2,
    MIDNIGHT,
    HIBOU_B,
    HIBOU_L,
    *KAIKO,
)
