"""atypica types mitotic figures in H&E histology: normal or atypical. Research use only, not a medical device."""

from __future__ import annotations

__version__ = "0.1.0"
