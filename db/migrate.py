"""Brings a database to the newest schema; numbered steps are in ``db/migrations/versions``."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from engine.errors import StudioError

FOLDER = Path(__file__).parent / "migrations"
LOCK = 7_203_001
"""Any number that no other program uses as a PostgreSQL advisory lock."""
LOCK_SECONDS = 30


def newest() -> str:
    """Number of the newest migration, e.g. ``"0002"``."""
    return max(path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def current(connection: Connection) -> str | None:
    """Number of the last migration that the database has seen; ``None`` for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def lock(connection: Connection) -> None:
    """Wait until no other process writes to this PostgreSQL database; holds until the transaction ends.

    Raises:
        OperationalError: another one writes for longer than ``LOCK_SECONDS``, e.g. because it was stopped meanwhile.
    """
    connection.execute(text(f"SET LOCAL lock_timeout = {int(LOCK_SECONDS * 1000)}"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def upgrade(connection: Connection, target: str = "") -> None:
    """Apply the missing migrations inside the caller's transaction, which no other process may share.

    ``target`` stops at an earlier number (tests build old files so).

    Raises:
        StudioError: a newer DELRec Studio wrote the database.
    """
    if connection.dialect.name == "postgresql":
        lock(connection)
    found, target = current(connection), target or newest()
    if found == target:
        return
    if found is not None and found > newest():
        raise StudioError(
            f"the database has schema {found}, this DELRec Studio knows up to {newest()}",
            where=connection.engine.url.render_as_string(),
            remedy="update DELRec Studio, or point DELREC_DATABASE_URL at another file",
        )
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(FOLDER)  # by a configuration its path would be a pattern, with a meaning for % and :
    steps = EnvironmentContext(Config(), script, fn=lambda revision, _: script._upgrade_revs(target, revision))
    steps.configure(connection=connection)
    steps.run_migrations()
