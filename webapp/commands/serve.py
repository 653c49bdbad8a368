"""``delrec serve``: the app in the browser, with a worker beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from engine.errors import StudioError

if TYPE_CHECKING:
    from engine.config import RunConfig


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--root-path", metavar="PATH", help="Path at which a reverse proxy offers the app, e.g. /studio.")
@click.option("--read-only", is_flag=True, help="Visitors can look at everything and change nothing.")
@click.option("--no-worker", is_flag=True, help="Only the app; runs wait for a 'delrec worker'.")
@click.option("--first-run", metavar="PRESET", help="Queue a run of this preset if there is none; resume the first.")
def command(
    host: str, port: int, root_path: str | None, read_only: bool, no_worker: bool, first_run: str | None
) -> None:
    """Start the app in the browser, with a worker for its runs, until Ctrl-C.

    Beyond this machine (--host) it needs a password: DELREC_PASSWORD.
    """
    from engine import network
    from engine.settings import load_config
    from jobs import api, logs, resources, trackers
    from jobs.worker import worker_process
    from webapp import proxy
    from webapp.access import Access

    environment = Access.from_environment()
    access = Access(environment.password, read_only or environment.read_only)
    access.check_host(host)
    root = proxy.root_path(root_path)
    config = load_config(first_run) if first_run else None
    network.check()
    if not no_worker:
        trackers.check()
    _check_free(host, port)  # after all settings: what is wrong with them does not depend on what else runs here
    logs.prepare()
    own = resources.own_resources()
    resources.check_in("app", own)
    api.recover()
    if config is not None and first_run is not None:
        _begin(first_run, config)
    worker = contextlib.nullcontext() if no_worker else worker_process()
    with _sigterm_like_ctrl_c(), _own_uploads(), resources.app_here(own), worker:
        from webapp.app import serve

        shown = f"[{host}]" if ":" in host else host
        logs.say(f"DELRec Studio is on http://{shown}:{port}{root and root + '/'} — Ctrl-C stops it.")
        with contextlib.suppress(KeyboardInterrupt):
            serve(host, port, access, root)


def _begin(preset: str, config: RunConfig) -> None:
    """Launch the first run, or let it go on if it was interrupted: whoever stopped the app did not cancel it."""
    from jobs import api, logs

    known = api.runs()
    if not known:
        logs.say(f"There is no run yet: {preset} is queued as {api.launch(config, preset)}.")
        return
    first = known[-1]
    if (first.state, first.preset, first.origin) == ("interrupted", preset, "new"):
        api.resume(first.id)
        logs.say(f"The first run, {first.name}, was interrupted: {first.id} goes on from its checkpoint.")


@contextlib.contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """Service managers stop programs by SIGTERM: then, too, worker and temporary files are put in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _own_uploads() -> Iterator[None]:
    """A folder of this app's own for what is sent to it: the framework's usual one may be another user's."""
    with tempfile.TemporaryDirectory(prefix="delrec-uploads-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield


def _check_free(host: str, port: int) -> None:
    """Raise :class:`StudioError` if nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: a port just left is free
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StudioError(
                f"cannot listen there: {error.strerror or error}",
                where=f"{host}:{port}",
                remedy="is the app running already? Choose another port: --port 8000, or make demo PORT=8000",
            ) from None
