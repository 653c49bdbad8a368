"""The registry of data sets: a line each here, a file each in :mod:`engine.data.readers`, imported when asked for.

Forms, checks, the shell and the contract tests iterate over it.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from engine.errors import StudioError

if TYPE_CHECKING:
    from engine.data.readers.base import Reader

NAME = r"^[^\W_][\w.-]{0,59}$"
"""How a data set may be called: letters, digits, points, dashes."""

READERS = {
    "ml-100k": "ml_100k",
    "ml-1m": "ml_1m",
    "ml-latest": "ml_latest",
    "steam": "steam",
    "beauty": "beauty",
    "home-and-kitchen": "home_and_kitchen",
    "amazon-2014": "amazon_2014",
    "amazon-2018": "amazon_2018",
    "amazon-2023": "amazon_2023",
    "goodbooks-10k": "goodbooks_10k",
    "recbole": "recbole",
    "csv": "csv",
    "synthetic": "synthetic",
}
"""Name of each data set (``data.dataset``), and the module that reads it."""


def names() -> tuple[str, ...]:
    """Everything that ``data.dataset`` takes on this machine."""
    return tuple(READERS)


def reader(name: str) -> Reader:
    """The entry of a data set.

    Raises:
        StudioError: there is none of this name.
    """
    if name not in READERS:
        close = difflib.get_close_matches(name, names(), n=1)
        remedy = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(names())}"
        raise StudioError(f"there is no data set {name!r}", where="data.dataset", remedy=remedy)
    found: Reader = importlib.import_module(f"engine.data.readers.{READERS[name]}").READER
    return found
