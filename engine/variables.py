"""Environment variables of which not every text makes sense: read in one way, and refused in one line."""

from __future__ import annotations

import os
from collections.abc import Callable

from engine.errors import StudioError

YES, NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def number(
    name: str,
    default: str,
    most: float,
    what: str,
    remedy: str,
    *,
    kind: Callable[[str], float] = float,
    zero: bool = False,
) -> float:
    """A positive number up to ``most``; ``what`` says what it is of, ``zero`` that it may be 0.

    Raises:
        StudioError: it is none.
    """
    given = os.environ.get(name, default)
    try:
        found = kind(given)
    except ValueError:
        found = -1.0
    if not (0 < found <= most or (zero and found == 0)):
        raise StudioError(f"{given!r} is not {what}", where=name, remedy=remedy)
    return found


def switched_on(name: str) -> bool:
    """Whether it says yes; unset it says no.

    Raises:
        StudioError: it says neither.
    """
    given = os.environ.get(name, "").strip().lower()
    if given not in (*YES, *NO):
        raise StudioError(f"{given!r} is neither yes nor no", where=name, remedy="write 1 or 0")
    return given in YES
