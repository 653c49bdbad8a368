"""A real app (with and without a worker) in processes of its own, and a real chromium."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from inspect_pages import HOSTILE, hostile_settings
from playwright.sync_api import Browser, Page, expect, sync_playwright
from ports import free_port
from smoke_runs import finished_run
from webapp_studio import Studio, served_here
from writer_server import Server

from webapp.access import Access

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-sync",
]
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh tab; a script that fails in the page fails the test."""
    faults: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(PATIENCE_MS)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    yield tab
    tab.close()
    assert faults == []


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The app with a worker."""
    yield from _serve(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="session")
def quiet_address() -> Iterator[str]:
    """The app without a worker, started once: it follows ``DELREC_HOME``."""
    with served_here(Access()) as address:
        yield address


@pytest.fixture(scope="module")
def quiet_studio(quiet_address: str, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """The app without a worker: what is queued stays queued."""
    return Studio(quiet_address, tmp_path_factory.mktemp("quiet"))


@pytest.fixture
def at_studio(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """Calls of the test itself work on the data folder of the app with the worker."""
    monkeypatch.setenv("DELREC_HOME", str(studio.home))
    return studio


@pytest.fixture
def at_quiet_studio(quiet_studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """Calls of the test itself work on the data folder of the app without a worker."""
    monkeypatch.setenv("DELREC_HOME", str(quiet_studio.home))
    return quiet_studio


def _serve(home: Path) -> Iterator[Studio]:
    port = free_port()
    log = home / "serve.log"
    command = [sys.executable, "-c", "import sys; from webapp.cli import main; sys.exit(main(sys.argv[1:]))"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "serve", "--port", str(port)],
            env={**os.environ, "DELREC_HOME": str(home)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(url, process, log)
        yield Studio(url, home)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the app did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def writer() -> Iterator[Server]:
    """An endpoint that could write instead of the run's model."""
    server = Server()
    yield server
    server.http.shutdown()


@pytest.fixture(scope="module")
def hostile_run(studio: Studio, writer: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished run on data whose titles begin with a word of their own and go on as code."""
    chosen = hostile_settings(tmp_path_factory.mktemp("data"), writer.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_HOME", str(studio.home))
        return finished_run(chosen, HOSTILE[:70])
