"""The ledger of a run folder: one line for everything finished, so that nothing is done twice."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from atypica.core.files import write_text


class Ledger:
    """`ledger.jsonl`: one JSON line a finished step, keyed by recipe hash, data hash and step.

    Args:
        path: the file; created with the first entry.
        data: the hash of the figures and their folds.
    """

    def __init__(self, path: Path, data: str) -> None:
        self._path = path
        self._data = data

    def entries(self) -> list[dict[str, Any]]:
        """Every line, oldest first."""
        if not self._path.is_file():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines() if line]

    def find(self, step: str, recipe: str) -> dict[str, Any] | None:
        """The newest line of a step, if it is of this recipe (its hash) and these data.

        An older line does not count: what it left was overwritten since.
        """
        lines = [entry for entry in self.entries() if entry["step"] == step]
        wanted = {"recipe": recipe, "data": self._data}
        return lines[-1] if lines and wanted.items() <= lines[-1].items() else None

    def collapses(self) -> dict[int, str]:
        """The folds whose newest line says that they collapsed, and why."""
        newest = {entry["step"]: entry["metrics"] for entry in self.entries() if entry["step"].startswith("fold ")}
        found = {int(step.removeprefix("fold ")): metrics for step, metrics in newest.items() if "collapse" in metrics}
        return {fold: str(found[fold]["collapse"]) for fold in sorted(found)}

    def add(self, step: str, recipe: str, *, seed: int, seconds: float, metrics: dict[str, Any]) -> None:
        """Add the line of a finished step; the file is rewritten whole."""
        line = {
            "recipe": recipe,
            "data": self._data,
            "step": step,
            "seed": seed,
            "seconds": round(seconds, 1),
            "metrics": metrics,
            "machine": f"{platform.system()} {platform.machine()}",
        }
        lines = [json.dumps(entry) for entry in [*self.entries(), line]]
        write_text(self._path, "\n".join(lines) + "\n")
