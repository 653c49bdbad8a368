"""The queues of runs and of questions: Huey on SQLite, Redis or PostgreSQL. Messages are signed and hold ids only.

The database is the truth; a message only wakes a worker, which then has to claim what it names. A message that is
lost is sent again by :mod:`jobs.recovery` or :mod:`jobs.answers`, one that comes twice does nothing the second time.
So a worker whose queue or database is out of reach says so in one sentence, and goes on.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from huey.exceptions import ConfigurationError
from huey.registry import Message
from huey.serializer import Serializer, SignedSerializer
from huey.storage import SqliteStorage

from engine.errors import StudioError
from engine.paths import writable
from jobs import folder_key, heartbeat
from jobs.settings import QUEUE, SERVERS, job_settings

logger = logging.getLogger(__name__)

LOCK_SECONDS = 30
UNREAD_SECONDS = 1.0
"""How long a worker leaves a queue alone that is out of reach."""
TABLES_LOCK = 7_203_002
"""Any number that no other program, nor :mod:`db.migrate`, uses as a PostgreSQL advisory lock."""
TRAINING, ANSWERS = "training", "answers"
"""Names of the queues."""


class IdSerializer(Serializer):
    """Task name and arguments as JSON: whoever can write into the queue can name a run, not run code."""

    def _serialize(self, data: Message) -> bytes:
        return json.dumps({"id": data.id, "name": data.name, "args": data.args}).encode()

    def _deserialize(self, data: bytes) -> Message:
        return Message(**json.loads(data), retries=0, retry_delay=0, kwargs={})


class SignedIds(SignedSerializer, IdSerializer):
    """The same, and refused unless it was signed with this data folder's key."""


class Queue:
    """A named queue of ids, and what its worker does with one."""

    def __init__(self, name: str, work: Callable[[str], None]) -> None:
        self.huey = _huey(name)

        unclaimed = heartbeat.WriteFault(f"the queue {name!r}: what waits is not taken up")
        unread = heartbeat.WriteFault(f"the queue {name!r}: nothing is taken from it")
        dequeue = self.huey.dequeue

        def take(waiting: str) -> None:
            with unclaimed.logged_once():
                work(waiting)

        def next_message() -> Any:
            with unread.logged_once():
                try:
                    return dequeue()
                except ValueError:  # it could not be read, and is gone
                    logger.warning("a message in the queue %r is not of this data folder, and is dropped", name)
                except Exception as error:
                    time.sleep(UNREAD_SECONDS)
                    raise _unreachable(error) from error
            return None

        self.huey.dequeue = next_message
        self._take = self.huey.task(name="take")(take)

    def add(self, waiting: str) -> None:
        """Wake a worker for what has this id.

        Raises:
            StudioError: the queue is out of reach; what waits stays queued in the database until it is back.
        """
        try:
            self._take(waiting)
        except Exception as error:  # each backend has errors of its own
            raise _unreachable(error) from error

    def add_many(self, waiting: Iterable[str]) -> None:
        """:meth:`add` of each, in this order; in a file, which is synchronised at every change, in one change."""
        storage = self.huey.storage
        if not isinstance(storage, SqliteStorage):
            for it in waiting:
                self.add(it)
            return
        rows = [(storage.name, self.huey.serialize_task(self._take.s(it)), 0) for it in waiting]
        try:
            with storage.db(commit=True) as cursor:
                cursor.executemany("insert into task (queue, data, priority) values (?, ?, ?)", rows)
        except Exception as error:
            raise _unreachable(error) from error

    def pending(self) -> set[str]:
        """Ids that wait in the queue."""
        try:
            return {task.args[0] for task in self.huey.pending()}
        except Exception as error:
            raise _unreachable(error) from error


def training() -> Queue:
    """The queue of long runs, for adding to it."""
    return _sender(TRAINING, job_settings().queue, os.getpid())


def answers() -> Queue:
    """The queue of questions about finished runs, for adding to it."""
    return _sender(ANSWERS, job_settings().queue, os.getpid())


@functools.lru_cache(maxsize=8)
def _sender(name: str, place: Path | str, pid: int) -> Queue:  # noqa: ARG001 - connections must not be shared across a fork
    def not_here(waiting: str) -> None:
        raise StudioError(f"{waiting} was taken by a process that is no worker")

    return Queue(name, not_here)


def _huey(name: str) -> Huey:
    place = job_settings().queue
    common: dict[str, Any] = {"results": False, "serializer": SignedIds(secret=folder_key.key(), salt="delrec-studio")}
    try:
        if isinstance(place, Path):
            writable(place.parent)
            return SqliteHuey(name, filename=str(place), journal_mode="wal", timeout=LOCK_SECONDS, **common)
        if SERVERS[place.partition(":")[0]] == "redis":
            return RedisHuey(name, url=place, **common)
        return _postgres(PostgresHuey(name, dsn=place, create_tables=False, **common))
    except ConfigurationError as error:
        remedy = "pip install 'delrec-studio[postgres]' or 'delrec-studio[redis]'"
        raise StudioError(str(error), where=QUEUE, remedy=remedy) from None
    except Exception as error:
        raise _unreachable(error) from error


def _postgres(huey: PostgresHuey) -> PostgresHuey:
    """Make the tables; PostgreSQL refuses all but one of several that do so at once, hence the lock."""
    huey.storage.ddl.insert(0, f"SELECT pg_advisory_xact_lock({TABLES_LOCK})")
    huey.storage.initialize_schema()
    return huey


def _unreachable(error: Exception) -> StudioError:
    if isinstance(error, StudioError):
        return error
    lines = str(error).splitlines() or [type(error).__name__]
    if "locked" in lines[0]:
        what = f"another program has locked the queue for over {LOCK_SECONDS} s"
        return StudioError(what, where=QUEUE, remedy="end that program, then try again")
    return StudioError(
        f"the queue is out of reach: {lines[0]}",
        where=QUEUE,
        remedy="start it, or check disk space and permissions",
    )
