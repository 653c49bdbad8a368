"""Whether files hold all that was written into them, and whether anybody still writes."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

ABANDONED_SECONDS = 24 * 3600.0
PARQUET = b"PAR1"
"""What every such file ends with."""


def is_abandoned(path: Path) -> bool:
    """Whether nothing was written there for a day, by the clock of who keeps the files: a machine's own may differ."""
    with tempfile.TemporaryFile(dir=path.parent) as now:
        return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime > ABANDONED_SECONDS


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
