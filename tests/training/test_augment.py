"""Every family: what it does to hand-worked crops, nothing where it is off, the same for the same seed."""

import math

import numpy as np
import pytest
import torch
from torch import Generator
from torchvision.transforms.v2 import functional

from atypica.core.vocabulary import Subtype
from atypica.data.drawn import draw_figure
from atypica.inference.card import Geometry
from atypica.training.augment import Augmentation
from atypica.training.augment.blur import KINDS, blur, blur_somehow, box_blur, median_blur, motion_blur
from atypica.training.augment.color import jitter_hue, jitter_light, jitter_saturation, turn_hue
from atypica.training.augment.compression import compress
from atypica.training.augment.draws import some
from atypica.training.augment.fourier import mix_fourier
from atypica.training.augment.grid_dropout import CELLS, drop_grid
from atypica.training.augment.noise import add_noise
from atypica.training.augment.pose import pose
from atypica.training.augment.stain import jitter_stain, mix_stain
from atypica.training.crops import CropStore, kept_geometry
from atypica.training.recipe import load_recipe
from atypica.training.settings.augment import AugmentSettings

KEPT = Geometry(field_um=32, size_px=128)
SEEN = Geometry(field_um=20, size_px=96)
STILL = {"rotate": False, "flip": False}
STRONG = AugmentSettings(
    scale=0.2, shift_um=1, stain=0.2, stain_offset=0.02, brightness=0.1, contrast=0.1, blur_um=0.3,
    blur_probability=0.5, noise=0.05, stain_mix=0.5, fourier_mix=0.5,
)  # fmt: skip
EVERYTHING = STRONG.model_copy(
    update={
        "rotate_degrees": 15.0, "vertical_flip": 0.5, "transpose": 0.5, "affine_probability": 0.5, "resized_crop": 0.8,
        "stain_probability": 0.5, "saturation": 0.1, "hue": 0.05, "color_probability": 0.5,
        "blur_kinds": ("gaussian", "box", "motion", "median"), "noise_probability": 0.5, "jpeg_probability": 0.5,
        "grid_dropout_probability": 0.5,
    }
)  # fmt: skip
SEEN_BY_DEFAULT = [
    0.5654, 0.376, 0.6408, 0.6794, 0.3942, 0.6254, 0.7363, 0.5259, 0.7288, 0.7185, 0.6148, 0.7701, 0.564, 0.295, 0.6491,
    0.7472, 0.5993, 0.8204, 0.561, 0.3879, 0.617, 0.6073, 0.3941, 0.7107,
]  # fmt: skip
"""Mean of each channel of eight drawn figures as the default recipe augmented them before there were other families."""


def crops(count=3):
    coarse = torch.rand(count, 3, 8, 8, generator=Generator().manual_seed(1))
    smooth = torch.nn.functional.interpolate(coarse, 128, mode="bicubic").clamp(0, 1)
    return (smooth * 255).byte()


def seeded(seed=0):
    return Generator().manual_seed(seed)


def unit(count=3):
    return crops(count).float() / 255


def test_the_default_recipe_sees_what_it_always_saw():
    recipe = load_recipe("default", ["geometry.size_px=128"])
    kept = kept_geometry(recipe.geometry)
    drawn = [draw_figure(kind, np.random.default_rng(n), size=kept.size_px) for n, kind in enumerate(Subtype)]
    batch = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()
    seen = Augmentation(recipe.augment, kept, recipe.geometry)(batch, seeded(7))
    # Another processor rounds otherwise in the sixth digit; any other draw changes the second.
    assert seen.mean((2, 3)).flatten().tolist() == pytest.approx(SEEN_BY_DEFAULT, abs=2e-4)


