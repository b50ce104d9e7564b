"""By what an address names a figure or a slide."""

from __future__ import annotations

import hashlib
import hmac


def key_of(secret: str, name: str) -> str:
    """Made from an id or a path, and telling neither: who guesses the name cannot try it without the secret.

    Args:
        secret: of the study.
        name: what is named.

    Returns:
        20 hexadecimal digits (HMAC-SHA-256, cut).
    """
    return hmac.new(secret.encode(), name.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:20]
