"""A folder of drawn figures with its figure table: cases, scanners, three experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from atypica.core.errors import OutputError, SettingsError
from atypica.core.files import atomic_path
from atypica.core.progress import track
from atypica.core.vocabulary import AMF_SUBTYPES, NMF_SUBTYPES, Subtype
from atypica.data.drawn.experts import read
from atypica.data.drawn.figure import Look, draw_figure
from atypica.data.drawn.optics import SCANNERS, STAINS, Scanner, vary
from atypica.data.drawn.tissue import random_tissue
from atypica.data.figures import Figures, figures_from

Rng = np.random.Generator

DATASET = "drawn"
NOTES = (
    "These figures are drawn by a renderer, not photographed: they show how the software works, "
    "not how well it reads real tissue.",
)
USUAL_MIX: Mapping[Subtype, float] = {
    Subtype.PROMETAPHASE: 0.46,
    Subtype.METAPHASE: 0.42,
    Subtype.ANAPHASE_TELOPHASE: 0.09,
    Subtype.RING_SHAPE: 0.03,
    Subtype.BIPOLAR_ASYMMETRIC: 0.12,
    Subtype.MULTIPOLAR: 0.14,
    Subtype.SEGREGATION: 0.29,
    Subtype.OTHER: 0.45,
}
"""Shares of the subtypes within each side, about as in human breast cancer."""


@dataclass(frozen=True)
class Case:
    """A drawn patient.

    Attributes:
        name: as in the column `case`.
        lab: that stained the slide.
        look: of all the case's pictures.
        weight: how many figures it has, relative to others.
        odds: how often its figures are atypical, relative to others.
    """

    name: str
    lab: str
    look: Look
    weight: float
    odds: float


def draw_figures(
    folder: Path,
    count: int,
    seed: int,
    *,
    cases: int = 12,
    scanners: tuple[Scanner, ...] = SCANNERS,
    amf_rate: float = 0.25,
    mix: Mapping[Subtype, float] = USUAL_MIX,
    size: int = 128,
) -> Figures:
    """Draw a dataset: `folder`/images/*.png and `folder`/figures.csv. Equal arguments give equal files.

    Every case has its own stain, tissue, scanner and AMF rate. Three experts read each figure; `label` is their
    majority and `subtype` the first expert's, so that (as in AMi-Br) the two may contradict. The columns
    `drawn_subtype` and `ambiguity` say what was truly drawn.

    Args:
        folder: a new or empty folder.
        count: figures.
        seed: of everything random.
        cases: patients; every case has at least one figure.
        scanners: the devices; cases are dealt to them in turn, at their own mpp.
        amf_rate: share of figures drawn atypical (rounded to whole figures; the experts' majority may differ).
        mix: shares of the subtypes within each side; those left out are not drawn.
        size: side of the pictures in pixels.

    Raises:
        SettingsError: count < cases, no case or scanner, or a rate or mix that cannot be.
        OutputError: `folder` holds files already, or cannot be written.
    """
    _check(count, cases, scanners, amf_rate, mix)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is not empty", "choose a new folder for the drawn figures")
    rng = np.random.default_rng(seed)
    patients = [_case(number, scanners, rng) for number in range(cases)]
    of_case = _deal_cases(count, patients, rng)
    subtypes = _deal_subtypes(of_case, patients, amf_rate, mix, rng)
    with atomic_path(folder) as temporary:
        (temporary / "images").mkdir(parents=True)
        plan = list(zip(of_case, subtypes, rng.integers(2**63, size=count), strict=True))
        rows = [
            _row(temporary, number, patients[case], subtype, np.random.default_rng(own), size)
            for number, (case, subtype, own) in enumerate(track(plan, "drawing figures"), start=1)
        ]
        table = pd.DataFrame(rows)
        table.to_csv(temporary / "figures.csv", index=False)
    return figures_from(table, folder, "drawn figures", NOTES)


def _check(
    count: int, cases: int, scanners: tuple[Scanner, ...], amf_rate: float, mix: Mapping[Subtype, float]
) -> None:
    if cases < 1 or count < cases or not scanners:
        raise SettingsError(
            f"{count} figures of {cases} cases on {len(scanners)} scanners cannot be drawn",
            "ask for at least one scanner, one case, and one figure a case",
        )
    if not 0 <= amf_rate <= 1:
        raise SettingsError(f"amf_rate is {amf_rate}", "choose a share between 0 and 1")
    for side, needed in ((NMF_SUBTYPES, amf_rate < 1), (AMF_SUBTYPES, amf_rate > 0)):
        shares = [mix.get(subtype, 0.0) for subtype in side]
        if min(shares) < 0 or (needed and sum(shares) == 0):
            raise SettingsError(f"mix gives {shares} to {', '.join(side)}", "give shares of 0 or more, not all 0")


def _case(number: int, scanners: tuple[Scanner, ...], rng: Rng) -> Case:
    labs = list(STAINS)
    lab = int(rng.integers(len(labs)))
    look = Look(vary(STAINS[labs[lab]], rng), random_tissue(rng), scanners[number % len(scanners)])
    weight, odds = np.exp(rng.normal(0, 0.6, 2))
    return Case(f"drawn-{number + 1:03d}", f"drawn lab {lab + 1}", look, float(weight), float(odds))


def _deal_cases(count: int, patients: list[Case], rng: Rng) -> NDArray[np.int64]:
    """The case of each figure, in order of cases; none is left out."""
    weights = np.array([patient.weight for patient in patients])
    more = rng.choice(len(patients), count - len(patients), p=weights / weights.sum())
    return np.sort(np.concatenate([np.arange(len(patients)), more]))


def _deal_subtypes(
    of_case: NDArray[np.int64], patients: list[Case], amf_rate: float, mix: Mapping[Subtype, float], rng: Rng
) -> list[Subtype]:
    """The subtype of each figure: exactly the asked rate overall, more in the cases of higher odds."""
    odds = np.array([patients[case].odds for case in of_case])
    atypical = rng.choice(len(of_case), round(amf_rate * len(of_case)), replace=False, p=odds / odds.sum())
    dealt: list[Subtype] = [Subtype.METAPHASE] * len(of_case)
    normal = np.setdiff1d(np.arange(len(of_case)), atypical)
    for places, side in ((normal, NMF_SUBTYPES), (atypical, AMF_SUBTYPES)):
        for place, subtype in zip(rng.permutation(places), _quota(len(places), side, mix), strict=True):
            dealt[place] = subtype
    return dealt


def _quota(count: int, side: tuple[Subtype, ...], mix: Mapping[Subtype, float]) -> list[Subtype]:
    """`count` subtypes in the shares of `mix`, rounded by largest remainder."""
    if count == 0:
        return []
    shares = np.array([mix.get(subtype, 0.0) for subtype in side])
    exact = count * shares / shares.sum()
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: count - counts.sum()]] += 1
    return [subtype for subtype, number in zip(side, counts, strict=True) for _ in range(number)]


def _row(folder: Path, number: int, case: Case, subtype: Subtype, rng: Rng, size: int) -> dict[str, Any]:
    ambiguity = float(np.round(rng.beta(1.2, 2.2), 3))
    reading = read(subtype, ambiguity, rng)
    mpp = case.look.scanner.mpp
    picture = draw_figure(subtype, rng, size=size, mpp=mpp, look=case.look, ambiguity=ambiguity)
    name = f"images/{DATASET}_{number:05d}.png"
    Image.fromarray(picture).save(folder / name, compress_level=1)
    return {
        "figure_id": f"{DATASET}_{number:05d}",
        "image": name,
        "case": case.name,
        "slide": f"{case.name}-1",
        "dataset": DATASET,
        "tumor": "drawn",
        "species": "drawn",
        "scanner": case.look.scanner.name,
        "lab": case.lab,
        "mpp": mpp,
        "label": reading.label.value,
        "subtype": reading.subtypes[0].value,
        **{f"vote_{n}": float(vote == "AMF") for n, vote in enumerate(reading.votes, start=1)},
        **{f"subtype_{n}": name.value for n, name in enumerate(reading.subtypes, start=1)},
        "drawn_subtype": subtype.value,
        "ambiguity": ambiguity,
    }
