"""`atypica calibrate`: a model bundle with a lab's own calibration, thresholds and refer band."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from atypica.apps.cli.calibration_screen import show_recalibration
from atypica.apps.cli.screen import say, show_source
from atypica.core.errors import ExitCode, SettingsError
from atypica.core.machine import default_threads
from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle, write_bundle
from atypica.inference.labeled import labeled_logits
from atypica.inference.model import Model
from atypica.inference.pipeline import Plan
from atypica.inference.recalibration import REFERRED, recalibrate


def calibrate(
    *,
    labels: str,
    out: Path,
    model: Path | None = None,
    refer: float = REFERRED,
    mpp: float | None = None,
    threads: int | None = None,
    seed: int = 0,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Fit a model's probabilities and thresholds to your own labeled figures; the network stays as it is.

    Writes a bundle for `atypica classify --model`. Every metric shown of the new settings is cross-validated by case.
    Exit status: 0 done, 3 some figures could not be read, 2 unusable input, 4 the output cannot be written.

    Parameters
    ----------
    labels
        The labeled figures: a figure table, a folder with a sub-folder for each class, or a dataset's name. None of
        them may have trained the model.
    out
        The new bundle: a folder, or a zip file if it ends in .zip.
    model
        The model bundle to start from; the one that comes with atypica if not given.
    refer
        Share of the figures to refer to a person.
    mpp
        Micrometers per pixel of figures whose table does not say it.
    threads
        Worker threads; one a core if not given.
    seed
        Of folds and resamples.
    json_
        Print the report as JSON on standard output, in place of the tables.
    """
    if not 0 <= refer < 1:
        raise SettingsError(f"--refer {refer:g} is not possible", "give a share such as 0.10")
    if seed < 0:
        raise SettingsError(f"--seed {seed} is not possible", "give 0 or more")
    bundle = read_bundle(model) if model else read_bundle()
    if out.resolve() == bundle.path.resolve():
        raise SettingsError(f"--out {out} is the bundle to start from", "choose another --out")
    figures = open_source(labels)
    show_source(figures)
    plan = Plan(threads=default_threads() if threads is None else threads)
    typed = labeled_logits(Model(bundle), figures, mpp=mpp, plan=plan)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    found = recalibrate(bundle.card, typed, date=today, referred=refer, seed=seed)
    write_bundle(out, bundle.onnx, found.card, bundle.trained_on, bundle.weights)
    if json_:
        print(json.dumps(found.report, indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        show_recalibration(found)
    say(f"wrote {out}: {found.card.name} {found.card.version}")
    return ExitCode.SOME_FAILED if typed.failed else ExitCode.OK