@pytest.mark.parametrize("settings", [STRONG, EVERYTHING], ids=["strong", "everything"])
def test_same_generator_same_crops_other_generator_other_crops(settings):
    augment = Augmentation(settings, KEPT, SEEN)
    first = augment(crops(16), seeded(5))
    assert torch.equal(first, augment(crops(16), seeded(5)))
    assert not torch.equal(first, augment(crops(16), seeded(6)))
    assert first.shape == (16, 3, 96, 96)
    assert first.isfinite().all()
    assert first.min() >= 0
    assert first.max() <= 1


def test_without_changes_the_network_sees_what_it_sees_at_inference():
    seen = Augmentation(AugmentSettings(**STILL), KEPT, SEEN)(crops(), seeded())
    plain = CropStore(crops(), KEPT, SEEN).plain(torch.arange(3))
    assert (seen - plain).abs().max().item() < 0.02


def test_a_probability_of_zero_changes_nothing_and_one_half_changes_half():
    still = AugmentSettings(**STILL)
    never = AugmentSettings(
        **STILL, scale=0.3, shift_um=2, affine_probability=0, stain=0.3, stain_probability=0, brightness=0.3,
        hue=0.2, color_probability=0, noise=0.2, noise_probability=0,
    )  # fmt: skip
    plain = Augmentation(still, KEPT, SEEN)(crops(), seeded())
    assert torch.equal(Augmentation(never, KEPT, SEEN)(crops(), seeded()), plain)
    half = some(lambda part, draws: part + 1, torch.zeros(400, 3, 2, 2), 0.5, seeded())
    assert set(half.flatten().tolist()) == {0.0, 1.0}
    assert 0.42 < half.mean().item() < 0.58


# Place


def test_a_rotation_keeps_the_center_and_moves_the_rest():
    marked = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    marked[..., 60:68, 60:68] = 255
    marked[..., 60:68, 80:84] = 255
    turned = Augmentation(AugmentSettings(flip=False), KEPT, SEEN)(marked, seeded(3))
    still = Augmentation(AugmentSettings(**STILL), KEPT, SEEN)(marked, seeded(3))
    assert turned[0, 0, 46:50, 46:50].min() > 0.9
    assert (turned - still).abs().max() > 0.5
    assert turned.sum().item() == pytest.approx(still.sum().item(), rel=0.05)


def far_mark():
    """A dot 20 px to the right of the center, and what angle (degrees) it has in a batch."""
    marked = torch.zeros(64, 3, 128, 128)
    marked[..., 62:66, 82:86] = 1
    return marked


def angles(batch):
    weight = batch[:, 0]
    places = torch.arange(batch.shape[-1]) + 0.5 - batch.shape[-1] / 2
    x = (weight.sum(1) * places).sum(1) / weight.sum((1, 2))
    y = (weight.sum(2) * places).sum(1) / weight.sum((1, 2))
    return torch.rad2deg(torch.atan2(y, x)), torch.hypot(x, y)


@pytest.mark.parametrize("degrees", [10.0, 15.0])
def test_a_limited_rotation_stays_within_its_limit_and_reaches_it(degrees):
    settings = AugmentSettings(flip=False, rotate_degrees=degrees)
    found, _ = angles(pose(far_mark(), settings, KEPT, KEPT, seeded()))
    assert found.abs().max() <= degrees + 0.1
    assert found.abs().max() > 0.8 * degrees
    assert found.min() < 0 < found.max()


def test_shift_and_scale_stay_within_their_limits():
    shifted = pose(far_mark(), AugmentSettings(**STILL, shift_um=2), KEPT, KEPT, seeded())
    x = (shifted[:, 0].sum(1) * (torch.arange(128) - 63.5)).sum(1) / 16
    assert (x - 20).abs().max() <= 8.05
    assert (x - 20).abs().max() > 6
    _, distance = angles(pose(far_mark(), AugmentSettings(**STILL, scale=0.2), KEPT, KEPT, seeded()))
    assert distance.min() >= 20 / 1.2 - 0.1
    assert distance.max() <= 20 / 0.8 + 0.1
    assert distance.max() - distance.min() > 5


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        ({"vertical_flip": 1}, lambda image: image.flip(2)),
        ({"transpose": 1}, lambda image: image.transpose(2, 3)),
        ({"vertical_flip": 1, "transpose": 1}, lambda image: image.transpose(2, 3).flip(3)),
    ],
    ids=["vertical", "transpose", "both"],
)
def test_mirrors_are_exact(settings, change):
    wanted = change(unit())
    assert torch.allclose(pose(unit(), AugmentSettings(**STILL, **settings), KEPT, KEPT, seeded()), wanted, atol=1e-5)


