"""Real workers for the tests of jobs; whatever they start is gone after the test."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import servers
from archive_world import finished_run
from job_support import PATIENCE, gone, wait_for

from jobs import api, heartbeat

WORKER = Path(__file__).with_name("fake_worker.py")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "answerer: with the process that answers beside each worker, not an idle one")
    config.addinivalue_line("markers", "server(name): starts a server; left out, and said so, where there is none")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that need a server which this machine does not have."""
    needed = {item: [mark.args[0] for mark in item.iter_markers("server")] for item in items}
    lacking = {name: servers.missing(name) for names in needed.values() for name in names}
    out = [item for item in items if any(lacking[name] for name in needed[item])]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]
        reasons = ", ".join(sorted({reason for reason in lacking.values() if reason}))
        config.issue_config_time_warning(pytest.PytestWarning(f"{len(out)} tests are left out: {reasons}"), 2)


@pytest.fixture(autouse=True)
def _quick_to_confirm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who seems dead, by signs of life alone, is waited for shortly."""
    monkeypatch.setattr(heartbeat, "CONFIRM_SECONDS", 0.5)


@pytest.fixture(autouse=True)
def _answerer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands beside workers, costs less than a second one where nobody asks anything."""
    if not request.node.get_closest_marker("answerer"):
        monkeypatch.setenv("FAKE_ANSWERER", "idle_answerer.py")


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


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An archive of a finished run, which is deleted here afterwards."""
    run_id = finished_run()
    target = tmp_path / "run.zip"
    api.export_run(run_id, target)
    api.delete(run_id)
    return target
