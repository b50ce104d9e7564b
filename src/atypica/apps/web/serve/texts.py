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
FILES = "One or more images, TIFF stacks (a figure each page) or zip archives of them; of any field name."
BODY = (
    "Files as multipart/form-data, or one file as the body itself: an image, a TIFF stack, or a zip archive. "
    "The kind of a file is told by its content."
)
MPP = "Micrometers per pixel of all images. Without it a TIFF's resolution tag is taken where sane, else 0.25."
VIEWS = "8 averages over rotations and flips: better, eight times slower."
THRESHOLD = "p_amf from which a figure is AMF: a number from 0 to 1, or a name from `thresholds` of `GET /model`."
EVERYWHERE = {
    400: "The request cannot be understood, or asks for a host that is not this server.",
    401: "The token is missing or wrong (only where the server demands one).",
    500: "A fault of atypica.",
}


def _problems(texts: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": text} for status, text in texts.items()}


_REFUSED = _problems(
    {
        403: "A page of another origin sent it.",
        408: "The body was not received in time.",
        413: "Too many bytes or figures; or an archive that unpacks to too much.",
        415: "A body of a kind that is not taken.",
        422: "No figures, an archive that is not to be trusted, or a parameter out of range.",
        503: "Not done in time.",
    }
)
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_REFUSED[429] = {"model": Problem, "description": "The server is busy.", "headers": _RETRY}
_REFUSED[503]["headers"] = _RETRY
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
