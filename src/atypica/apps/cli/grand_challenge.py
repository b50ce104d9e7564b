"""`atypica grand-challenge`: an entry to MIDOG 2025, track 2, and a check of what it hands in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from cyclopts import App, Parameter

from atypica.apps.cli.screen import say
from atypica.apps.doctor.finding import exit_code
from atypica.apps.grand_challenge.job import Job, Outcome, run_job
from atypica.apps.grand_challenge.server import PORT, InvokeServer
from atypica.apps.grand_challenge.server import serve as answer_requests
from atypica.apps.grand_challenge.weights import WEIGHTS, choose_bundle
from atypica.core.errors import ExitCode
from atypica.inference.model import Model, load_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atypica.data.figures import Figures

app = App(name="grand-challenge", help="Enter the MIDOG 2025 challenge, track 2, or check what an entry hands in.")
JobFolder = Annotated[Path, Parameter(name="--input", help="The job's folder with inputs.json and images/.")]
AnswerFolder = Annotated[Path, Parameter(name=("--output", "--out"), help="The folder for the answers.")]
OwnModel = Annotated[Path | None, Parameter(help="A model bundle (folder or zip).")]
Weights = Annotated[
    Path,
    Parameter(
        help="A folder that may hold a bundle; used if there is one and --model is not given. Else the model that "
        "comes with atypica."
    ),
]
Views = Annotated[Literal[1, 8], Parameter(help="8 averages over rotations and flips: better, eight times slower.")]
Threshold = Annotated[
    str | None,
    Parameter(
        help="P(atypical) from which a page is called atypical: a number, or a name from the model's card. The card's "
        "default if not given."
    ),
]
Mpp = Annotated[float | None, Parameter(help="Micrometers per pixel, in place of the stack's own tag.")]
Threads = Annotated[int | None, Parameter(help="Worker threads; one a core if not given.")]
Input = Annotated[Path, Parameter(name="--input")]
HOST = "127.0.0.1"


@app.command
def run(
    *,
    input_: JobFolder = Path("/input"),
    output: AnswerFolder = Path("/output"),
    model: OwnModel = None,
    weights: Weights = WEIGHTS,
    views: Views = 8,
    threshold: Threshold = None,
    mpp: Mpp = None,
    threads: Threads = None,
    lenient: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Type the stack of one job, once, and leave (the platform's exec mode).

    Writes multiple-mitotic-figure-classification.json: a class and P(atypical) of every page, in page order. A page
    that cannot be read is answered neutrally, and named. Exit status: 0 all typed, 3 some pages answered neutrally, 2
    unusable input, 4 the output cannot be written.

    Parameters
    ----------
    lenient
        Leave with 0 where pages were answered neutrally: a platform may drop the answers of a job that leaves with
        anything else.
    """
    loaded = _load(choose_bundle(model, weights))
    outcome = run_job(Job(loaded, input_, output, views, threshold, mpp, threads))
    _tell(outcome)
    return ExitCode.OK if lenient else outcome.exit_code


@app.command
def serve(
    *,
    input_: JobFolder = Path("/input"),
    output: AnswerFolder = Path("/output"),
    model: OwnModel = None,
    weights: Weights = WEIGHTS,
    views: Views = 8,
    threshold: Threshold = None,
    mpp: Mpp = None,
    threads: Threads = None,
    host: str = HOST,
    port: int = PORT,
) -> int:
    """Load the model once and answer GET /health and POST /invoke until SIGTERM (the platform's invoke mode).

    Every POST /invoke does what `run` does and is answered with 201; 422 if the input cannot be used, 507 if the
    output cannot be written, 503 while another one is under way.

    Parameters
    ----------
    host
        The address to listen on. A container must listen on 0.0.0.0; anybody who reaches that may invoke.
    port
        The port; 0 takes a free one.
    """
    loaded = _load(choose_bundle(model, weights))
    loaded.threshold(threshold)
    job = Job(loaded, input_, output, views, threshold, mpp, threads)

    def invoke() -> Outcome:
        outcome = run_job(job)
        _tell(outcome)
        return outcome

    server = InvokeServer((host, port), invoke, say)
    say(f"listening on http://{host}:{server.server_port} (GET /health, POST /invoke)")
    answer_requests(server)
    say("stopped")
    return ExitCode.OK


@app.command
def check(
    output: Path,
    *,
    input_: Annotated[Path | None, Parameter(name="--input")] = None,
    ground_truth: Path | None = None,
    threshold: float | None = None,
    model: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Find what the challenge's evaluator would reject or, worse, would score wrongly. Each finding has its fix.

    Exit status: 0 nothing failed, 3 something did, 2 unusable input.

    Parameters
    ----------
    output
        The output folder, or the file of answers.
    input_
        The job's input folder: for the number of pages, and for a second opinion on their order.
    ground_truth
        The challenge's ground truth (JSON).
    threshold
        The P(atypical) from which the classes were called. Without it, any one threshold that explains them will do.
    model
        The bundle that gives the second opinion; the one that comes with atypica if not given.
    json_
        Print the findings as JSON.
    """
    from atypica.apps.cli.doctor import content, show
    from atypica.apps.grand_challenge.examination import examine

    def second_opinion(figures: Figures) -> NDArray[np.float64]:
        return load_model(model).classify(figures, views=8).predictions["p_amf"].to_numpy(dtype=np.float64)

    findings = examine(output, input_, ground_truth, threshold, second_opinion)
    if json_:
        print(json.dumps(content(findings), indent=2, ensure_ascii=False))  # noqa: T201
    else:
        show(findings)
    return exit_code(findings)


def _load(bundle: Path | None) -> Model:
    """The model, its network ready to work."""
    loaded = load_model(bundle)
    engine = loaded.classifier.engine
    card, where = loaded.card, "given" if bundle else "comes with atypica"
    say(f"model {card.name} {card.version} ({where}), by {engine}")
    return loaded


def _tell(outcome: Outcome) -> None:
    for note in outcome.notes:
        say(f"  {note}", "yellow" if "assumed" in note else "")
    if outcome.failed:
        say(
            f"{len(outcome.failed)} of {outcome.pages} pages could not be typed and are answered NEUTRALLY:", "bold red"
        )
    for page, error in outcome.failed.items():
        say(f"  {page}: {error}", "red")
    say(f"{outcome.file}: {outcome.pages} answers, atypical from a confidence of {outcome.threshold:g} on")
