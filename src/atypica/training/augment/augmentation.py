"""All families one after another: place, stain, style, color, focus, noise, compression, holes."""

from __future__ import annotations

from torch import Generator, Tensor

from atypica.inference.card import Geometry
from atypica.training.augment.blur import blur, blur_somehow
from atypica.training.augment.color import jitter_hue, jitter_light, jitter_saturation
from atypica.training.augment.compression import compress
from atypica.training.augment.draws import some
from atypica.training.augment.fourier import mix_fourier
from atypica.training.augment.grid_dropout import drop_grid
from atypica.training.augment.noise import add_noise
from atypica.training.augment.pose import pose
from atypica.training.augment.stain import jitter_stain, mix_stain
from atypica.training.settings.augment import AugmentSettings


class Augmentation:
    """Cuts the field of view out of larger crops at a random pose, and changes its look.

    A family that is off draws no random numbers, so that turning another on never changes an older recipe's draws.

    Args:
        settings: the largest changes.
        kept: the field that the crops cover.
        seen: the field that the network sees.
    """

    def __init__(self, settings: AugmentSettings, kept: Geometry, seen: Geometry) -> None:
        self.settings = settings
        self.kept = kept
        self.seen = seen

    def __call__(self, crops: Tensor, generator: Generator) -> Tensor:
        """Bytes (n, 3, side, side) -> RGB in 0..1, (n, 3, S, S). The same generator state, the same result."""
        seen = pose(crops.float() / 255, self.settings, self.kept, self.seen, generator)
        seen = self._focus(self._color(self._stain(seen, generator), generator), generator)
        return self._scan(seen, generator)

    def _stain(self, seen: Tensor, generator: Generator) -> Tensor:
        settings = self.settings
        if settings.stain or settings.stain_offset:

            def jitter(crops: Tensor, draws: Generator) -> Tensor:
                return jitter_stain(crops, settings.stain, settings.stain_offset, draws)

            seen = some(jitter, seen, settings.stain_probability, generator)
        if settings.stain_mix:
            seen = mix_stain(seen, settings.stain_mix, generator)
        if settings.fourier_mix:
            seen = mix_fourier(seen, settings.fourier_mix, generator)
        return seen

    def _color(self, seen: Tensor, generator: Generator) -> Tensor:
        settings = self.settings

        def jitter(crops: Tensor, draws: Generator) -> Tensor:
            if settings.brightness or settings.contrast:
                crops = jitter_light(crops, settings.brightness, settings.contrast, draws)
            if settings.saturation:
                crops = jitter_saturation(crops, settings.saturation, draws)
            return jitter_hue(crops, settings.hue, draws) if settings.hue else crops

        if any((settings.brightness, settings.contrast, settings.saturation, settings.hue)):
            seen = some(jitter, seen, settings.color_probability, generator)
        return seen

    def _focus(self, seen: Tensor, generator: Generator) -> Tensor:
        settings = self.settings
        if not (settings.blur_um and settings.blur_probability):
            return seen
        sigma = settings.blur_um / self.seen.mpp
        if settings.blur_kinds == ("gaussian",):
            return blur(seen, sigma, settings.blur_probability, generator)
        return blur_somehow(seen, settings.blur_kinds, sigma, settings.blur_probability, generator)

    def _scan(self, seen: Tensor, generator: Generator) -> Tensor:
        settings = self.settings
        if settings.noise:
            seen = some(lambda crops, draws: add_noise(crops, settings.noise, draws), seen,
                        settings.noise_probability, generator)  # fmt: skip
        seen = seen.clamp(0, 1)
        if settings.jpeg_probability:
            seen = some(lambda crops, draws: compress(crops, settings.jpeg_quality, draws), seen,
                        settings.jpeg_probability, generator)  # fmt: skip
        if settings.grid_dropout_probability:
            seen = some(lambda crops, draws: drop_grid(crops, settings.grid_dropout, draws), seen,
                        settings.grid_dropout_probability, generator)  # fmt: skip
        return seen
