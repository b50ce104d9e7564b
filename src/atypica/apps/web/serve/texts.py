"""The words of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from atypica.apps.web.serve.schemas import Problem

DESCRIPTION = """
Send crops of mitotic figures (H&E, about 32 um around each figure), get each typed: the calibrated probability that
it is atypical, the call, eight subtypes, and how doubtful the answer is. **Research use only, not a medical device.**

- Figures of concurrent requests share batches; nothing is stored, every file is removed with its request.
- A figure that cannot be read is an `error` in its row; the request and the other figures go on.
- A server that has enough to do answers `429` with `Retry-After`. Send the request again after so many seconds.
- Every error looks the same: `error` says what is wrong, `fix` what to do.

The columns are those of `atypica classify`, and so are the numbers.
"""
FILES = "One or more images, TIFF stacks (a figure each page) or zip archives of them."
BODY = (
    "Files as multipart/form-data, or one file as the body itself: an image, a TIFF stack, or a zip archive. "
    "The kind of a file is told by its content."
)
MPP = "Micrometers per pixel of all images. Without it a TIFF's resolution tag is taken where sane, else 0.25."
VIEWS = "8 averages over rotations and flips: better, eight times slower."
THRESHOLD = "p_amf from which a figure is AMF: a number from 0 to 1, or a name from `thresholds` of `GET /model`."
Problems = dict[int | str, dict[str, Any]]


def _problem(description: str, error: str, fix: str) -> dict[str, Any]:
    """An error in the OpenAPI document, with an example."""
    example = {"error": error, "fix": fix}
    return {"model": Problem, "description": description, "content": {"application/json": {"example": example}}}


EVERYWHERE: Problems = {
    400: _problem(
        "The request cannot be understood, or asks for a host that is not this server.",
        "the request asks for a host that is not this server",
        "ask for 127.0.0.1",
    ),
    401: _problem(
        "The token is missing or wrong (only where the server demands one).",
        "the token is missing or wrong",
        "send the header Authorization: Bearer TOKEN",
    ),
    500: _problem("A fault of atypica.", "a fault of atypica; see the server's log", ""),
}
_AGAIN = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_REFUSED: Problems = {
    403: _problem(
        "A page of another origin sent it.",
        "a page of another origin may not send this",
        "send it from the server's own page",
    ),
    408: _problem(
        "The body was not received in time.",
        "the body was not received within 120 s",
        "send it faster, or in parts",
    ),
    413: _problem(
        "Too many bytes or figures, or an archive that unpacks to too much.",
        "the request has more than 1,000 figures",
        "send at most 1,000 figures at once",
    ),
    415: _problem(
        "A body of a kind that is not taken.",
        "a body of type 'application/json' is not taken",
        "send multipart/form-data, or application/zip, image/tiff, image/png",
    ),
    422: _problem(
        "No figures, an archive that is not to be trusted, or a parameter out of range.",
        "'often' is no threshold",
        "give a number from 0 to 1, or one of default, sensitivity-90",
    ),
    429: _problem("The server is busy.", "the server is busy", "send it again after 2 s") | {"headers": _AGAIN},
    503: _problem("Not done in time.", "the request was not done within 120 s", "send fewer figures at once")
    | {"headers": _AGAIN},
}
CLASSIFY: dict[str, Any] = {
    "summary": "Type figures",
    "description": "Types every figure of the request. The answer has a row a figure, in the order of the request.",
    "response_description": "Every figure, typed or with its error.",
    "responses": _REFUSED,
    "tags": ["figures"],
    "operation_id": "classify",
}
MODEL: dict[str, Any] = {
    "summary": "The model",
    "description": "What the model is, what it was trained on, its thresholds, and how good it is.",
    "response_description": "The public part of the model's card.",
    "tags": ["server"],
    "operation_id": "model",
}
HEALTH: dict[str, Any] = {
    "summary": "Whether it lives, and takes on work",
    "description": "For probes; needs no token.",
    "response_description": "It lives.",
    "tags": ["server"],
    "operation_id": "health",
}
METRICS: dict[str, Any] = {
    "summary": "Counters for Prometheus",
    "description": "Requests by status, figures, time to answer, sizes of batches, what waits, memory.",
    "responses": {
        200: {
            "description": "Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "atypica_queue_crops 0.0\n"}},
        }
    },
    "tags": ["server"],
    "operation_id": "metrics",
}
