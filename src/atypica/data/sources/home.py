"""Where datasets lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path


def data_home() -> Path:
    """Where datasets lie: the setting `ATYPICA_DATA`, else the user's data folder."""
    setting = os.environ.get("ATYPICA_DATA")
    return Path(setting).expanduser() if setting else user_data_path("atypica", appauthor=False)
