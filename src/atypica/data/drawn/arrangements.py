"""How the chromosomes of each subtype lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from atypica.core.vocabulary import Subtype
from atypica.data.drawn.chromosomes import Array, Chromosomes, Rng, chromosome_count, clump, joined, moved, plate, rods


def arrange(subtype: Subtype, rng: Rng, ambiguity: float = 0.0) -> Chromosomes:
    """Place the chromosomes of one figure.

    Args:
        subtype: which of the eight.
        rng: everything random comes from here.
        ambiguity: 0 draws the subtype as clearly as textbooks, 1 almost as a look-alike of the other label.
    """
    size = np.exp(rng.normal(0, 0.12))
    drawn = _BUILDERS[subtype](rng, float(np.clip(ambiguity, 0, 1)))
    return replace(drawn, points=size * drawn.points, weights=size * drawn.weights, reach=max(size, 0.9) * drawn.reach)


def _strays(rng: Rng, count: int, low: float, high: float, side: float) -> Chromosomes:
    """A few chromosomes `low` to `high` micrometers off the equator on one side."""
    distance = side * rng.uniform(low, high, count)
    centers = np.stack([rng.normal(0, 2.0, count), distance], axis=1)
    return rods(rng, centers, rng.uniform(0, 6.3, count), length=0.85, opening=0.5)


def _prometaphase(rng: Rng, ambiguity: float) -> Chromosomes:
    loose = rng.uniform(0.0, 0.6) + 0.4 * ambiguity
    heap = clump(rng, chromosome_count(rng), 2.6 + 1.1 * loose, lobes=0.1 + 0.12 * loose, arm=rng.uniform(0.55, 0.9))
    squeeze = rng.uniform(0.7, 1.0)
    return Chromosomes(heap.points * np.array([1.0, squeeze]), heap.weights, reach=rng.uniform(4.8, 8))


def _metaphase(rng: Rng, ambiguity: float) -> Chromosomes:
    thickness = rng.uniform(1.2, 2.2)
    bar = plate(rng, chromosome_count(rng), rng.uniform(7.5, 11), thickness, bend=rng.normal(0, 0.6))
    parts = [bar]
    if ambiguity > 0.5:
        parts.append(_strays(rng, 1, 1.6, 1.6 + 1.6 * ambiguity, rng.choice([-1.0, 1.0])))
    return joined(parts, spindle=rng.uniform(1.0, 1.15), reach=rng.uniform(5.2, 8.5))


def _pair(rng: Rng, distance: float, counts: tuple[int, int], lengths: tuple[float, float]) -> list[Chromosomes]:
    """Two plates `distance` micrometers apart, their arms trailing toward the middle."""
    bend = rng.uniform(-0.3, 1.0)
    thickness = rng.uniform(1.0, 1.5)
    parts: list[Chromosomes] = []
    for side, count, length in zip((-1.0, 1.0), counts, lengths, strict=True):
        bar = plate(rng, count, length, thickness, bend=-side * bend, arm=0.7)
        parts.append(moved(bar, rng.normal(0, 0.12), rng.normal(0, 0.3), side * distance / 2))
    return parts


def _stage(rng: Rng) -> tuple[float, float, float]:
    """Distance of the plates, their length, and furrow, from early anaphase to telophase."""
    late = rng.uniform(0, 1) ** 1.2
    return 4.2 + 7.0 * late, rng.uniform(6.3, 8.5) - 2.0 * late, float(np.clip((late - 0.45) * 1.8, 0, 1))


def _anaphase(rng: Rng, ambiguity: float) -> Chromosomes:
    distance, length, furrow = _stage(rng)
    count = chromosome_count(rng) * 2 // 3
    uneven = 1 - 0.22 * ambiguity
    parts = _pair(rng, distance, (count, int(count * uneven)), (length, length * uneven))
    return joined(parts, spindle=1.15 + 0.045 * distance, furrow=furrow, reach=rng.uniform(6.0, 8.0))


def _asymmetric(rng: Rng, ambiguity: float) -> Chromosomes:
    distance, length, furrow = _stage(rng)
    total = int(chromosome_count(rng) * 1.35)
    small = rng.uniform(0.16, 0.28) + 0.14 * ambiguity
    counts = (int(total * (1 - small)), int(total * small))
    lengths = (length * rng.uniform(1.0, 1.15), length * (0.42 + small))
    parts = _pair(rng, distance + 1.2, counts, lengths)
    if rng.uniform() < 0.4:
        parts[0] = moved(clump(rng, counts[0], 2.2), 0.0, 0.0, -distance / 2 - 0.8)
    return joined(parts, spindle=1.15 + 0.045 * distance, furrow=furrow, reach=rng.uniform(6.0, 8.0))


def _ring(rng: Rng, ambiguity: float) -> Chromosomes:
    count = chromosome_count(rng)
    theta = 2 * np.pi * (np.arange(count) + rng.uniform(-0.8, 0.8, count)) / count
    radius = rng.uniform(2.4, 3.2) - 0.4 * ambiguity
    r = radius * (1 + 0.07 * np.cos(2 * theta + rng.uniform(0, 6.3))) + rng.normal(0, 0.32, count)
    tilt = rng.uniform(0.8, 1.0)
    centers = np.stack([r * np.cos(theta), tilt * r * np.sin(theta)], axis=1)
    ring = rods(rng, centers, theta + rng.normal(0, 0.5, count), length=0.85, opening=0.7)
    return Chromosomes(ring.points, ring.weights, reach=rng.uniform(5.2, 8.5))


def _multipolar(rng: Rng, ambiguity: float) -> Chromosomes:
    poles = int(rng.choice([3, 3, 3, 4]))
    angles = np.arange(poles) * 2 * np.pi / poles + rng.normal(0, 0.5 / poles, poles)
    if rng.uniform() < 0.7:
        return _star(rng, angles, ambiguity)
    return _poles(rng, angles, ambiguity)


def _star(rng: Rng, angles: Array, ambiguity: float) -> Chromosomes:
    """Plates that meet in the middle, as a Y or an X."""
    lengths = rng.uniform(4.3, 6.2, len(angles))
    lengths[0] *= 1 - 0.5 * ambiguity
    each = int(chromosome_count(rng) * 1.5 / len(angles))
    parts: list[Chromosomes] = []
    for angle, length in zip(angles, lengths, strict=True):
        bar = plate(rng, each, length + 0.8, rng.uniform(0.9, 1.4), bend=rng.normal(0, 0.3), arm=0.75)
        middle = length / 2 - 0.2
        parts.append(moved(bar, float(angle), middle * np.cos(angle), middle * np.sin(angle)))
    return joined(parts, reach=rng.uniform(6.8, 10.0))


def _poles(rng: Rng, angles: Array, ambiguity: float) -> Chromosomes:
    """A set of chromosomes gone to each of three or four poles."""
    each = int(chromosome_count(rng) * 1.4 / len(angles))
    parts: list[Chromosomes] = []
    for number, angle in enumerate(angles):
        r = rng.uniform(3.8, 5.5) * (1 - 0.25 * ambiguity * (number == 0))
        bar = plate(rng, each, rng.uniform(4.0, 5.5), 1.3, bend=rng.uniform(0, 0.7), arm=0.75)
        parts.append(moved(bar, angle - np.pi / 2, r * np.cos(angle), r * np.sin(angle)))
    return joined(parts, reach=rng.uniform(6.8, 10.0))


def _segregation(rng: Rng, ambiguity: float) -> Chromosomes:
    kind = rng.choice(["strays", "laggards", "bridge"], p=[0.45, 0.35, 0.2])
    if kind == "strays":
        return _with_strays(rng, ambiguity)
    distance, length, _ = _stage(rng)
    distance = max(distance, 6.2)
    count = chromosome_count(rng) * 2 // 3
    parts = _pair(rng, distance, (count, count), (length, length))
    if kind == "laggards":
        lagging = 1 + int(rng.integers(1, 5) * (1 - ambiguity))
        places = np.stack([rng.normal(0, 1.3, lagging), rng.normal(0, distance / 14, lagging)], axis=1)
        parts.append(rods(rng, places, rng.uniform(0, 6.3, lagging), length=0.8))
    else:
        parts += [_bridge(rng, distance) for _ in range(1 + int(rng.uniform() < 0.5 * (1 - ambiguity)))]
    return joined(parts, spindle=1.15 + 0.045 * distance, reach=rng.uniform(6.0, 8.0))


def _with_strays(rng: Rng, ambiguity: float) -> Chromosomes:
    bar = plate(rng, chromosome_count(rng), rng.uniform(7, 10), rng.uniform(1.3, 2.2), bend=rng.normal(0, 0.6))
    strays = 1 + int(rng.integers(1, 5) * (1 - ambiguity))
    near = 3.0 - 0.8 * ambiguity
    sides = rng.choice([-1.0, 1.0], strays)
    parts = [bar, *(_strays(rng, 1, near, near + 2.2, float(side)) for side in sides)]
    return joined(parts, spindle=1.1, reach=rng.uniform(6.0, 8.8))


def _bridge(rng: Rng, distance: float) -> Chromosomes:
    """A thread of chromatin from one plate to the other."""
    t = np.linspace(-0.5, 0.5, 48)
    x = rng.normal(0, 1.4) + rng.normal(0, 0.8) * np.cos(np.pi * t) + 0.1 * np.cumsum(rng.normal(0, 0.5, 48))
    weights = np.full(48, distance / 48) * rng.uniform(0.7, 1.5)
    return Chromosomes(np.stack([x, t * distance], axis=1), weights)


def _other(rng: Rng, ambiguity: float) -> Chromosomes:
    kind = rng.choice(["scattered", "crescent", "islands"], p=[0.35, 0.35, 0.3])
    if kind == "scattered":
        spread = 4.8 - 1.2 * ambiguity
        heap = clump(rng, int(rng.integers(26, 44)), spread, lobes=0.12, arm=0.5)
        return Chromosomes(heap.points, heap.weights, reach=rng.uniform(6.8, 10.0))
    return _crescent(rng, ambiguity) if kind == "crescent" else _islands(rng, ambiguity)


def _crescent(rng: Rng, ambiguity: float) -> Chromosomes:
    """A plate bent to a hook, an L or a horseshoe."""
    count = chromosome_count(rng)
    sweep = rng.uniform(2.6, 4.2) * (1 - 0.45 * ambiguity)
    theta = sweep * (rng.beta(0.9, 0.9, count) - 0.5)
    radius = rng.uniform(2.8, 4.2) + rng.normal(0, 0.45, count)
    centers = np.stack([radius * np.sin(theta), radius * (0.55 - np.cos(theta))], axis=1)
    hook = rods(rng, centers, theta + rng.uniform(-1, 1, count), length=0.95, opening=0.8)
    return Chromosomes(hook.points, hook.weights, reach=rng.uniform(6.2, 9.5))


def _islands(rng: Rng, ambiguity: float) -> Chromosomes:
    """Unequal clumps without any order."""
    count = chromosome_count(rng)
    number = int(rng.integers(3, 6))
    shares = rng.dirichlet(np.full(number, 2.0))
    parts: list[Chromosomes] = []
    for share in shares:
        size = max(int(share * count), 3)
        x, y = rng.normal(0, 2.6 - 1.0 * ambiguity, 2)
        parts.append(moved(clump(rng, size, 0.32 * size**0.5, lobes=0.3, arm=0.8), 0.0, float(x), float(y)))
    return joined(parts, reach=rng.uniform(6.2, 9.5))


_BUILDERS: dict[Subtype, Callable[[Rng, float], Chromosomes]] = {
    Subtype.PROMETAPHASE: _prometaphase,
    Subtype.METAPHASE: _metaphase,
    Subtype.ANAPHASE_TELOPHASE: _anaphase,
    Subtype.RING_SHAPE: _ring,
    Subtype.BIPOLAR_ASYMMETRIC: _asymmetric,
    Subtype.MULTIPOLAR: _multipolar,
    Subtype.SEGREGATION: _segregation,
    Subtype.OTHER: _other,
}
