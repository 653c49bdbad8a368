"""A disk that is full and a database that is locked: one line that says what to do, nothing finished is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fake_recipe import chain, config, recipe
from job_support import wait_for
from safetensors import SafetensorError

from db import runs, store
from db.store import DatabaseUnreachable
from engine import folder_monitor, run_folder, stage_files, whole_files
from engine.config import RunConfig
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.paths import home
from engine.run_folder import RunFolder
from engine.training import write_atomically
from jobs import api, failures, foreground, monitor, retrying, runner

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
STEPS = 25


def _wrapped(outer: Exception, inner: Exception) -> Exception:
    try:
        raise outer from inner
    except Exception as error:
        return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FULL, "the disk is full"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/data/x"), "the disk is full (/data/x)"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "the disk is full"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "the disk is full"),
        (RuntimeError("[enforce fail] No space left on device"), "the disk is full"),
        (_wrapped(RuntimeError("PytorchStreamWriter failed writing file data/0"), FULL), "the disk is full"),
        (_wrapped(ValueError("one"), _wrapped(KeyError("two"), FULL)), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "a file cannot be used: Read-only file system (/x)"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "a file cannot be used: Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "a file cannot be used: Permission denied (/x)"),
        (FileNotFoundError(errno.ENOENT, "None", "/x"), "crashed: FileNotFoundError: [Errno 2] None: '/x'"),
        (MemoryError(), "out of memory"),
    ],
)  # fmt: skip
def test_what_gave_out_is_told_however_deep_a_library_wrapped_it(error: Exception, reason: str) -> None:
    said, remedy = failures.explain(error)
    assert said == reason
    assert "resume" in remedy
    assert failures.exit_status(error) == (failures.FULL_DISK_STATUS if "disk is full" in reason else 1)


def test_a_process_that_could_write_nothing_tells_by_its_status_that_the_disk_is_full(tmp_path: Path) -> None:
    assert failures.explain_exit(failures.exit_status(FULL), tmp_path / "log.txt", 0)[0] == "the disk is full"


@contextlib.contextmanager
def _disk_for(monkeypatch: pytest.MonkeyPatch, writes: int) -> Iterator[list[int]]:
    """Room for so many writes into the run's folder; all after them meet the device that is always full."""
    left, full, put, append = [writes], Path("/dev/full"), whole_files.write_text, whole_files.append

    def take(write, path: Path, text: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            write(path, text)
        else:
            with full.open("w") as file:
                file.write(text)

    with monkeypatch.context() as patch:
        for module in (run_folder, stage_files):
            patch.setattr(module, "write_text", lambda path, text: take(put, path, text))
        patch.setattr(folder_monitor, "append", lambda path, lines: take(append, path, lines))
        patch.setattr("fake_recipe.write_text", lambda path, text: take(put, path, text))
        yield left


def _run(config: RunConfig) -> None:
    foreground.run(config, None, None, None, recipe)


def test_a_disk_that_is_full_at_any_write_loses_nothing_and_the_run_goes_on_when_there_is_room(monkeypatch) -> None:
    monkeypatch.setattr("fake_recipe.STEP_SECONDS", 0.001)
    with _disk_for(monkeypatch, 10_000) as left:
        _run(config(steps=STEPS))
        needed = 10_000 - left[0]
    assert needed > STEPS
    for room in (*range(8), *range(8, needed - 2, 6), needed - 2, needed - 1):
        with _disk_for(monkeypatch, room), pytest.raises(StudioError) as told:
            _run(config(steps=STEPS))
        (run,) = (run for run in api.runs() if run.resumable)
        assert (run.state, "resume" in run.remedy) == ("failed", True), room
        assert "disk is full" in run.error or "No space left" in run.error
        assert run.id in str(told.value)
        assert "\n" not in str(told.value)
        foreground.resume(run, None, recipe)
        assert api.results(run.id)["chain"] == chain(STEPS), room
        points = [point.step for point in api.metrics(run.id)]
        assert points == list(range(1, STEPS + 1)), room
        assert [point["step"] for point in RunFolder(run.folder).curves()] == points, "also in the file of the run"


def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    for lines in ("one\n", "two\nth"):
        whole_files.append(path, lines)
    whole_files.append(path, "four é\n")
    whole_files.append(path, "five\n")
    assert path.read_text("utf-8").splitlines() == ["one", "two", "th", "four é", "five"]


def test_what_is_replaced_as_a_whole_stays_on_a_full_disk(tmp_path: Path) -> None:
    tensors = {"weight": torch.ones(4096)}
    for name, write in (
        ("text.json", lambda path: whole_files.write_text(path, "new" * 4096)),
        ("weights.safetensors", lambda path: write_atomically(tensors, path)),
    ):
        path = tmp_path / name
        path.write_text("old")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the system's own way of refusing what is too much
        try:
            with pytest.raises((OSError, StudioError), match=r"File too large"):
                write(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [file.name for file in tmp_path.iterdir()] == [name]
        assert path.read_text() == "old"
        path.unlink()


@contextlib.contextmanager
def _locked(monkeypatch: pytest.MonkeyPatch, file: str = "studio.db") -> Iterator[sqlite3.Connection]:
    """Another program writes into the database for longer than anybody waits."""
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.2)
    store._open.cache_clear()
    other = sqlite3.connect(home() / file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        other.close()
        store._open.cache_clear()


def test_a_database_that_another_program_has_locked_can_be_read_and_is_told_when_written(monkeypatch) -> None:
    run_id = api.launch(config())
    store.database().dispose()
    with _locked(monkeypatch):
        assert [run.id for run in api.runs()] == [run_id]
        with pytest.raises(DatabaseUnreachable, match=r"another program has locked the database.*studio\.db"):
            api.launch(config())
        with pytest.raises(DatabaseUnreachable, match="locked"):
            api.cancel(run_id)
    assert api.cancel(run_id) == "cancelled"


def test_a_queue_that_another_program_has_locked_is_told(monkeypatch) -> None:
    api.launch(config())
    monkeypatch.setattr("jobs.queues.LOCK_SECONDS", 0.2)
    api.queues._sender.cache_clear()
    with _locked(monkeypatch, "queue.db"), pytest.raises(StudioError, match="another program has locked the queue"):
        api.launch(config())
    api.queues._sender.cache_clear()
    assert len(api.runs()) == 1, "nothing half-made is left"


def test_a_run_that_is_done_while_the_database_is_locked_is_recorded_as_soon_as_it_can_be(monkeypatch) -> None:
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.1)
    ended = []

    def recipe_then_lock(config: RunConfig, folder: Path, monitor: Monitor):
        report = recipe(config, folder, monitor)
        other = stack.enter_context(_locked(monkeypatch))
        release = threading.Timer(2.0, lambda: (ended.append(time.monotonic()), other.rollback()))
        release.start()
        return report

    with contextlib.ExitStack() as stack:
        report = foreground.run(config(steps=3), None, None, None, recipe_then_lock)
    assert ended, "it waited for the other program"
    (run,) = api.runs()
    assert run.state == "done"
    assert api.results(run.id)["chain"] == report["chain"] == chain(3)


def test_a_run_that_is_done_but_cannot_be_recorded_at_all_is_recorded_without_work_later(monkeypatch) -> None:
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(runner, "SAVE_SECONDS", 0.5)

    def recipe_then_lock(config: RunConfig, folder: Path, monitor: Monitor):
        report = recipe(config, folder, monitor)
        stack.enter_context(_locked(monkeypatch))
        return report

    with contextlib.ExitStack() as stack, pytest.raises(StudioError) as told:
        foreground.run(config(steps=3), None, None, None, recipe_then_lock)
    (run,) = runs.search()
    assert "done but not recorded" in str(told.value)
    assert f"delrec resume {run.id}" in str(told.value)
    assert run.state == "running", "the process of this test still lives"


def test_why_a_run_failed_is_not_hidden_by_a_locked_database(monkeypatch) -> None:
    monkeypatch.setattr(runner, "END_SECONDS", 0.3)

    def fail(config: RunConfig, folder: Path, monitor: Monitor):
        stack.enter_context(_locked(monkeypatch))
        raise FULL

    with contextlib.ExitStack() as stack, pytest.raises(StudioError, match="the disk is full"):
        foreground.run(config(steps=3), None, None, None, fail)


def test_a_database_out_of_reach_is_told_once_and_so_is_its_return(monkeypatch, caplog) -> None:
    monkeypatch.setattr(monitor, "HEARTBEAT_SECONDS", 0.05)

    def lock_for_a_while(config: RunConfig, folder: Path, monitor: Monitor):
        with _locked(monkeypatch):
            time.sleep(2)
        wait_for(lambda: "no longer" in caplog.text, "the next sign of life")
        return recipe(config, folder, monitor)

    foreground.run(config(steps=3), None, None, None, lock_for_a_while)
    assert caplog.text.count("progress is not written yet: another program has locked") == 1
