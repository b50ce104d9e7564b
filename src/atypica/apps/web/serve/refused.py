"""Requests that are turned away, and how that is told."""

from __future__ import annotations

from starlette.responses import JSONResponse

from atypica.apps.web.security import problem


class RefusedError(Exception):
    """A request that is not served.

    Args:
        status: the HTTP status.
        error: what is wrong.
        fix: what to do about it.
        retry_after: seconds after which it may be sent again; None where that would not help.
    """

    def __init__(self, status: int, error: str, fix: str = "", retry_after: int | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.fix, self.retry_after = status, error, fix, retry_after

    def response(self) -> JSONResponse:
        """The answer to the request."""
        answer = problem(self.status, self.error, self.fix)
        if self.retry_after is not None:
            answer.headers["Retry-After"] = str(self.retry_after)
        return answer


def busy(seconds: int) -> RefusedError:
    """The refusal of a server that has enough to do."""
    return RefusedError(429, "the server is busy", f"send it again after {seconds} s", seconds)
