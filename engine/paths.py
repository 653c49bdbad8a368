"""Where data lives: one folder for data sets, models, runs and the databases."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from engine.errors import StudioError


def home() -> Path:
    """The data folder: ``DELREC_HOME``, or ``delrec-studio`` inside the user's cache. It need not exist yet."""
    chosen = os.environ.get("DELREC_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_cache_dir("delrec-studio"))


def writable(folder: Path) -> Path:
    """Make ``folder`` (and its parents) and prove that files can be written in it.

    Raises:
        StudioError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StudioError(
            f"cannot write to the data folder: {error.strerror or error}",
            where=str(folder),
            remedy="set DELREC_HOME to a folder that you may write to",
        ) from None
    return folder
