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
from playwright.sync_api import Page, expect

from webapp.access import Access
from webapp.app import build_pages, create_app

LONG_MS = 300_000
"""For what a run has to be trained for."""


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


def set_value(page: Page, name: str, value: str) -> None:
    field = page.locator(f"#setting-{name.replace('.', '-').replace('_', '-')} input")
    field.fill(value)
    field.press("Tab")


def open_run(page: Page, studio: Studio, run_id: str) -> None:
    page.goto(f"{studio.url}/run?id={run_id}")
    expect(page.locator("#run-head h1")).to_be_visible()


def shows_state(page: Page, state: str, timeout: float = LONG_MS) -> None:
    expect(page.locator(f"#run-head .dr-badge.dr-{state}")).to_be_visible(timeout=timeout)
