"""What the data folder's runs and shared results take on the disk, and how room is made."""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from pathlib import Path

from engine import stage_cache
from engine.paths import home
from jobs import recovery

KNOWN_SECONDS = 30
"""Sizes are looked up again after so long: a thousand runs have many files."""


@dataclass(frozen=True)
class DiskUse:
    """Bytes on the disk."""

    runs: int
    shared: int
    results: int
    """How many results are shared."""


def taken() -> DiskUse:
    """What is taken now, or was half a minute ago."""
    return _taken(home(), int(time.monotonic() // KNOWN_SECONDS))


def clean(megabytes: float | None = None) -> int:
    """Remove shared results used longest ago until ``megabytes`` are left, and remains of deleted runs.

    Without ``megabytes`` all shared results go: runs keep what they took, and what is needed again is made again.
    Returns the bytes that were removed.
    """
    recovery.sweep()
    removed = stage_cache.clean(0 if megabytes is None else megabytes * 1e6)
    _taken.cache_clear()
    return removed


@functools.lru_cache(maxsize=1)
def _taken(folder: Path, _: int) -> DiskUse:
    number, size = stage_cache.sizes()
    return DiskUse(_size(folder / "runs"), size, number)


def _size(folder: Path) -> int:
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # deleted meanwhile
            continue
    return total
