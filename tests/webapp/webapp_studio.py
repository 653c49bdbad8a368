"""What browser tests know about the app they look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Studio:
    """A running app and its data folder."""

    url: str
    home: Path
