"""Where a server may listen, and the token that it then demands."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass

from atypica.core.errors import SettingsError

TOKEN = "ATYPICA_TOKEN"
"""The setting that holds the token; a command line is seen by everybody on the machine."""
SHORTEST = 16
"""A token of fewer characters is refused."""


@dataclass(frozen=True)
class Bind:
    """An address that may be listened on.

    Attributes:
        host: the address.
        token: what every request must show; None where none is demanded (loopback only).
        generated: whether the token was made here, and the person must be told.
        own_tokens: whether the app itself asks everybody for a token of their own.
    """

    host: str
    token: str | None
    generated: bool = False
    own_tokens: bool = False

    @property
    def guarded(self) -> bool:
        """Whether nobody is served without a token."""
        return self.token is not None or self.own_tokens

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def url(self, port: int) -> str:
        """The address for a browser, without the token."""
        return f"http://[{self.host}]:{port}/" if ":" in self.host else f"http://{self.host}:{port}/"

    def notes(self, port: int) -> tuple[str, ...]:
        """What a person must know of the access, as sentences."""
        if self.token is None:
            return ("Only this machine can reach it; no token is demanded.",)
        reach = "Only this machine can reach it" if self.loopback else f"Others can reach it at {self.host}"
        notes = [f"{reach}; every request must show the token (Authorization: Bearer TOKEN)."]
        if self.generated:
            notes.append(f"The token, made for this run: {self.token}")
            notes.append(f"In a browser, once: {self.url(port)}?token={self.token}")
        if not self.loopback:
            notes.append("The connection is not encrypted: put a proxy with TLS in front of it.")
        return tuple(notes)


def check_bind(host: str, token: str | None = None) -> Bind:
    """Loopback needs no token; for any other address one is made if none is given.

    Args:
        host: an IP address, or a name.
        token: what the person chose; None or blank for nothing.

    Raises:
        SettingsError: the token is too short, or holds what a header cannot carry.
    """
    if token:
        if len(token) < SHORTEST or not (token.isascii() and token.isprintable()) or " " in token:
            raise SettingsError(
                f"the token is not usable: it needs {SHORTEST} or more ASCII characters without blanks",
                'make one: python3 -c "import secrets; print(secrets.token_urlsafe(32))"',
            )
        return Bind(host, token)
    if is_loopback(host):
        return Bind(host, None)
    return Bind(host, secrets.token_urlsafe(32), generated=True)


def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine only. Of names, `localhost` alone is trusted."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def same_secret(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that tells nothing of where they differ, nor of their lengths."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, expected)]
    return hmac.compare_digest(*digests)
