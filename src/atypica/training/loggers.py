"""Where the numbers of a training go."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger

from atypica.core.errors import MissingExtraError
from atypica.training.settings.training import LoggerName

NEEDS: dict[LoggerName, tuple[str, ...]] = {
    "csv": (),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "mlflow": ("mlflow",),
}
"""One of these packages must be installed."""


def check_logger(name: LoggerName) -> None:
    """Before a training begins.

    Raises:
        MissingExtraError: the logger's package is not installed.
    """
    if NEEDS[name] and not any(find_spec(package) for package in NEEDS[name]):
        raise MissingExtraError(f"training.logger '{name}'", name)


def new_logger(name: LoggerName, folder: Path, experiment: str) -> Logger:
    """The logger of one training.

    Args:
        name: which; `csv` and `tensorboard` write to `folder/log`, `mlflow` to the server that MLFLOW_TRACKING_URI
            names, else to `mlruns` in the working directory, as MLflow does.
        folder: RUN/folds/K or RUN/student; the name of MLflow's run.
        experiment: MLflow's name of all trainings of a recipe.

    Raises:
        MissingExtraError: the logger's package is not installed.
    """
    check_logger(name)
    if name == "tensorboard":
        return TensorBoardLogger(folder, name="log")
    if name == "mlflow":
        return MLFlowLogger(experiment, run_name=folder.as_posix())
    return CSVLogger(folder, name="log", flush_logs_every_n_steps=1)
