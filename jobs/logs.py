"""What app and worker say beside a run's own log: for people, or a line of JSON for each event."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from engine.errors import StudioError

LOG = "DELREC_LOG"
FORMS = ("text", "json")
OWN = ("engine", "db", "jobs", "webapp")
"""Whose notes on what goes well are told too, in JSON: people read them off the pages."""

logger = logging.getLogger("jobs.logs")


def form() -> str:
    """``DELREC_LOG``: text or json.

    Raises:
        StudioError: it is neither.
    """
    given = os.environ.get(LOG) or "text"
    if given not in FORMS:
        raise StudioError(f"{given!r} is no form of a log", where=LOG, remedy=f"choose {' or '.join(FORMS)}")
    return given


def prepare() -> None:
    """Let what this process logs go to standard error in that form; call it once, in a process of one's own."""
    handler = logging.StreamHandler()
    if form() == "json":
        handler.setFormatter(JsonLines())
        for name in OWN:
            logging.getLogger(name).setLevel(logging.INFO)
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(form() == "json")


def say(text: str) -> None:
    """A line for whoever started this program."""
    if form() == "json":
        logger.info(text)
    else:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


class JsonLines(logging.Formatter):
    """``time`` (UTC), ``level``, ``logger``, ``process`` and ``message``; ``run`` and ``trace`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        record_fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": " ".join(record.getMessage().split()),
        }
        if run := getattr(record, "run", None):
            record_fields["run"] = run
        if record.exc_info:
            record_fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(record_fields, ensure_ascii=False)
