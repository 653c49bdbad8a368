"""What browser tests know about the app they look at."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gradio as gr
import uvicorn

from webapp.access import Access
from webapp.app import build_pages, create_app


@dataclass(frozen=True)
class Studio:
    """A running app and its data folder."""

    url: str
    home: Path


@cache
def pages(access: Access | None = None) -> gr.Blocks:
    """All pages, drawn once for tests that call their handlers or look at how they are wired."""
    return build_pages(access or Access())


@contextmanager
def served_here(access: Access, root: str = "") -> Iterator[str]:
    """The app without a worker in a thread of this process: it looks into the data folder that is set by then.

    Behind a proxy it is to be found below ``root``.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(access, root), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
