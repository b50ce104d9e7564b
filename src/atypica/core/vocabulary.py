"""The words of the field: labels, subtypes, and how their many spellings are read."""

from __future__ import annotations

import re
from enum import StrEnum


class Label(StrEnum):
    """The type of a mitotic figure. AMF is the positive class everywhere."""

    NMF = "NMF"
    AMF = "AMF"


class Subtype(StrEnum):
    """The eight subtypes of AMi-Br (Bertram et al., BVM 2025), in the order of the prediction columns."""

    PROMETAPHASE = "prometaphase"
    METAPHASE = "metaphase"
    ANAPHASE_TELOPHASE = "anaphase_telophase"
    RING_SHAPE = "ring_shape"
    BIPOLAR_ASYMMETRIC = "bipolar_asymmetric"
    MULTIPOLAR = "multipolar"
    SEGREGATION = "segregation"
    OTHER = "other"

    @property
    def side(self) -> Label:
        """The label that this subtype belongs to."""
        return Label.NMF if self in NMF_SUBTYPES else Label.AMF

    @property
    def display(self) -> str:
        """The name as a person reads it."""
        return {
            Subtype.ANAPHASE_TELOPHASE: "anaphase / telophase",
            Subtype.RING_SHAPE: "ring shape",
            Subtype.BIPOLAR_ASYMMETRIC: "bipolar asymmetric",
            Subtype.OTHER: "other atypical",
        }.get(self, self.value)


NMF_SUBTYPES = (Subtype.PROMETAPHASE, Subtype.METAPHASE, Subtype.ANAPHASE_TELOPHASE, Subtype.RING_SHAPE)
AMF_SUBTYPES = (Subtype.BIPOLAR_ASYMMETRIC, Subtype.MULTIPOLAR, Subtype.SEGREGATION, Subtype.OTHER)

_LABELS = {
    "nmf": Label.NMF,
    "normal": Label.NMF,
    "typical": Label.NMF,
    "false": Label.NMF,
    "0": Label.NMF,
    "amf": Label.AMF,
    "atypical": Label.AMF,
    "abnormal": Label.AMF,
    "true": Label.AMF,
    "1": Label.AMF,
}
_SUBTYPES = {
    "prometaphase": Subtype.PROMETAPHASE,
    "metaphase": Subtype.METAPHASE,
    "anaphase": Subtype.ANAPHASE_TELOPHASE,
    "telophase": Subtype.ANAPHASE_TELOPHASE,
    "anaphase telophase": Subtype.ANAPHASE_TELOPHASE,
    "ana telophase": Subtype.ANAPHASE_TELOPHASE,
    "ring": Subtype.RING_SHAPE,
    "ring shape": Subtype.RING_SHAPE,
    "ring form": Subtype.RING_SHAPE,
    "bipolar": Subtype.BIPOLAR_ASYMMETRIC,
    "bipolar asymmetric": Subtype.BIPOLAR_ASYMMETRIC,
    "bipolar assymetric": Subtype.BIPOLAR_ASYMMETRIC,
    "asymmetric": Subtype.BIPOLAR_ASYMMETRIC,
    "multipolar": Subtype.MULTIPOLAR,
    "tripolar": Subtype.MULTIPOLAR,
    "segregation": Subtype.SEGREGATION,
    "segregation abnormalities": Subtype.SEGREGATION,
    "lagging": Subtype.SEGREGATION,
    "other": Subtype.OTHER,
    "other atypical": Subtype.OTHER,
}


def _words(text: object) -> str:
    return " ".join(re.split(r"[^a-z0-9]+", str(text).lower())).strip()


def parse_label(text: object) -> Label | None:
    """Read a label in any usual spelling (`atypical`, `AMF`, `True`, `1`, a subtype's name); None if it is none.

    >>> parse_label("Atypical")
    <Label.AMF: 'AMF'>
    """
    words = _words(text)
    if words in _LABELS:
        return _LABELS[words]
    subtype = parse_subtype(text)
    return subtype.side if subtype else None


def parse_subtype(text: object) -> Subtype | None:
    """Read a subtype in any usual spelling, with or without its side (`AMF bipolar assymetric`); None if it is none.

    >>> parse_subtype("NMF anaphase-telophase")
    <Subtype.ANAPHASE_TELOPHASE: 'anaphase_telophase'>
    """
    words = _words(text)
    for prefix in ("nmf ", "amf "):
        words = words.removeprefix(prefix)
    return _SUBTYPES.get(words)