def test_a_horizontal_flip_comes_half_the_time():
    seen = pose(unit(1).expand(200, -1, -1, -1), AugmentSettings(rotate=False), KEPT, KEPT, seeded())
    same = (seen - unit(1)).abs().amax((1, 2, 3)) < 1e-4
    assert 0.4 < same.float().mean() < 0.6
    assert torch.allclose(seen[~same][0], unit(1)[0].flip(2), atol=1e-5)


def test_a_resized_crop_shows_a_part_of_the_field_no_smaller_than_asked():
    ramp = torch.arange(128).float().add(0.5).div(128)
    image = torch.stack([ramp.expand(128, 128), ramp[:, None].expand(128, 128), torch.zeros(128, 128)])
    seen = pose(image.expand(200, -1, -1, -1), AugmentSettings(**STILL, resized_crop=0.8), KEPT, KEPT, seeded())
    width = seen[:, 0].amax((1, 2)) - seen[:, 0].amin((1, 2))
    height = seen[:, 1].amax((1, 2)) - seen[:, 1].amin((1, 2))
    # From the first to the last pixel's center: a pixel less than the crop. A long side is cut off at the field's.
    area = (width * height) * (128 / 127) ** 2
    assert area.max() <= 1.01
    assert area.min() > 0.64
    assert area.std() > 0.03
    assert seen[:, 0].min() >= 0
    assert (width / height).max() <= 4 / 3 + 0.02
    assert (width / height).max() > 1.1


# Stain, style, color


def test_jitter_of_nothing_changes_nothing():
    image = unit().clamp_min(0.02)
    torch.testing.assert_close(jitter_stain(image, 0.0, 0.0, Generator()), image, atol=1e-4, rtol=0)
    torch.testing.assert_close(jitter_light(image, 0.0, 0.0, Generator()), image)
    torch.testing.assert_close(jitter_saturation(image, 0.0, Generator()), image)
    torch.testing.assert_close(jitter_hue(image, 0.0, Generator()), image, atol=1e-5, rtol=0)
    torch.testing.assert_close(add_noise(image, 0.0, Generator()), image)


def test_more_hematoxylin_is_darker():
    image = torch.full((64, 3, 4, 4), 0.6)
    image[:, 0] = 0.4
    changed = jitter_stain(image, 0.5, 0.0, seeded())
    assert changed.mean(dim=(1, 2, 3)).std() > 0.01


def test_brightness_and_contrast_by_hand():
    image = torch.tensor([0.2, 0.6]).view(1, 1, 1, 2).expand(500, 3, 1, 2)
    brighter = jitter_light(image, 0.2, 0.0, seeded())
    assert brighter[:, 0, 0, 1].min() >= 0.48 - 1e-6
    assert brighter[:, 0, 0, 1].max() <= 0.72 + 1e-6
    assert brighter[:, 0, 0, 1].max() > 0.70
    harder = jitter_light(image, 0.0, 0.3, seeded())
    torch.testing.assert_close(harder.mean((1, 2, 3)), torch.full((500,), 0.4))
    spread = harder[:, 0, 0, 1] - harder[:, 0, 0, 0]
    assert spread.min() >= 0.28 - 1e-6
    assert spread.max() <= 0.52 + 1e-6


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_saturation_is_torchvisions(factor):
    image = unit(1)
    drawn = [1 + 0.1 * (2 * torch.rand(1, generator=seeded(seed)).item() - 1) for seed in range(200)]
    seed = min(range(200), key=lambda seed: abs(drawn[seed] - factor))
    seen = jitter_saturation(image, 0.1, seeded(seed))
    assert (seen - functional.adjust_saturation(image, drawn[seed])).abs().max() < 1e-4


