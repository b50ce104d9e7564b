"""What the parts of a run say together, read one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.inference.case_counts import CaseCounts
from atypica.inference.counting import LeftOut, Limits
from atypica.inference.parts.file import read_part, read_record
from atypica.inference.parts.folder import PartsFolder
from atypica.inference.predictions import flags
from atypica.inference.resolution_tally import ResolutionTally

MOST_ERRORS = 5
COLUMNS = (
    "figure_id",
    "case",
    "detection_score",
    "p_amf",
    "threshold",
    "prediction",
    "ood",
    "abstain",
    "in_training",
    "counted",
    "error",
)


@dataclass
class PartsSummary:
    """Counts over all parts.

    Attributes:
        figures: all rows.
        failed: those that could not be typed.
        errors: the first of them, with the reason.
        in_training: those that trained the model.
        referred: those that count and that a person should look at.
        repeated: those whose `figure_id` another one has too.
        left_out: by the limits.
        counts: of each case.
        resolutions: that were taken.
    """

    figures: int = 0
    failed: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    in_training: int = 0
    referred: int = 0
    repeated: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)
    counts: CaseCounts = field(default_factory=CaseCounts)
    resolutions: ResolutionTally = field(default_factory=ResolutionTally)

    @property
    def grouped(self) -> bool:
        """Whether any figure has a case."""
        return any(name is not None for name in self.counts.names)


def sum_up(folder: PartsFolder, names: Iterable[str], limits: Limits) -> PartsSummary:
    """Read the parts of these names. The memory grows with the cases, and by eight bytes a figure for its id."""
    total = PartsSummary()
    ids: list[NDArray[np.uint64]] = []
    for name in names:
        part = read_part(folder.file(name), COLUMNS)
        record = read_record(folder.file(name))
        if record:
            total.resolutions.add(record.resolutions)
        ids.append(pd.util.hash_array(part["figure_id"].to_numpy(), categorize=False))
        _add(total, part, limits)
    total.repeated = _repeated(ids)
    return total


def _add(total: PartsSummary, part: pd.DataFrame, limits: Limits) -> None:
    broken = part[part["p_amf"].isna()]
    some = broken.head(MOST_ERRORS - len(total.errors))
    total.errors += [(str(name), str(error)) for name, error in zip(some["figure_id"], some["error"], strict=True)]
    total.figures += len(part)
    total.failed += len(broken)
    total.in_training += int(flags(part, "in_training").sum())
    total.referred += int((flags(part, "abstain") & flags(part, "counted")).sum())
    total.left_out += LeftOut.of(part, limits)
    total.counts.add(part)


def _repeated(ids: list[NDArray[np.uint64]]) -> int:
    if not ids:
        return 0
    every = np.concatenate(ids)
    every.sort()
    return int((every[1:] == every[:-1]).sum())
