"""A run in the shell is recorded like one of the queue."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_recipe import chain, config, recipe
from job_support import wait_for, wait_step

from engine import environment
from engine.config import RunConfig
from engine.errors import StudioError
from engine.monitor import Monitor
from jobs import api, foreground, resources

SHELL = Path(__file__).with_name("fake_shell.py")


def _shell(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(SHELL), *arguments])


def _started() -> str:
    wait_for(lambda: bool(api.runs()), "the run to be recorded")
    run = api.runs()[0]
    wait_step(run.id, 5)
    return run.id


class Terminal(Monitor):
    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []

    def progress(self, stage: str, done: int, total: int) -> None:
        self.seen.append((stage, done, total))


def test_a_run_in_the_shell_is_recorded_and_shown():
    terminal = Terminal()
    report = foreground.run(config(steps=5), "smoke", "here", terminal, recipe)
    run = api.status("here")
    assert (run.state, run.preset, run.step, run.total) == ("done", "smoke", 5, 5)
    assert report["chain"] == chain(5)
    assert api.results("here") == report
    assert [point.step for point in api.metrics("here")] == [1, 2, 3, 4, 5]
    assert terminal.seen[-1] == ("distil", 5, 5)


def test_bad_input_fails_the_run_and_reaches_the_shell():
    with pytest.raises(StudioError, match="has no column"):
        foreground.run(config(way="bad-input"), None, "here", None, recipe)
    assert api.status("here").reason == "ratings.csv has no column 'item' (line 1) — name it in the header"


def _needing(**needs: object) -> RunConfig:
    wanted = config(steps=3)
    return wanted.model_copy(update={"run": wanted.run.model_copy(update=needs)})


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"device": "gpu"}, "has no GPU"),
        ({"device": "gpu", "memory": 1, "processes": 2}, "has no GPU"),
        ({"memory": 1e6}, "GB of memory, not 1e"),
        ({"processes": 64}, "for 64 processes"),
        ({"memory": 1, "processes": 64}, "for 64 processes"),
    ],
)
def test_what_this_machine_lacks_is_refused_before_any_work(needs, said, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(environment, "cores", lambda: 2)
    with pytest.raises(StudioError, match=said):
        api.run_in_foreground(_needing(**needs))
    assert api.runs() == []
    queued = api.launch(_needing(**needs))  # for a worker that has it
    api.cancel(queued)
    with pytest.raises(StudioError, match=said):
        api.resume_in_foreground(queued)
    assert api.status(queued).state == "cancelled"
    assert not api.status(queued).folder.exists()


def test_a_run_goes_on_with_as_many_processes_as_there_are_cores(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 2)
    queued = api.launch(_needing(processes=64))
    api.cancel(queued)
    stopped = api.status(queued)
    with pytest.raises(StudioError, match="for 3 processes"):
        foreground.resume(stopped, None, recipe, processes=3)
    assert foreground.resume(stopped, None, recipe, processes=1)["chain"] == chain(3)


def test_a_gpu_that_pytorch_cannot_use_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(resources, "own_resources", lambda: resources.Resources(2, 1e4, (resources.Gpu("H100", 8e4),)))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(StudioError, match="PyTorch finds none"):
        api.run_in_foreground(_needing(device="gpu"))
    assert api.runs() == []


@pytest.mark.parametrize(
    ("number", "state"), [(signal.SIGINT, "cancelled"), (signal.SIGTERM, "interrupted"), (signal.SIGHUP, "interrupted")]
)
def test_signals_stop_a_run_with_a_checkpoint(number, state):
    shell = _shell("3000")
    run_id = _started()
    shell.send_signal(number)
    assert shell.wait(60) == 3
    run = api.status(run_id)
    assert run.state == state
    assert (run.folder / "checkpoint.json").exists()


def test_the_page_cancels_a_run_of_the_shell_and_the_shell_resumes_it():
    shell = _shell("300")
    run_id = _started()
    assert api.cancel(run_id) == "cancelling"
    assert shell.wait(60) == 3
    assert api.status(run_id).state == "cancelled"

    assert _shell("resume", run_id).wait(60) == 0
    assert api.status(run_id).state == "done"
    assert api.results(run_id)["chain"] == chain(300)


def test_a_killed_shell_is_never_shown_as_running():
    shell = _shell("3000")
    run_id = _started()
    shell.kill()
    shell.wait()
    assert [run.state for run in api.runs()] == ["interrupted"]
    assert api.status(run_id).error == "its process was killed"


def test_a_run_that_is_done_is_not_resumed():
    foreground.run(config(steps=3), None, "here", None, recipe)
    with pytest.raises(StudioError, match="cannot be resumed, it is done"):
        api.resume_in_foreground("here")
