"""The public repository that holds AMi-Br, AtNorM-Br and AtNorM-MD, and the paper of the latter two."""

from __future__ import annotations

from atypica.data.sources.dataset import Download

REPOSITORY = "https://github.com/DeepMicroscopy/AMi-Br_Benchmark"
CITATION = (
    "Banerjee S et al. Benchmarking Deep Learning and Vision Foundation Models for Atypical vs. Normal Mitosis "
    "Classification with Cross-Dataset Evaluation. Machine Learning for Biomedical Imaging (MELBA) 2026."
)


def benchmark_download(folder: str) -> Download:
    """One of the repository's data folders."""
    return Download(f"{REPOSITORY}/archive/HEAD.zip", "AMi-Br_Benchmark.zip", part=folder)
