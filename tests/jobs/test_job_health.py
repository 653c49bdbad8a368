"""Health and figures: of a worker at its own address, of what the database holds; logs as lines of JSON."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import httpx
import pytest
from fake_recipe import config

from engine.errors import StudioError
from jobs import api, health


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DELREC_WORKER_ADDRESS", str(free.getsockname()[1]))
    return "http://127.0.0.1:{1}".format(*free_address())


def free_address() -> tuple[str, int]:
    found = health.address()
    assert found is not None
    return found


def test_a_worker_tells_what_it_does_and_what_waits(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    api.launch(config())
    api.cancel(api.launch(config()))
    at_work, moved = [], [time.monotonic()]
    with health.served(lambda: at_work, lambda: moved[0], 60.0):
        answer = httpx.get(f"{address}/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "runs": []})
        told = httpx.get(f"{address}/metrics").text.splitlines()
        assert {'delrec_runs{state="queued"} 1.0', 'delrec_runs{state="cancelled"} 1.0', "delrec_worker_busy 0.0"} <= {
            *told
        }
        assert any(line.startswith("process_resident_memory_bytes ") for line in told)

        at_work.append("r-abc234")
        assert httpx.get(f"{address}/healthz").json()["runs"] == ["r-abc234"]
        assert "delrec_worker_busy 1.0" in httpx.get(f"{address}/metrics").text.splitlines()
        assert httpx.get(f"{address}/runs").status_code == 404

        moved[0] = time.monotonic() - 61
        answer = httpx.get(f"{address}/healthz")
        assert answer.status_code == 503
        assert "has not moved for 6" in answer.json()["status"]
        moved[0] = time.monotonic()
        monkeypatch.setenv("DELREC_DATABASE_URL", "sqlite:////nowhere/at/all.db")
        assert httpx.get(f"{address}/metrics").status_code == 503
        answer = httpx.get(f"{address}/healthz")
        assert answer.status_code == 503
        assert "database is out of reach" in answer.json()["status"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")


def test_an_address_that_is_taken_is_told(address: str) -> None:
    with health.served(list, time.monotonic, 60.0):
        again = health.served(list, time.monotonic, 60.0)
        with pytest.raises(StudioError, match="DELREC_WORKER_ADDRESS"):
            again.__enter__()


@pytest.mark.parametrize("given", ["nowhere", "host:", "host:http", "0", "65536", "-1", "1.5", "127.0.0.1"])
def test_what_is_no_address_is_told(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_WORKER_ADDRESS", given)
    with pytest.raises(StudioError, match="is no address"):
        health.address()


@pytest.mark.parametrize(
    ("given", "meant"), [("9108", ("127.0.0.1", 9108)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:9", ("::1", 9))]
)
def test_addresses(given: str, meant: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_WORKER_ADDRESS", given)
    assert health.address() == meant


LOGGING = """
import logging
from jobs import logs
logs.prepare()
logs.say("It begins.")
logging.getLogger("jobs.supervisor").info("begins", extra={"run": "r-abc234"})
logging.getLogger("huey").info("not of interest")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("huey").exception("two\\nlines")
"""


def test_logs_are_lines_of_json_where_that_is_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_LOG", "json")
    lines = subprocess.run(
        [sys.executable, "-c", LOGGING], capture_output=True, text=True, check=True
    ).stderr.splitlines()
    said, began, failed = map(json.loads, lines)
    assert (said["level"], said["message"]) == ("info", "It begins.")
    assert (began["run"], began["logger"]) == ("r-abc234", "jobs.supervisor")
    assert (failed["level"], failed["message"]) == ("error", "two lines")
    assert failed["trace"].endswith("ZeroDivisionError: division by zero")
    assert {"time", "process"} <= failed.keys()
