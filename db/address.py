"""Addresses of SQLite files: made from paths by SQLAlchemy's own means, so that no letter of a folder's name counts as
part of an address; and addresses that people write, refused where such a letter would lead elsewhere."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from engine.errors import StudioError

OPTIONS = frozenset({"timeout", "cached_statements", "uri", "mode", "cache", "vfs", "psow", "nolock", "immutable"})
"""What may stand behind the ``?`` of an SQLite address."""


def of_file(path: Path) -> URL:
    """The address of an SQLite file."""
    return URL.create("sqlite", database=str(path))


def given(text: str, setting: str) -> URL:
    """An address as it was written into the environment variable ``setting``.

    Raises:
        StudioError: it is none, or names no file although it is SQLite's.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StudioError(f"cannot use this address: {error}", where=setting, remedy=_remedy(url=None)) from None
    if url.get_backend_name() == "sqlite":
        options = text.partition("?")[2]
        if options and not (url.query and url.query.keys() <= OPTIONS):
            raise StudioError(
                f"a ? begins the options of an address, and {options!r} are none",
                where=setting,
                remedy="write a ? in the name of a folder as %3F",
            )
        if url.host or not url.database or url.database == ":memory:":
            raise StudioError("no file is named", where=setting, remedy=_remedy(url))
    return url


def _remedy(url: URL | None) -> str:
    written = f"sqlite:///{url.host}" if url is not None and url.host else "sqlite:////path/file.db"
    return f"write {written}" + ("" if url is not None else " or postgresql+psycopg://user@host/name")
