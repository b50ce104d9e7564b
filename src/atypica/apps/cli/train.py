"""`atypica train`: a recipe and figures in, a verified model bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from atypica.core.errors import ExitCode, MissingExtraError
from atypica.core.progress import console
from atypica.data.figures import Figures
from atypica.data.join import open_joined


def train(
    recipe: str,
    *settings: str,
    data: str,
    out: Path,
    start_from: Annotated[str | None, Parameter(name="--from")] = None,
    threads: int = 0,
    devices: int | Literal["auto"] = 1,
    strategy: str = "auto",
) -> ExitCode:
    """Make a model: cross-validate, distill the folds into one network or join them, export and verify a bundle.

    A run that was stopped, even by a kill, goes on from its last epoch when the same command is given again.

    Parameters
    ----------
    recipe
        The name of a shipped recipe (default), or a YAML file.
    settings
        Changes of the recipe, as key.sub=value (training.epochs=5).
    data
        A dataset's name (ami-br), a folder, or a figure table; with labels and cases. Several with a plus between them
        (ami-br+midog25) are joined, each figure once.
    out
        The run's folder; the bundle is RUN/bundle.
    start_from
        A model bundle to go on from (fine-tuning): a folder, a zip, or 'default' for the one that comes with atypica.
    threads
        Processor threads; 0 leaves the choice to PyTorch.
    devices
        On how many GPUs (or processes, without one) to train; 'auto' takes all.
    strategy
        Lightning's name of how they work together (ddp).

    Returns
    -------
    ExitCode
        COLLAPSED if a fold did, which is then named; the bundle is written all the same.
    """
    try:
        import torch

        from atypica.training.hardware import Hardware, is_first
        from atypica.training.ledger import Ledger
        from atypica.training.recipe import load_recipe
        from atypica.training.train import train as run_training
    except ImportError as error:
        raise MissingExtraError("train", "train") from error
    if threads:
        torch.set_num_threads(threads)
    figures = open_joined(data)
    for note in figures.notes:
        console.print(f"  {note}", markup=False)
    chosen = load_recipe(recipe, [*_fine_tuning(start_from, figures), *settings])
    bundle = run_training(chosen, figures, out, _say, Hardware(devices, strategy))
    if not is_first():
        return ExitCode.OK
    _say(f"model bundle: {bundle}")
    collapsed = Ledger(out / "ledger.jsonl", "").collapses()
    for fold, why in collapsed.items():
        _say(f"fold {fold} collapsed: {why}")
    return ExitCode.COLLAPSED if collapsed else ExitCode.OK


def _say(line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


def _fine_tuning(start_from: str | None, figures: Figures) -> list[str]:
    """The settings of a training that goes on from a bundle; figures without a column `split` all train."""
    if start_from is None:
        return []
    everything = [] if "split" in figures.table else ["split.train_on=all"]
    return [f"model.start_from={start_from}", *everything]
