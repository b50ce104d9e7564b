"""`atypica classify`: figures in, typed figures, cases and a report out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from atypica.apps.cli.fan_out import HERE, FanOut
from atypica.apps.cli.screen import say, show_files, show_result, show_source
from atypica.apps.cli.shards_screen import deliver_shards, show_shards
from atypica.apps.cli.slides_screen import show_slides
from atypica.core.errors import OutputError, SettingsError
from atypica.core.locks import sole_use
from atypica.core.outputs import OutputFolder
from atypica.data.detections import Boxes, Units, names_of
from atypica.data.readers import MAX_PIXELS
from atypica.data.shards import Shards, open_shards
from atypica.data.sources import Reading, open_source
from atypica.inference.counting import Limits
from atypica.inference.hotspot import HOTSPOT_MM2, check_area
from atypica.inference.model import Asked, load_model
from atypica.inference.parts.part import PART_SIZE
from atypica.inference.parts.shards import classify_shards
from atypica.inference.parts.table import classify_table
from atypica.inference.pipeline import BATCH
from atypica.inference.result import Result, TableFormat

PARTS = "parts"
"""The folder, within that of the results, where the parts of a run are until all is delivered."""


def classify(
    source: str,
    *,
    out: Path,
    figures: Path | None = None,
    units: Units | None = None,
    boxes: Boxes | None = None,
    classes: str | None = None,
    model: Path | None = None,
    mpp: float | None = None,
    views: Literal[1, 8] = 1,
    threshold: str | None = None,
    min_detection_score: float | None = None,
    max_ood: str | None = None,
    threads: int | None = None,
    report: bool = True,
    batch: int = BATCH,
    max_pixels: int = MAX_PIXELS,
    hotspot_mm2: float = HOTSPOT_MM2,
    format: Literal["csv", "parquet"] = "csv",
    part_size: int = PART_SIZE,
    fan_out: FanOut = HERE,
) -> int:
    """Type mitotic figures as normal (NMF) or atypical (AMF). Research use only, not a medical device.

    Writes predictions (a row a figure; one that could not be read keeps its row, with the error), cases (the AMF
    rate of each with a 95 % interval) and report.html; for figures on slides also the table slides, GeoJSON for QuPath
    and an overview picture. Exit status: 0 all typed, 3 some failed, 2 unusable input,
    4 the output cannot be written.

    Figures in shards, and with --on those of other sources too, are typed in parts: a run that was stopped, even by a
    kill, goes on with the same command. Of shards the parts are the result (predictions/part-*.parquet), with the
    table of cases and no report.

    Parameters
    ----------
    source
        A folder of crops, one image, a multi-page TIFF, a figure table (CSV or Parquet), or a dataset's name; a slide
        or region with --figures; or a table of slides (columns slide and figures). In shards: Parquet with image bytes,
        a tar file, a folder of such, or a quoted pattern such as "stacks/*.tif".
    out
        The folder for the results.
    figures
        Where a detector found figures on the slide: CSV, Parquet, QuPath GeoJSON, COCO, MIDOG++ or SlideRunner.
    units
        Of x and y in that file, where it does not say them: pixels of level 0, or micrometers.
    boxes
        Of COCO and MIDOG++: x, y, width, height or x1, y1, x2, y2. Told by the boxes if not given.
    classes
        Which classes of the detections are mitotic figures, separated by commas, or 'all'. Not given: all; of COCO,
        MIDOG++ and SlideRunner those named 'mitotic figure' alone, so that hard negatives are not counted.
    model
        A model bundle (folder or zip); the one that comes with atypica if not given.
    mpp
        Micrometers per pixel of figures whose table does not say it. Without it, a TIFF's tag or 0.25 is taken,
        and that is said. Of a slide (at level 0) whose file does not say it; there nothing is assumed.
    views
        8 averages over rotations and flips: better, eight times slower.
    threshold
        From which p_amf on a figure is AMF: a number, or a name from the model's card. The card's default if not
        given.
    min_detection_score
        Figures with a lower detection_score are typed and keep their row, but enter no count and no rate.
    max_ood
        The same for figures with a higher ood: a number from 0 to 1, or 'card' for the limit of the model's card.
        It finds blur, blank tissue and ink, not look-alikes of mitotic figures.
    threads
        Threads of each worker; one a core if not given, with --on as many as a worker has CPUs.
    report
        Write report.html.
    batch
        Figures a batch.
    max_pixels
        Refuse larger images unread.
    hotspot_mm2
        Area of the hotspot on a slide: 2.37 square millimeters are ten high-power fields.
    format
        Of the tables.
    part_size
        Figures a part: what is lost at most when a run is stopped.
    """
    check_area(hotspot_mm2)
    loaded = load_model(model)
    cut = loaded.threshold(threshold)
    what: dict[str, Any] = {"mpp": mpp, "views": views, "threshold": threshold, "max_pixels": max_pixels}
    how: dict[str, Any] = {"threads": threads, "batch": batch}
    which: dict[str, Any] = {"min_detection_score": min_detection_score, "max_ood": max_ood}
    shards = open_shards(source) if figures is None else None
    if shards:
        _refuse_detections(shards, units, boxes, classes)
        prepare_folder(out)
        show_shards(shards)
        with sole_use(out), fan_out.open() as executor:
            typed = classify_shards(
                shards, out, loaded, **what, **which, **how, part_size=part_size, executor=executor, say=say
            )
        return deliver_shards(typed, out, format)
    reading = Reading(units, boxes, mpp, max_pixels, names_of(classes))
    table = open_source(source, figures=figures, reading=reading)
    prepare_folder(out)
    show_source(table)
    finish: dict[str, Any] = {"report": report, "table_format": format, "hotspot_mm2": hotspot_mm2}
    if fan_out.on == "serial":
        return deliver(loaded.classify(table, **what, **which, **how), out, **finish)
    asked = Asked(cut, mpp, views, Limits.of(table, loaded.card, **which), max_pixels)
    with sole_use(out / PARTS):
        with fan_out.open() as executor:
            done = classify_table(table, out / PARTS, loaded, asked, executor, **how, part_size=part_size, say=say)
        status = deliver(done.result, out, **finish)
        if done.failed:
            say(f"what was typed is kept in {done.folder.folder}: the same command tries the rest again", "yellow")
        else:
            done.folder.remove()
    return status


def _refuse_detections(shards: Shards, *given: object) -> None:
    if any(value is not None for value in given):
        raise SettingsError(
            f"{shards.name} is in shards, but --units, --boxes and --classes are of detections on slides",
            "leave them out",
        )


def prepare_folder(out: Path) -> None:
    """Make the folder for the results before any work is done.

    Raises:
        OutputError: it cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}", "choose another --out") from error
    if not os.access(out, os.W_OK):
        raise OutputError(f"cannot write into {out}", "choose another --out, or change its permissions")


def deliver(
    result: Result,
    out: Path,
    *,
    report: bool = True,
    table_format: TableFormat = "csv",
    title: str | None = None,
    banner: str | None = None,
    hotspot_mm2: float = HOTSPOT_MM2,
) -> int:
    """Show a result on the screen and write its files, those of its slides too; gives the exit status.

    What an earlier run wrote into the folder, and this one does not, is removed.

    Raises:
        OutputError: a file cannot be written.
    """
    show_result(result)
    slides = result.slides(hotspot_mm2)
    show_slides(slides)
    folder = OutputFolder(out)
    files = list(result.write(out, table_format, slides))
    folder.add(files)
    if slides:
        from atypica.reporting.overview import write_overviews

        pictures = write_overviews(result.predictions, slides, out)
        folder.add(pictures)
        files += pictures
    if report:
        from atypica.reporting.report import write_report

        page = out / "report.html"
        write_report(result, page, title=title, banner=banner, slides=slides, hotspot_mm2=hotspot_mm2)
        folder.add([page])
        files.append(page)
    for changed in folder.remove_earlier():
        say(f"{changed} is of an earlier run and was changed since: it stays, look after it yourself", "yellow")
    show_files(files)
    return int(result.exit_code)
