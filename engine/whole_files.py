"""Files that are written whole or not at all; whether they hold all that was written, whether anybody still writes."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

from engine import distributed

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


def append(path: Path, lines: str) -> None:
    """Add whole lines to a file; one that a kill or a full disk cut off stays alone.

    Of several processes only the first writes, here and in :func:`write_text`.
    """
    if not distributed.is_main_process():
        return
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                lines = f"\n{lines}"
        file.write(lines.encode())


def write_text(path: Path, text: str) -> None:
    """Write a small file so that ``path`` is either the old one or the whole new one."""
    if not distributed.is_main_process():
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
