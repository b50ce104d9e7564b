"""`atypica quantize`: a model bundle that computes on 8-bit integers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from atypica.apps.cli.screen import counted, say, show_source
from atypica.core.errors import ExitCode, MissingExtraError, SettingsError
from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle

if TYPE_CHECKING:
    from atypica.training.int8 import Moved

SHIPPED = "default"
"""The bundle that comes with atypica, where a path is expected."""
FAR = 0.1
"""A difference of p_amf from which on a person is told to look."""


def quantize(
    bundle: str,
    *,
    data: str,
    out: Path,
    figures: int = 256,
    keep: int = 3,
    weight_bits: Literal[7, 8] = 7,
    mpp: float | None = None,
    seed: int = 0,
) -> int:
    """Make an int8 bundle: smaller and faster on a processor, its answers a little off (extra `train`).

    Static quantization by ONNX Runtime. The new bundle is typed with at once, beside the old one, and how far
    p_amf moved is said and written into its card. Thresholds are taken over: check them with `atypica calibrate`.
    Exit status: 0 done, 3 some figures could not be read, 2 unusable input, 4 the output cannot be written.

    Parameters
    ----------
    bundle
        The float32 bundle (folder or zip), or 'default' for the one that comes with atypica.
    data
        Figures to measure the ranges of the integers on: a table, a folder or a dataset's name. Best those that
        trained the model; never those that you will test it on. Labels are not needed. Of a dataset with a column
        'split' the part 'train' is taken.
    out
        The new bundle: a folder, or a zip file if it ends in .zip.
    figures
        How many of them; as many again only compare the new model with the old one.
    keep
        Convolutions at the start that stay float32, where 8 bits cost most.
    weight_bits
        8 is nearer to float32, but only for processors with VNNI and for ARM: others may overflow in silence.
    mpp
        Micrometers per pixel of figures whose table does not say it.
    seed
        Of the lot that draws the figures.
    """
    for name, value, least in (("figures", figures, 1), ("keep", keep, 0), ("seed", seed, 0)):
        if value < least:
            raise SettingsError(f"--{name} {value} is not possible", f"give {least} or more")
    model = read_bundle() if bundle == SHIPPED else read_bundle(Path(bundle))
    if out.resolve() == model.path.resolve():
        raise SettingsError(f"--out {out} is the bundle to start from", "choose another --out")
    try:
        from atypica.training.int8 import quantize_bundle
    except ImportError as error:
        raise MissingExtraError("quantize", "train") from error
    source = open_source(data)
    if "split" in source.table and (source.table["split"] == "train").any():
        source = source.where((source.table["split"] == "train").to_numpy())
    show_source(source)
    made = quantize_bundle(model, source, out, count=figures, kept=keep, weight_bits=weight_bits, seed=seed, mpp=mpp)
    _tell("figures it was calibrated on", made.calibration)
    if made.others:
        _tell("other figures of the source", made.others)
    if made.failed:
        say(f"{counted(made.failed, 'figure')} could not be read", "bold red")
    before, after = len(model.onnx) / 1e6, len(made.bundle.onnx) / 1e6
    card = made.bundle.card
    say(f"wrote {out}: {card.name} {card.version}, {after:.1f} MB in place of {before:.1f}")
    say("thresholds and calibration are the float32 model's: check them with atypica calibrate")
    return ExitCode.SOME_FAILED if made.failed else ExitCode.OK


def _tell(where: str, moved: Moved) -> None:
    told = f"p_amf moved by {moved.mean:.4f} on the mean and {moved.largest:.4f} at most"
    calls = f"{moved.changed} of {moved.figures} calls changed"
    say(f"{where}: {told}; {calls}", "bold yellow" if moved.largest > FAR else "")
