"""Deleting, logs, edits, and what importing costs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fake_recipe import config, recipe

from db import lifecycle
from engine.errors import StudioError
from jobs import api, foreground, process, recovery


def _done(name: str = "mine") -> str:
    foreground.run(config(steps=3), None, name, None, recipe)
    return api.status(name).id


def test_deleting_a_run_removes_its_records_and_files_and_nothing_else():
    mine, other = _done("mine"), _done("other")
    folder = api.status(mine).folder
    assert folder.exists()
    api.delete("mine")
    assert not folder.exists()
    assert [run.id for run in api.runs()] == [other]
    assert api.status(other).folder.exists()
    with pytest.raises(StudioError, match="no run"):
        api.metrics(mine)


def test_a_run_under_way_is_not_deleted():
    run_id = api.launch(config())
    lifecycle.claim(run_id, process.owner())
    with pytest.raises(StudioError, match="is under way"):
        api.delete(run_id)
    assert api.status(run_id).state == "starting"


def test_deleting_follows_no_link_out_of_the_data_folder(tmp_path):
    run_id = api.launch(config())
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").write_text("keep")
    api.status(run_id).folder.symlink_to(outside, target_is_directory=True)
    api.delete(run_id)
    assert (outside / "file").read_text() == "keep"
    assert api.runs() == []


@pytest.mark.parametrize("reference", ["../../etc", "/etc/passwd", "..", "%", "r-abc234; rm"])
def test_references_that_are_no_runs_are_refused_by_every_call(reference):
    for call in (api.status, api.delete, api.cancel, api.resume, api.log_tail, api.metrics, api.results, api.retry):
        with pytest.raises(StudioError, match="no run"):
            call(reference)


def test_a_deletion_that_was_cut_short_is_finished_at_the_next_start():
    run_id = _done()
    api.status(run_id).folder.rename(recovery.trash(run_id))
    api.recover()
    assert list(api.status(run_id).folder.parent.iterdir()) == []


def test_the_log_tail_holds_the_last_lines_of_a_long_log():
    run_id = _done()
    log = api.log_file(run_id)
    log.write_bytes(b"".join(b"line %d \xff<b>\n" % number for number in range(100_000)))
    tail = api.log_tail(run_id, lines=2).splitlines()
    assert tail == ["line 99998 \ufffd<b>", "line 99999 \ufffd<b>"]


def test_results_before_the_end_are_refused_in_one_line():
    api.launch(config(), name="waiting")
    with pytest.raises(StudioError, match="run 'waiting' has no results, it is queued"):
        api.results("waiting")


def test_names_tags_and_notes_are_edited():
    run_id = _done()
    api.rename("mine", "better")
    api.annotate("better", tags=["keep"], note="why")
    run = api.status(run_id)
    assert (run.name, run.tags, run.note) == ("better", ["keep"], "why")


def test_interface_and_processes_start_without_what_computes():
    heavy = {"torch", "transformers", "gradio", "alembic", "numpy", "pandas", "optuna"}
    queues = {"huey", "redis", "psycopg"}  # a process that trains takes nothing from a queue
    for modules, unwanted in (("jobs.api, jobs.worker, jobs.answerer", heavy), ("jobs.child", heavy | queues)):
        code = f"import sys, {modules}; print({unwanted} & set(sys.modules))"
        seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert seen.stdout.strip() == "set()"
