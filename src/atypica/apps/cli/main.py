"""The command line: `atypica VERB`. Each verb is loaded only when it is called."""

from __future__ import annotations

import os
import sys

from cyclopts import App

import atypica
from atypica.core.errors import AtypicaError, ExitCode
from atypica.core.progress import console

app = App(
    name="atypica",
    help="Type mitotic figures in H&E histology: normal or atypical. Research use only, not a medical device.",
    version=atypica.__version__,
    suppress_keyboard_interrupt=False,
)
app.command("atypica.apps.cli.classify:classify", name="classify", help="Type the figures of a folder, image or table.")
app.command(
    "atypica.apps.cli.detect:detect",
    name="detect",
    help="Find figures on a slide with TIAToolbox (experimental: this has not been run for real).",
)
app.command("atypica.apps.cli.demo:demo", name="demo", help="The whole way on sample figures, without a network.")
app.command("atypica.apps.cli.evaluate:evaluate", name="evaluate", help="Hold predictions against labels.")
app.command("atypica.apps.cli.compare:compare", name="compare", help="Models, or results of folds, against each other.")
app.command("atypica.apps.cli.calibrate:calibrate", name="calibrate", help="Fit a model to your own labeled figures.")
app.command(
    "atypica.apps.cli.quantize:quantize",
    name="quantize",
    help="Make a bundle int8: faster, a little off.",
)
app.command("atypica.apps.cli.train:train", name="train", help="Make a model from labeled figures.")
app.command("atypica.apps.cli.tune:tune", name="tune", help="Try other settings of a recipe; keep the best.")
app.command(
    "atypica.apps.cli.benchmark:benchmark", name="benchmark", help="Recipes against each other, on the same figures."
)
app.command("atypica.apps.cli.probe:probe", name="probe", help="Compare frozen backbones by probes, in seconds.")
app.command("atypica.apps.cli.recipes:app", name="recipes", help="List, show, compare and preview recipes of models.")
app.command("atypica.apps.cli.models:app", name="models", help="List and show foundation models.")
app.command("atypica.apps.cli.embed:embed", name="embed", help="Compute a frozen backbone's embeddings, once.")
app.command("atypica.apps.cli.serve:serve", name="serve", help="Type figures over HTTP: an API.")
app.command("atypica.apps.cli.doctor:doctor", name="doctor", help="Check that everything needed is here and works.")
app.command(
    "atypica.apps.cli.grand_challenge:app", name="grand-challenge", help="Enter MIDOG 2025, track 2; check an entry."
)
app.command("atypica.apps.cli.review:review", name="review", help="Look at typed figures and label them, in a browser.")
app.command("atypica.apps.cli.data:app", name="data", help="List, fetch, describe, audit and split datasets.")


def run() -> None:
    """Run the command line and leave with one of `ExitCode`."""
    try:
        status = app()
    except AtypicaError as error:
        console.print("[bold red]error:[/]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output (head, less) has left; Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.OK)
    except KeyboardInterrupt:
        console.print("interrupted; nothing half-written was left")
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(status if isinstance(status, int) else ExitCode.OK)
