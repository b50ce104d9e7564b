"""The folder of a run in parts: what it is of, and which parts are there."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import atypica
from atypica.core.errors import OutputError, SettingsError
from atypica.core.files import write_json
from atypica.inference.classifier import DEVICE
from atypica.inference.model import Asked, Model
from atypica.inference.parts.file import PartRecord, read_record
from atypica.inference.parts.part import Part

PREDICTIONS, JOB = "predictions", "job.json"
VERSION = 1


def job_of(source: str, model: Model, asked: Asked, part_size: int) -> dict[str, Any]:
    """What the predictions of a run depend on."""
    return {
        "version": VERSION,
        "atypica": atypica.__version__,
        "source": source,
        "model": f"{model.card.name} {model.card.version}",
        "model_sha256": model.card.onnx_sha256,
        "device": device(),
        "views": asked.views,
        "threshold": asked.threshold,
        "mpp": asked.mpp,
        "min_detection_score": asked.limits.min_detection_score,
        "max_ood": asked.limits.max_ood,
        "max_pixels": asked.max_pixels,
        "part_size": part_size,
    }


def device() -> str:
    """What ATYPICA_DEVICE says, which the workers follow too."""
    return os.environ.get(DEVICE, "").lower()


class PartsFolder:
    """Holds `job.json` and, in `predictions`, the parts.

    Args:
        folder: made if it is not there.
        job: of `job_of`.

    Raises:
        SettingsError: the folder holds parts of a run with other settings.
        OutputError: it cannot be written.
    """

    def __init__(self, folder: Path, job: dict[str, Any]) -> None:
        self.folder, self.predictions, self.job = folder, folder / PREDICTIONS, folder / JOB
        if any(self.predictions.glob("part-*.parquet")):
            self._check(job)
        try:
            self.predictions.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make {self.predictions}: {error.strerror}", "choose another --out") from error
        write_json(self.job, job)

    def _check(self, job: dict[str, Any]) -> None:
        """Refuse parts that are there and are not of this job."""
        folder, earlier = self.folder, _read(self.job)
        if earlier is None:
            raise SettingsError(f"{self.predictions} holds parts, but there is no {JOB}", "choose another --out")
        if other := [name for name in job if earlier.get(name) != job[name]]:
            changes = ", ".join(f"{name} was {earlier.get(name)}, is {job[name]}" for name in other)
            raise SettingsError(
                f"{folder} holds parts of a run with other settings: {changes}",
                f"choose another --out, give the settings of {JOB}, or remove {JOB} and {PREDICTIONS}",
            )

    def file(self, name: str) -> Path:
        """Of a part."""
        return self.predictions / f"{name}.parquet"

    def record(self, part: Part) -> PartRecord | None:
        """Of a part that is there, of these very figures; else None."""
        record = read_record(self.file(part.name))
        return record if record and record.identity == part.identity else None

    def keep(self, names: set[str]) -> list[Path]:
        """Remove the parts of other names: their figures are no longer in the source. Gives their files.

        What killed workers left half-written goes too.
        """
        for file in self.predictions.glob(".part-*.parquet"):
            file.unlink(missing_ok=True)
        others = [file for file in sorted(self.predictions.glob("part-*.parquet")) if file.stem not in names]
        for file in others:
            file.unlink()
        return others

    def remove(self) -> None:
        """Remove the run."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> dict[str, Any] | None:
    """What is known of an earlier run; nothing where a file is damaged."""
    with suppress(OSError, ValueError):
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else None
    return None
