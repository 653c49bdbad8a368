"""Whether all is well, and figures for Prometheus: the app tells at its address, a worker at one that it is given."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from db import explanations, migrate, runs, store
from db.runs import STATES
from engine.environment import code_version, version
from engine.errors import StudioError
from engine.labels import plural
from jobs import workers

if TYPE_CHECKING:
    from prometheus_client.core import Metric

ADDRESS = "DELREC_WORKER_ADDRESS"
ANSWERS = ("queued", "running")
TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus's text format."""

logger = logging.getLogger(__name__)


def fault() -> str:
    """What is wrong, in a few words; empty if nothing is."""
    try:
        runs.counts()
    except (StudioError, SQLAlchemyError) as error:
        return f"the database is out of reach: {error}"
    return ""


def database() -> str:
    """Where the database is, its schema, and how many runs it knows."""
    with store.database().connect() as connection:
        schema = migrate.current(connection)
    return f"{store.database_url().render_as_string()}, schema {schema}, {plural(sum(runs.counts().values()), 'run')}"


def exposition(busy: Callable[[], Sequence[str]] | None = None) -> bytes:
    """Figures of the whole studio and of this process, in Prometheus's text format.

    Args:
        busy: a worker's: ids of the runs at which it works.
    """
    from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_Studio(busy))
    found: bytes = generate_latest(registry)
    return found


class _Studio:
    """Reads the database whenever it is asked, so that every process tells the same."""

    def __init__(self, busy: Callable[[], Sequence[str]] | None) -> None:
        self.busy = busy

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        def gauge(name: str, what: str, values: Mapping[str, float], label: str = "state") -> Metric:
            family = GaugeMetricFamily(f"delrec_{name}", what, labels=[label])
            for key, value in values.items():
                family.add_metric([key], value)
            return family

        yield InfoMetricFamily("delrec", "The program.", {"version": version(), "code": code_version()})
        counts = runs.counts()
        yield gauge("runs", "Runs by their state.", {state: float(counts.get(state, 0)) for state in STATES})
        waiting = Counter[str](asked.state for asked in explanations.unsettled())
        yield gauge("questions", "Questions that have no answer yet.", {state: waiting[state] for state in ANSWERS})
        by_host = Counter(worker.process.host for worker in workers.living())
        yield gauge("workers", "Workers that gave a sign of life.", dict(by_host), "host")
        if self.busy is not None:
            yield GaugeMetricFamily("delrec_worker_busy", "Whether this worker has a run.", bool(self.busy()))


def address() -> tuple[str, int] | None:
    """``DELREC_WORKER_ADDRESS``: where a worker answers, ``host:port`` or a port of this machine; ``None``: nowhere.

    Raises:
        StudioError: it is neither.
    """
    given = os.environ.get(ADDRESS, "")
    if not given:
        return None
    host, _, port = given.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise StudioError(f"{given!r} is no address", where=ADDRESS, remedy="write a port or host:port, e.g. 9108")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextlib.contextmanager
def served(busy: Callable[[], Sequence[str]], beaten: Callable[[], float], patience: float) -> Iterator[None]:
    """Within, a worker answers ``/healthz`` and ``/metrics`` at its :func:`address`, if it has one.

    Args:
        busy: as of :func:`exposition`.
        beaten: when it went round its loop last, by :func:`time.monotonic`; after ``patience`` it is not well.

    Raises:
        StudioError: nobody can listen there.
    """
    place = address()
    if place is None:
        yield
        return

    host, port = place

    def stuck() -> str:
        silent = time.monotonic() - beaten()
        return f"the worker has not moved for {silent:.0f} s" if silent > patience else fault()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                if self.path == "/healthz":
                    wrong = stuck()
                    body = json.dumps({"status": wrong or "ok", "runs": list(busy())}).encode()
                    self._tell(503 if wrong else 200, "application/json", body)
                elif self.path == "/metrics":
                    self._tell(200, TYPE, exposition(busy))
                else:
                    self._tell(404, "text/plain", b"/healthz and /metrics are here\n")
            except (StudioError, SQLAlchemyError) as error:
                self._tell(503, "text/plain", f"{error}\n".encode())

        def _tell(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            logger.debug(format, *args)

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        fault_, remedy = f"cannot listen there: {error.strerror or error}", "choose another port, or unset it"
        raise StudioError(fault_, where=f"{ADDRESS}={host}:{port}", remedy=remedy) from None
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
