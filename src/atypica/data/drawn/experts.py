"""Drawn experts: how three pathologists would read a drawn figure, with plausible disagreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atypica.core.vocabulary import Label, Subtype

LOOK_ALIKES: dict[Subtype, dict[Subtype, float]] = {
    Subtype.PROMETAPHASE: {Subtype.METAPHASE: 3, Subtype.RING_SHAPE: 1, Subtype.SEGREGATION: 2, Subtype.OTHER: 2},
    Subtype.METAPHASE: {Subtype.PROMETAPHASE: 2, Subtype.SEGREGATION: 3, Subtype.OTHER: 1},
    Subtype.ANAPHASE_TELOPHASE: {Subtype.BIPOLAR_ASYMMETRIC: 3, Subtype.SEGREGATION: 3, Subtype.METAPHASE: 1},
    Subtype.RING_SHAPE: {Subtype.PROMETAPHASE: 3, Subtype.OTHER: 2, Subtype.SEGREGATION: 1},
    Subtype.BIPOLAR_ASYMMETRIC: {Subtype.ANAPHASE_TELOPHASE: 4, Subtype.SEGREGATION: 2, Subtype.OTHER: 1},
    Subtype.MULTIPOLAR: {Subtype.OTHER: 3, Subtype.SEGREGATION: 2, Subtype.METAPHASE: 1, Subtype.PROMETAPHASE: 1},
    Subtype.SEGREGATION: {Subtype.METAPHASE: 3, Subtype.ANAPHASE_TELOPHASE: 2, Subtype.OTHER: 2},
    Subtype.OTHER: {Subtype.PROMETAPHASE: 3, Subtype.SEGREGATION: 2, Subtype.METAPHASE: 1, Subtype.MULTIPOLAR: 1},
}
"""What each subtype is mistaken for, with weights (our own, after the pairs that experts are known to confuse)."""

_LEAST, _MOST = 0.03, 0.6


@dataclass(frozen=True)
class Reading:
    """What three experts said of one figure; the first two also named a subtype.

    Attributes:
        subtypes: of experts 1 and 2.
        votes: of experts 1 to 3; the first two follow from their subtypes.
    """

    subtypes: tuple[Subtype, Subtype]
    votes: tuple[Label, Label, Label]

    @property
    def label(self) -> Label:
        """The majority of the three votes."""
        return Label.AMF if self.votes.count(Label.AMF) >= 2 else Label.NMF


def read(drawn: Subtype, ambiguity: float, rng: np.random.Generator) -> Reading:
    """Let three experts read a figure; each errs more often the more ambiguous it is.

    Args:
        drawn: what was drawn.
        ambiguity: 0 to 1; an expert names a look-alike with probability 0.03 to 0.6.
        rng: everything random comes from here.
    """
    first, second, third = (_call(drawn, ambiguity, rng) for _ in range(3))
    return Reading((first, second), (first.side, second.side, third.side))


def _call(drawn: Subtype, ambiguity: float, rng: np.random.Generator) -> Subtype:
    if rng.uniform() >= _LEAST + (_MOST - _LEAST) * ambiguity**2:
        return drawn
    names = list(LOOK_ALIKES[drawn])
    weights = np.array(list(LOOK_ALIKES[drawn].values()), dtype=np.float64)
    return names[rng.choice(len(names), p=weights / weights.sum())]