@pytest.mark.parametrize("turn", [-0.3, 0.05, 0.5])
def test_hue_is_torchvisions(turn):
    image = unit(4)
    assert (turn_hue(image, torch.full((4, 1, 1, 1), turn)) - functional.adjust_hue(image, turn)).abs().max() < 1e-3


def test_hue_by_hand():
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1)
    green = turn_hue(red, torch.full((1, 1, 1, 1), 1 / 3))
    torch.testing.assert_close(green.flatten(), torch.tensor([0.2, 0.8, 0.2]), atol=1e-5, rtol=0)


def two_stains():
    """A pale and a dark crop with the same pattern."""
    pattern = torch.rand(1, 3, 32, 32, generator=seeded(4)) * 0.3
    return torch.cat([pattern + 0.6, pattern + 0.2])


@pytest.mark.parametrize("mix", [mix_stain, mix_fourier])
def test_mixing_moves_a_crop_towards_another_and_is_seeded(mix):
    pale, dark = 0, 1
    crops = two_stains()
    moved = [mix(crops, 1.0, seeded(seed)) for seed in range(20)]
    assert torch.equal(moved[3], mix(crops, 1.0, seeded(3)))
    brightness = torch.stack([crop.mean(dim=(1, 2, 3)) for crop in moved])
    assert brightness[:, pale].min() < crops[pale].mean() - 0.1
    assert brightness[:, dark].max() > crops[dark].mean() + 0.1
    low, high = crops[dark].mean() - 0.05, crops[pale].mean() + 0.05
    assert ((brightness > low) & (brightness < high)).all()


@pytest.mark.parametrize("mix", [mix_stain, mix_fourier])
def test_mixing_keeps_the_shapes_and_leaves_the_rest_alone(mix):
    crops = two_stains()
    torch.testing.assert_close(mix(crops, 0.0, seeded()), crops, atol=1e-4, rtol=0)
    moved = mix(crops, 1.0, seeded(1))
    for before, after in zip(crops, moved, strict=True):
        assert torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1] > 0.95


# Focus


def test_blur_smooths_only_the_chosen_share():
    noise = torch.rand(200, 3, 32, 32, generator=seeded(2))
    smoothed = blur(noise, 2.0, 0.5, seeded())
    changed = (smoothed - noise).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 0.35 < changed.float().mean() < 0.65
    assert smoothed[changed].std() < noise[changed].std()


