"""``delrec serve`` as ``make demo`` calls it: app, worker and the first run, and the second time nothing new."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import hostile
import httpx
import pytest
from cli_shell import PATIENCE, Shell, listed, start, wait_until
from ports import free_port

import webapp.app
from db import lifecycle, runs
from db.runs import RunState
from engine.settings import load_config


@contextlib.contextmanager
def _served(home: Path, *arguments: str, folder: Path | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = start(home, "serve", "--port", str(port), *arguments, folder=folder)

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{address}/healthz").is_success
        return False

    try:
        wait_until(answers, process)
        yield address, process
    finally:
        process.kill()
        process.communicate()


def _started_again(shell: Shell) -> str:
    """What a start says of runs, before it serves anything and without a worker that would take them up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webapp.app, "serve", lambda *_: None)
        said = shell("serve", "--port", str(free_port()), "--first-run", "smoke", "--no-worker")
    assert said.code == 0, said
    *of_runs, address = said.err.splitlines()
    assert "DELRec Studio is on http://127.0.0.1:" in address
    return "".join(of_runs)


def test_the_first_run_goes_on_however_the_app_was_stopped_and_then_is_kept(
    shell: Shell, delrec_home: Path, tmp_path: Path
) -> None:
    here = hostile.fill(tmp_path / "here")
    known = set()
    for stop in (signal.SIGINT, signal.SIGKILL):
        with _served(delrec_home, "--first-run", "smoke", folder=here) as (_, process):
            wait_until(lambda: [run["state"] for run in listed(shell)] == ["running"], process)
            process.send_signal(stop)
            _, err = process.communicate(timeout=PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while listed(shell)[0]["state"] == "running":  # its process notices the death of the app
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (run,) = listed(shell)
        assert run["state"] == "interrupted", stop
        assert run["id"] in err
        known.add(run["id"])
    with _served(delrec_home, "--first-run", "smoke", folder=here) as (address, process):
        wait_until(lambda: listed(shell)[0]["state"] == "done", process)
        (run,) = listed(shell)
        assert (run["preset"], run["origin"]) == ("smoke", "new")
        assert known == {run["id"]}
        assert httpx.get(f"{address}/run", params={"id": run["id"]}).is_success
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
    assert f"{run['id']} goes on from its checkpoint" in err
    assert address in err
    assert "Traceback" not in err
    assert hostile.sprung(here) == [], "worker, trainer and answerer take nothing from the working directory"
    assert _started_again(shell) == ""
    assert [it["id"] for it in listed(shell)] == [run["id"]]


@pytest.mark.parametrize(
    ("state", "preset"), [("cancelled", "smoke"), ("failed", "smoke"), ("interrupted", "quickstart")]
)
def test_only_an_interrupted_first_run_of_that_preset_goes_on(shell: Shell, state: RunState, preset: str) -> None:
    run = runs.create("first", load_config("smoke").model_dump(mode="json"), preset=preset, state="starting")
    lifecycle.finish(run.id, state)
    assert _started_again(shell) == ""
    assert [(known["id"], known["state"]) for known in listed(shell)] == [(run.id, state)]


@pytest.mark.parametrize(
    ("arguments", "setting", "root"),
    [
        ((), "", ""),
        ((), "/studio/", "/studio"),
        (("--root-path", "/a/b"), "/studio", "/a/b"),
        (("--root-path", "/"), "/studio", ""),
        (("--root-path", ""), "/studio", ""),
    ],
)
def test_the_root_path_reaches_the_app_and_is_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], setting: str, root: str
) -> None:
    served = []
    monkeypatch.setattr(webapp.app, "serve", lambda *given: served.append(given[3]))
    monkeypatch.setenv("DELREC_ROOT_PATH", setting)
    port = str(free_port())
    said = shell("serve", "--port", port, "--no-worker", *arguments)
    assert (said.code, served) == (0, [root])
    assert f"is on http://127.0.0.1:{port}{root}{'/' if root else ''} —" in said.err
