"""PostgreSQL and Redis of the tests' own, each on a free port and gone at the end."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ports import free_port

PATIENCE = 60.0


def missing(server: str) -> str:
    """What this machine lacks to run ``"postgres"`` or ``"redis"``; empty if nothing."""
    program, module = {
        "postgres": (_postgres("initdb") and _postgres("pg_isready"), "psycopg"),
        "redis": (_redis(), "redis"),
    }[server]
    if program is None:
        return f"no {server} server is installed"
    return "" if importlib.util.find_spec(module) else f"the Python package {module} is not installed"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Host and port of a new server; its user ``postgres`` needs no password."""
    initdb, server, pg_isready = map(_postgres, ("initdb", "postgres", "pg_isready"))
    assert initdb is not None
    assert server is not None
    assert pg_isready is not None
    user = _ordinary_user()
    with tempfile.TemporaryDirectory(prefix="delrec-pg-") as folder:  # pytest's own folders are closed to other users
        if user is not None:
            shutil.chown(folder, user)
        data = str(Path(folder) / "data")
        subprocess.run(
            [initdb, "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "--no-instructions", data],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd=folder,
        )
        port = free_port()
        options = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F", "-c", "max_connections=60"]
        asked = [pg_isready, "-q", "-h", "127.0.0.1", "-p", str(port)]
        with _running([server, *options], lambda: subprocess.run(asked, check=False).returncode == 0, user, folder):
            yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Host and port of a new server."""
    server = _redis()
    assert server is not None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="delrec-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        with _running([server, *options], lambda: _answers(port), None, folder):
            yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def _running(command: list[str], ready: Callable[[], bool], user: str | None, folder: str) -> Iterator[None]:
    log = Path(folder) / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, user=user, cwd=folder)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # unlike SIGTERM, PostgreSQL does not wait then for clients to leave
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def _postgres(program: str) -> str | None:
    """Debian keeps these programs off the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))


def _redis() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")


def _ordinary_user() -> str | None:
    """Whom PostgreSQL runs as: it refuses root."""
    if os.getuid() != 0:
        return None
    return next(user.pw_name for name in ("postgres", "nobody") for user in pwd.getpwall() if user.pw_name == name)
