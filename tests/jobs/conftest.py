"""Real workers for the tests of jobs; whatever they start is gone after the test."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from job_support import PATIENCE, gone, wait_for

WORKER = Path(__file__).with_name("fake_worker.py")


@pytest.fixture
def start_worker() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts workers; at the end they are stopped, and no process that they started is left."""
    started: list[subprocess.Popen[bytes]] = []
    children: set[int] = set()

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, str(WORKER)]))
        return started[-1]

    yield start
    for worker in started:
        if worker.poll() is None:
            children |= {child.pid for child in psutil.Process(worker.pid).children(recursive=True)}
            worker.send_signal(signal.SIGTERM)
    for worker in started:
        worker.wait(PATIENCE)
    wait_for(lambda: all(map(gone, children)), "the workers' children to end")
