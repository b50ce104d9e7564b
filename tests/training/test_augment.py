import pytest
import torch
from torch import Generator

from atypica.inference.card import Geometry
from atypica.training.augment import Augmentation, blur, jitter_light, jitter_stain, mix_fourier, mix_stain
from atypica.training.crops import CropStore
from atypica.training.settings.augment import AugmentSettings

KEPT = Geometry(field_um=32, size_px=128)
SEEN = Geometry(field_um=20, size_px=96)
STRONG = AugmentSettings(
    scale=0.2, shift_um=1, stain=0.2, stain_offset=0.02, brightness=0.1, contrast=0.1, blur_um=0.3,
    blur_probability=0.5, noise=0.05, stain_mix=0.5, fourier_mix=0.5,
)  # fmt: skip


def crops(count=3):
    coarse = torch.rand(count, 3, 8, 8, generator=Generator().manual_seed(1))
    smooth = torch.nn.functional.interpolate(coarse, 128, mode="bicubic").clamp(0, 1)
    return (smooth * 255).byte()


def test_same_generator_same_crops_other_generator_other_crops():
    augment = Augmentation(STRONG, KEPT, SEEN)
    first = augment(crops(), Generator().manual_seed(5))
    assert torch.equal(first, augment(crops(), Generator().manual_seed(5)))
    assert not torch.equal(first, augment(crops(), Generator().manual_seed(6)))
    assert first.shape == (3, 3, 96, 96)
    assert first.min() >= 0
    assert first.max() <= 1


def test_without_changes_the_network_sees_what_it_sees_at_inference():
    nothing = AugmentSettings(rotate=False, flip=False)
    seen = Augmentation(nothing, KEPT, SEEN)(crops(), Generator().manual_seed(0))
    plain = CropStore(crops(), KEPT, SEEN).plain(torch.arange(3))
    assert (seen - plain).abs().max().item() < 0.02


def test_a_rotation_keeps_the_center_and_moves_the_rest():
    marked = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    marked[..., 60:68, 60:68] = 255
    marked[..., 60:68, 80:84] = 255
    turned = Augmentation(AugmentSettings(flip=False), KEPT, SEEN)(marked, Generator().manual_seed(3))
    still = Augmentation(AugmentSettings(flip=False, rotate=False), KEPT, SEEN)(marked, Generator().manual_seed(3))
    assert turned[0, 0, 46:50, 46:50].min() > 0.9
    assert (turned - still).abs().max() > 0.5
    assert turned.sum().item() == pytest.approx(still.sum().item(), rel=0.05)


def test_jitter_of_nothing_changes_nothing():
    image = crops().float() / 255
    image = image.clamp_min(0.02)
    torch.testing.assert_close(jitter_stain(image, 0.0, 0.0, Generator()), image, atol=1e-4, rtol=0)
    torch.testing.assert_close(jitter_light(image, 0.0, 0.0, Generator()), image)


def test_more_hematoxylin_is_darker():
    image = torch.full((64, 3, 4, 4), 0.6)
    image[:, 0] = 0.4
    changed = jitter_stain(image, 0.5, 0.0, Generator().manual_seed(0))
    assert changed.mean(dim=(1, 2, 3)).std() > 0.01


def test_blur_smooths_only_the_chosen_share():
    noise = torch.rand(200, 3, 32, 32, generator=Generator().manual_seed(2))
    smoothed = blur(noise, 2.0, 0.5, Generator().manual_seed(0))
    changed = (smoothed - noise).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 0.35 < changed.float().mean() < 0.65
    assert smoothed[changed].std() < noise[changed].std()


def two_stains():
    """A pale and a dark crop with the same pattern."""
    pattern = torch.rand(1, 3, 32, 32, generator=Generator().manual_seed(4)) * 0.3
    return torch.cat([pattern + 0.6, pattern + 0.2])


@pytest.mark.parametrize("mix", [mix_stain, mix_fourier])
def test_mixing_moves_a_crop_towards_another_and_is_seeded(mix):
    pale, dark = 0, 1
    crops = two_stains()
    moved = [mix(crops, 1.0, Generator().manual_seed(seed)) for seed in range(20)]
    assert torch.equal(moved[3], mix(crops, 1.0, Generator().manual_seed(3)))
    brightness = torch.stack([crop.mean(dim=(1, 2, 3)) for crop in moved])
    assert brightness[:, pale].min() < crops[pale].mean() - 0.1
    assert brightness[:, dark].max() > crops[dark].mean() + 0.1
    low, high = crops[dark].mean() - 0.05, crops[pale].mean() + 0.05
    assert ((brightness > low) & (brightness < high)).all()


@pytest.mark.parametrize("mix", [mix_stain, mix_fourier])
def test_mixing_keeps_the_shapes_and_leaves_the_rest_alone(mix):
    crops = two_stains()
    torch.testing.assert_close(mix(crops, 0.0, Generator().manual_seed(0)), crops, atol=1e-4, rtol=0)
    moved = mix(crops, 1.0, Generator().manual_seed(1))
    for before, after in zip(crops, moved, strict=True):
        assert torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1] > 0.95
