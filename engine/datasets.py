"""The registry of data sets: a line each here, a file each in :mod:`engine.data.readers`, imported when asked for.

Forms, checks, the shell and the contract tests iterate over it.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import StudioError
from engine.paths import home
from engine.registered import registered

if TYPE_CHECKING:
    from engine.config import DataConfig
    from engine.data.readers.base import Reader

MANIFEST = "manifest.json"
"""Written last into the folder of a data set."""
FETCHED = ".fetched.json"
"""Written last into the folder of one that was fetched: which files, from where, how large, with which digest."""
NAME = r"^[^\W_][\w.-]{0,59}$"
"""How a data set may be called: letters, digits, points, dashes."""

READERS = {
    "ml-100k": "engine.data.readers.ml_100k:READER",
    "ml-1m": "engine.data.readers.ml_1m:READER",
    "ml-latest": "engine.data.readers.ml_latest:READER",
    "steam": "engine.data.readers.steam:READER",
    "beauty": "engine.data.readers.beauty:READER",
    "home-and-kitchen": "engine.data.readers.home_and_kitchen:READER",
    "amazon-2014": "engine.data.readers.amazon_2014:READER",
    "amazon-2018": "engine.data.readers.amazon_2018:READER",
    "amazon-2023": "engine.data.readers.amazon_2023:READER",
    "goodbooks-10k": "engine.data.readers.goodbooks_10k:READER",
    "recbole": "engine.data.readers.recbole:READER",
    "csv": "engine.data.readers.csv:READER",
    "synthetic": "engine.data.readers.synthetic:READER",
}
"""Name of each data set (``data.dataset``), module and name of its reader. Files that somebody brings are tried in this
order (:data:`engine.data.guess.FORMATS`): a data set stands before those that its files could be mistaken for."""


def names() -> tuple[str, ...]:
    """Everything that ``data.dataset`` takes on this machine: the registry, then what was imported."""
    return (*READERS, *imported())


def folder(name: str) -> Path:
    """Where an imported data set lies."""
    return home() / "data" / name


def imported() -> tuple[str, ...]:
    """Names of the data sets that people brought."""
    try:
        there = sorted(path.parent.name for path in (home() / "data").glob(f"*/{MANIFEST}"))
    except OSError:
        return ()
    return tuple(name for name in there if re.fullmatch(NAME, name) and name not in READERS)


def fetched_parts() -> tuple[str, ...]:
    """What ``data.category`` can name of the data sets that were fetched here."""
    try:
        there = (home() / "datasets").glob(f"*/*/{FETCHED}")
        return tuple(dict.fromkeys(sorted(path.parent.name for path in there)))
    except OSError:
        return ()


def current(name: str) -> str | None:
    """How an imported data set is called now that has this name, or had it; None for none."""
    known = imported()
    if name in known or not known:
        return name if name in known else None
    for other in known:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            manifest = json.loads((folder(other) / MANIFEST).read_text(encoding="utf-8"))
            if name in manifest.get("about", {}).get("formerly", ()):
                return other
    return None


def reader(name: str) -> Reader:
    """The entry of a data set.

    Raises:
        StudioError: there is none of this name, or an imported one is damaged.
    """
    if name in READERS:
        found: Reader = registered(READERS[name])
        return found
    now = current(name)
    if now is None:
        whole = [it for it in READERS if name.casefold() in map(str.casefold, reader(it).choices)]
        close = difflib.get_close_matches(name, names(), n=1)
        remedy = (
            f"did you mean {close[0]}?"
            if close
            else f"choose one of {', '.join(names())}; import one that was deleted under this name again"
        )
        if whole:
            remedy = f"for that part set data.dataset to {' or '.join(whole)}, and data.category={name}"
        raise StudioError(f"there is no data set {name!r}", where="data.dataset", remedy=remedy)
    from engine.data.readers.imported import Imported

    return Imported(now)


def domain_of(config: DataConfig) -> str:
    """What prompts call an item: as set, or what the data set holds; ``item`` for one that is gone."""
    if config.domain != "auto":
        return config.domain
    try:
        return reader(config.dataset).domain
    except StudioError:
        return "item"
