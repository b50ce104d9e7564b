"""The label file of MIDOG++: where its mitotic figures are; it says nothing of normal and atypical."""

from __future__ import annotations

from atypica.data.sources.dataset import Dataset, Download

DATASET = Dataset(
    name="midogpp-labels",
    title="MIDOG++ labels",
    about="positions of 11,937 mitotic figures on 503 cases; labels only, not typed",
    figures=None,
    amf=None,
    cases=503,
    license="as stated in the repository",
    citation="Aubreville M et al. A comprehensive multi-domain dataset for mitotic figure detection. "
    "Scientific Data 10, 484 (2023).",
    url="https://github.com/DeepMicroscopy/MIDOGpp",
    folders=("MIDOGpp",),
    downloads=(
        Download(
            "https://raw.githubusercontent.com/DeepMicroscopy/MIDOGpp/HEAD/databases/MIDOG%2B%2B.json", "MIDOG++.json"
        ),
    ),
)
