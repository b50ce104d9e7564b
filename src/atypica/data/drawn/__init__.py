"""Drawn figures: a synthetic renderer of mitotic figures in H&E, for demonstrations and tests."""

from __future__ import annotations

from atypica.data.drawn.dataset import draw_figures
from atypica.data.drawn.distractors import Distractor, draw_distractor
from atypica.data.drawn.figure import Look, draw_figure, random_look
from atypica.data.drawn.optics import SCANNERS, STAINS, Scanner, Stain, random_stain

__all__ = [
    "SCANNERS",
    "STAINS",
    "Distractor",
    "Look",
    "Scanner",
    "Stain",
    "draw_distractor",
    "draw_figure",
    "draw_figures",
    "random_look",
    "random_stain",
]
