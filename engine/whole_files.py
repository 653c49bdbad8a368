"""Whether files hold all that was written into them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open

PARQUET = b"PAR1"
"""What every such file ends with."""


def is_whole(path: Path) -> bool:
    """Whether the file is there, and all that was written: weights as much as their header says, JSON and Parquet to
    their end."""
    try:
        if path.suffix == ".json":
            return bool(json.loads(path.read_text(encoding="utf-8")))
        if path.suffix == ".parquet":
            with path.open("rb") as file:
                file.seek(-len(PARQUET), os.SEEK_END)
                return file.read() == PARQUET
        with safe_open(path, framework="np"):
            return True
    except (OSError, ValueError, SafetensorError):
        return False
