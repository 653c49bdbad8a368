"""Where data lives: one folder for data sets, models, runs and the databases."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from engine.errors import StudioError


def home() -> Path:
    """The data folder: ``DELREC_HOME``, or ``delrec-studio`` inside the user's cache. It need not exist yet.

    Raises:
        StudioError: its name is no UTF-8, so that no address of a database could hold it.
    """
    path = absolute(os.environ.get("DELREC_HOME") or platformdirs.user_cache_dir("delrec-studio"))
    try:
        str(path).encode()
    except UnicodeEncodeError:
        where, remedy = f"DELREC_HOME={str(path)!a}", "set DELREC_HOME to a folder with another name"
        raise StudioError("the name of the data folder is no UTF-8 text", where=where, remedy=remedy) from None
    return path


def expanded(text: str) -> Path:
    """A path as it is typed, with ``~`` and ``~name`` for homes; where nobody is called so that is a folder's name."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - pathlib's raises for a name that nobody has


def absolute(text: str) -> Path:
    """A path as it is typed, seen from the working directory."""
    path = expanded(text).absolute()
    return path.resolve() if ".." in path.parts else path


def is_folder(text: str) -> bool:
    """Whether such a path is a folder; no text is an error."""
    return os.path.isdir(expanded(text))  # noqa: PTH112 - pathlib's raises for names that are too long


def temporary_folder() -> None:
    """Where none of the system's temporary folders can be used, those of this process are made in the data folder.

    Raises:
        StudioError: that cannot be used either.
    """
    try:
        tempfile.gettempdir()
    except OSError:
        tempfile.tempdir = os.environ["TMPDIR"] = str(writable(home() / "tmp"))  # for processes started here, too


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
