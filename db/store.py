"""Opens the database: where it is, how its connections behave, short read and write transactions."""

from __future__ import annotations

import functools
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from db import address, migrate
from engine.errors import StudioError
from engine.paths import home, writable

SETTING = "DELREC_DATABASE_URL"
BUSY_SECONDS = float(migrate.LOCK_SECONDS)
RETRY_SECONDS = 0.02

_opening = threading.Lock()


class DatabaseUnreachable(StudioError):
    """Nothing can be read or written now; later it may be possible again."""


def database_url() -> URL:
    """``DELREC_DATABASE_URL`` (SQLite or PostgreSQL), or ``studio.db`` in the data folder.

    Raises:
        StudioError: that is no address, or SQLite's and of no file.
    """
    text = os.environ.get(SETTING)
    return address.given(text, SETTING) if text else address.of_file(home() / "studio.db")


@contextmanager
def reading() -> Iterator[Session]:
    """A session for queries; sees one consistent state and never waits for writers."""
    with Session(database()) as session, _explained():
        yield session


@contextmanager
def writing() -> Iterator[Session]:
    """A session for one short transaction; commits at the end, rolls back on an exception.

    One at a time, so that what it looked up is still so when it writes, e.g. that a name is free. On SQLite it takes
    the write lock at once (``BEGIN IMMEDIATE``): a reader that turns writer half-way would fail with "database is
    locked" without waiting. PostgreSQL has no such lock, so an agreed one stands for it.
    """
    with _explained(), Session(database().execution_options(immediate=True)) as session, session.begin():
        if session.get_bind().dialect.name == "postgresql":
            migrate.lock(session.connection())
        yield session


def database() -> Engine:
    """The engine of this process, with the schema at its newest version.

    Raises:
        StudioError: the database is out of reach, damaged, or written by a newer DELRec Studio.
    """
    with _opening:
        return _open(database_url(), os.getpid())


@functools.lru_cache(maxsize=8)
def _open(url: URL, pid: int) -> Engine:  # noqa: ARG001 - connections must not be shared across a fork
    try:
        sqlite = url.get_backend_name() == "sqlite"
        engine = create_engine(url, pool_pre_ping=not sqlite, max_overflow=64)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StudioError(
            f"cannot use this database: {error}",
            where=SETTING,
            remedy="write sqlite:////path/studio.db or postgresql+psycopg://user@host/name",
        ) from None
    if sqlite:
        if url.database == str(home() / "studio.db"):
            writable(home())
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    with _explained():
        with engine.connect() as connection:  # usual, and possible while others write or the disk is full
            newest = migrate.current(connection) == migrate.newest()
        if not newest:
            with engine.execution_options(immediate=True).begin() as connection:
                migrate.upgrade(connection)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:  # noqa: ARG001
    connection.isolation_level = None  # transactions begin where _begin_sqlite says, not where the driver guesses
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Journal with a write-ahead log, which the file remembers.

    The one change for which SQLite does not wait as ``busy_timeout`` says: of several processes that open a new file
    at the same moment, all but one are refused at once, so they have to ask again.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def _explained() -> Iterator[None]:
    """A database that cannot be used is the user's affair: one line, no stack trace."""
    try:
        yield
    except DBAPIError as error:
        text, where = str(error.orig), database_url().render_as_string()
        if "not a database" in text or "malformed" in text:
            raise StudioError(
                "the database file is damaged", where=where, remedy="restore a copy, or move it away"
            ) from None
        if any(sign in text for sign in ("is locked", "is busy", "lock timeout")):
            raise DatabaseUnreachable(
                f"another program has locked the database for over {BUSY_SECONDS:.0f} s",
                where=where,
                remedy="end that program (a backup, a database browser, a hung delrec), then try again",
            ) from None
        if any(sign in text for sign in ("unable to open", "readonly", "disk I/O", "is full", "connection")):
            raise DatabaseUnreachable(
                f"the database is out of reach: {text.splitlines()[0]}",
                where=where,
                remedy="check disk space and permissions, or DELREC_DATABASE_URL",
            ) from None
        raise
