"""`atypica probe`: what frozen backbones know, by heads that are solved in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal, cast, get_args

from cyclopts import Parameter

from atypica.apps.cli.benchmark import typed_command, write_leaderboard
from atypica.apps.cli.benchmark_screen import show_leaderboard
from atypica.apps.cli.screen import say
from atypica.core.errors import ExitCode, MissingExtraError, SettingsError
from atypica.evaluation.bootstrap import REPLICATES, BootstrapSettings


def probe(
    *settings: str,
    backbone: str,
    data: str,
    test: str = "",
    kind: str = "logistic",
    target: Literal["amf", "subtype"] = "amf",
    as_published: Annotated[bool, Parameter(negative="")] = False,
    weights: str = "hub",
    out: Path | None = None,
    cache: Path | None = None,
    replicates: int = REPLICATES,
    threads: int = 0,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Compare backbones by probes of their frozen features: cross-validated, tested on sets that none has trained on.

    Every image is encoded once; embeddings are kept and taken up by any later probe or recipe. Figures of a test set
    that train as well are left out and counted. Exit status: 0 all ran, 3 some did not, 2 unusable input, 4 the output
    cannot be written.

    Parameters
    ----------
    settings
        Changes of the recipe, as key.sub=value (split.folds=3, geometry.size_px=336, probe.views=8).
    backbone
        Names of models with a card (`atypica models list`) or of timm's, separated by commas.
    data
        Training figures with labels and cases: a dataset's name, a folder or a figure table. Where its column `split`
        says train and test, the one part trains and the other is tested on.
    test
        Further sets to test on, separated by commas.
    kind
        logistic, lda, mlp, knn; several separated by commas. Of knn there is no model bundle, only a line here.
    target
        AMF, or the eight subtypes.
    as_published
        Also a linear layer trained by small steps and stopped early, as the public scripts of Banerjee et al. (2026)
        do.
    weights
        hub, package, random, or a file.
    out
        The folder for the leaderboard (.html, .md, .tex, .csv, .json), runs and predictions; given again, it goes on.
        Without it the tables are printed alone.
    cache
        The folder in which embeddings are kept; the user's cache folder if not given.
    replicates
        How many resamples for the intervals.
    threads
        Processor threads; 0 leaves the choice to PyTorch.
    json_
        Print the leaderboard as JSON on standard output, in place of the tables.
    """
    try:
        import torch

        from atypica.benchmark.engine import Options, run_suite
        from atypica.benchmark.probes import Comparison, probe_suite
        from atypica.data.sources import open_source
        from atypica.models.embedding.cache import kept_in
        from atypica.training.settings.probe import ProbeKind
    except ImportError as error:
        raise MissingExtraError("probe", "train") from error
    if threads:
        torch.set_num_threads(threads)
    kinds, known = _listed(kind, "--kind"), get_args(ProbeKind)
    if unknown := [name for name in kinds if name not in known]:
        raise SettingsError(f"there is no probe '{unknown[0]}'", f"take some of: {', '.join(known)}")
    tests = _listed(test, "--test") if test else []
    asked = Comparison(
        _listed(backbone, "--backbone"), data, tests, cast(list[ProbeKind], kinds), target, as_published, weights,
        settings,
    )  # fmt: skip
    suite = probe_suite(asked, open_source(data))
    options = Options(bootstrap=BootstrapSettings(replicates), command=typed_command())
    with kept_in(cache), TemporaryDirectory() as nowhere:
        found = run_suite(suite, out or Path(nowhere), options, say)
    assert found
    if json_:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        show_leaderboard(found)
    if out:
        say("wrote " + ", ".join(map(str, write_leaderboard(out, found))))
    return ExitCode.OK if found.complete else ExitCode.SOME_FAILED


def _listed(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SettingsError(f"{option} names nothing", "write names separated by commas")
    return names
