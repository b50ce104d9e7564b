"""The script that lets QuPath call atypica."""

from __future__ import annotations

from pathlib import Path

SCRIPT = Path(__file__).with_name("atypica.groovy")
"""To be opened in QuPath's script editor."""
