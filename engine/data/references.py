"""How items are written where text is all there is: in the shell, in addresses, in lists that are pasted.

One way for all: ``;`` or a line break parts titles, ``\\;`` is a semicolon within one and ``\\\\`` a backslash, and
``id:50`` is the item with that id in the data set, whatever it is called.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from engine.data.title_parsing import clean, plain_id, visible
from engine.errors import StudioError

ID = "id:"
"""What a reference to an item by its id begins with."""
MAX_TITLES = 500
"""Longest list of titles."""


def by_id(raw_id: str) -> str:
    """What asks for the item with this id in the data set's files."""
    return ID + raw_id


def id_in(entry: str) -> str | None:
    """The id that an entry refers to; ``None`` for a title."""
    entry = entry.strip()
    return plain_id(entry.removeprefix(ID)) if entry.startswith(ID) else None


def resolve_user(user_ids: Iterable[str], typed: str) -> str | None:
    """The user with this very id, or else the only one whose id is the same text in other code points, as keyboards and
    files write ``é`` in one or in two; ``None`` where there is none.

    Raises:
        StudioError: several are the same text, and none has these code points.
    """
    typed, known = plain_id(typed), list(user_ids)
    if typed in known:
        return typed
    text = unicodedata.normalize("NFC", typed)
    alike = [user for user in known if not user.isascii() and unicodedata.normalize("NFC", user) == text]
    if len(alike) > 1:
        named = " and ".join(map(ascii, alike[:5]))
        what = f"{len(alike)} users are written {typed[:80]!r}, each in other code points: {named}"
        raise StudioError(what, where="user", remedy="copy one of the ids from the data, as it stands there")
    return alike[0] if alike else None


class UserLabels:
    """How users are shown: by their ids, and where two of these look alike by their code points too."""

    def __init__(self, user_ids: Iterable[str]) -> None:
        ids = list(user_ids)
        shapes = Counter(_shape(user) for user in ids if not user.isascii())
        shapes.update(user for user in ids if user in shapes and user.isascii())
        self._shared = {shape for shape, users in shapes.items() if users > 1}

    def __call__(self, user: str) -> str:
        """``"José"``, or ``"José [Jose\\u0301]"`` where another user is written so."""
        return f"{user} [{ascii(user)[1:-1]}]" if self._shared and _shape(user) in self._shared else user


def _shape(user: str) -> str:
    """What is seen of an id; letter case is."""
    return unicodedata.normalize("NFC", visible(user))


def tidy(entry: str) -> str:
    """An entry in one line; ids stay as they are."""
    raw_id = id_in(entry)
    return clean(entry) if raw_id is None else by_id(raw_id)


def join_titles(entries: Iterable[str]) -> str:
    """``A;B;C``; a semicolon or a backslash within an entry is marked by a backslash."""
    return ";".join(entry.replace("\\", "\\\\").replace(";", "\\;") for entry in entries)


def split_titles(text: str) -> list[str]:
    """The entries of a list: what :func:`join_titles` joined, or somebody wrote. Blanks around entries and empty ones
    go; a backslash before anything but a semicolon or a backslash is just one.
    """
    entries, current, at = [], "", 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in ("\\", ";"):
            current += text[at + 1]
            at += 2
            continue
        if text[at] in ";\n\r":
            entries.append(current)
            current = ""
        else:
            current += text[at]
        at += 1
    return [entry for entry in map(tidy, (*entries, current)) if entry]


def checked_titles(entries: Sequence[str]) -> list[str]:
    """The same list, if it is not too long.

    Raises:
        StudioError: more than 500 titles.
    """
    if len(entries) > MAX_TITLES:
        raise StudioError(f"{len(entries)} titles", where="titles", remedy=f"give at most {MAX_TITLES}")
    return list(entries)