def dot(size=33):
    image = torch.zeros(1, 3, size, size)
    image[..., size // 2, size // 2] = 1
    return image


def spread(image):
    """Standard deviation of the light in px along x and y."""
    places = torch.arange(image.shape[-1]) - image.shape[-1] // 2
    light = image[0, 0]
    return [((light.sum(axis) * places**2).sum() / light.sum()).sqrt().item() for axis in (0, 1)]


@pytest.mark.parametrize("kind", ["gaussian", "box"])
@pytest.mark.parametrize("sigma", [1.0, 1.7, 2.5])
def test_a_blur_spreads_a_dot_by_its_sigma_and_keeps_its_light(kind, sigma):
    seen = KINDS[kind](dot(), torch.tensor([sigma]), torch.zeros(1))
    assert seen[0].sum((1, 2)).tolist() == pytest.approx([1, 1, 1], rel=1e-4)
    # A box over whole pixels is a twelfth of a pixel wider; a Gaussian is cut at 2.5 sigma.
    assert spread(seen) == pytest.approx([sigma, sigma], rel=0.1)


def test_a_box_three_pixels_wide_by_hand():
    seen = box_blur(dot(9), torch.tensor([3 / math.sqrt(12)]), torch.zeros(1))
    wanted = torch.zeros(9, 9)
    wanted[3:6, 3:6] = 1 / 9
    torch.testing.assert_close(seen[0, 0], wanted)


def test_motion_blur_draws_a_line_at_its_angle():
    flat = motion_blur(dot(), torch.tensor([2.0]), torch.tensor([0.0]))
    across, along = spread(flat)[1], spread(flat)[0]
    assert along == pytest.approx(2.0, rel=0.1)
    assert across < 0.1
    upright = motion_blur(dot(), torch.tensor([2.0]), torch.tensor([math.pi / 2]))
    torch.testing.assert_close(upright, flat.transpose(2, 3), atol=1e-5, rtol=0)
    assert flat[0, 0].sum().item() == pytest.approx(1, rel=1e-5)


def test_a_median_takes_a_dot_away_and_leaves_an_edge():
    speck = dot(15)
    speck[..., :, 10:] = 1
    seen = median_blur(speck, torch.tensor([3 / math.sqrt(12)]), torch.zeros(1))
    assert seen[0, 0, 7, 7] == 0
    assert (seen[..., 10:] == 1).all()
    assert (seen[..., :10] == 0).all()


def test_each_blurred_crop_has_one_of_the_kinds_and_a_share_is_blurred():
    image = torch.rand(1, 3, 24, 24, generator=seeded(3)).expand(120, -1, -1, -1)
    seen = blur_somehow(image, ("motion", "median", "box"), 2.0, 0.5, seeded())
    changed = (seen - image).abs().amax((1, 2, 3)) > 1e-6
    assert 0.35 < changed.float().mean() < 0.65
    with_median = blur_somehow(image, ("median",), 2.0, 1.0, seeded())
    assert torch.isin(with_median, image).all()


# Noise, compression, holes


def test_noise_has_the_strength_that_was_asked_for():
    grey = torch.full((400, 3, 16, 16), 0.5)
    level = (add_noise(grey, 0.1, seeded()) - grey).std((1, 2, 3))
    assert level.max() < 0.11
    assert level.mean().item() == pytest.approx(0.05, abs=0.005)


def test_compression_at_the_best_quality_hardly_changes_and_at_the_worst_does():
    image = unit(4)
    fine, coarse = compress(image, 100, seeded()), compress(image, 1, seeded(1))
    assert (fine - image).abs().mean() < 0.01
    assert (coarse - image).abs().mean() > (fine - image).abs().mean()
    assert torch.equal(compress(image, 1, seeded(1)), coarse)
    assert coarse.min() >= 0
    assert coarse.max() <= 1


def test_compression_follows_the_quality_drawn():
    noise = torch.rand(1, 3, 64, 64, generator=seeded()).expand(60, -1, -1, -1)
    quality = torch.randint(10, 101, (60,), generator=seeded(2)).float()
    error = (compress(noise, 10, seeded(2)) - noise).square().mean((1, 2, 3))
    assert torch.corrcoef(torch.stack([quality, error]))[0, 1] < -0.5


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_grid_dropout_blanks_its_share_with_the_mean_color(share):
    image = torch.rand(8, 3, 100, 100, generator=seeded(1))
    seen = drop_grid(image, share, seeded())
    blank = (seen != image).any(1)
    assert blank.float().mean().item() == pytest.approx(share**2, rel=0.15)
    filled = seen[0].permute(1, 2, 0)[blank[0]]
    torch.testing.assert_close(filled, image[0].mean((1, 2)).expand_as(filled))
    side = blank[0].any(0).int()
    assert int((side.diff() == 1).sum()) in (CELLS - 1, CELLS)
    assert not torch.equal(blank[0], blank[1])
