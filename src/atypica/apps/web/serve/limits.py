"""What the service takes on, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, fields

from atypica.core.errors import SettingsError

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one request, and of all of them together.

    Attributes:
        upload_mb: the largest body of a request, and the most that its archives may unpack to, in MiB.
        pixels: a larger image is refused undecoded.
        figures: the most figures of a request.
        seconds: a request that takes longer is given up.
        queue: crops that may wait before further requests are turned away (a figure counts once for each view).
        requests: requests to classify that may be under way; further ones are turned away unread.
        uploads_mb: the most that the bodies of all requests under way may have together, in MiB.
    """

    upload_mb: int = 64
    pixels: int = 4_194_304
    figures: int = 1000
    seconds: float = 120
    queue: int = 1000
    requests: int = 64
    uploads_mb: int = 256

    def __post_init__(self) -> None:
        for part in fields(self):
            if getattr(self, part.name) <= 0:
                raise SettingsError(f"a limit of {getattr(self, part.name)} ({part.name}) is not possible", "raise it")

    @property
    def upload_bytes(self) -> int:
        """The largest body of a request, in bytes."""
        return self.upload_mb * MIB
