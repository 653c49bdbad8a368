"""Every way in which a run fails has a short reason and a remedy."""

from __future__ import annotations

import signal

import pytest
from fake_recipe import HELD, config
from job_support import gone, kill, wait_for, wait_state, wait_step

from jobs import api, failures, process


@pytest.mark.parametrize(
    ("way", "reason", "remedy"),
    [
        ("bad-input", "ratings.csv has no column 'item' (line 1)", "name it in the header"),
        ("memory", "out of memory", "lower llm.micro_batch"),
        ("full", "the disk is full", "free some space, then resume it"),
        ("bug", "crashed: KeyError: 'soft_prompt'", "the log tells more"),
        ("exit", "crashed with exit status 7: Fatal: the maths library is missing", "the log tells more"),
    ],
)
def test_a_failed_run_says_why_and_what_to_do(start_worker, way, reason, remedy):
    start_worker()
    run = wait_state(api.launch(config(way=way)), "failed")
    assert run.error == reason
    assert remedy in run.remedy
    assert run.reason.startswith(f"{reason} — ")


def test_the_log_of_a_crash_has_the_trace(start_worker):
    start_worker()
    run_id = api.launch(config(way="bug"))
    wait_state(run_id, "failed")
    assert "raise KeyError" in api.log_tail(run_id)
    assert api.log_tail(run_id, lines=1).endswith("KeyError: 'soft_prompt'")


def test_a_run_killed_from_outside_fails_with_the_signal_and_can_go_on(start_worker):
    start_worker()
    run_id = api.launch(config(steps=200, way=HELD))
    kill(wait_step(run_id, 30).pid)
    run = wait_state(run_id, "failed")
    assert run.error == "killed from outside (SIGKILL)"
    assert "resume" in run.remedy


def test_a_kill_for_memory_is_told_from_other_kills(tmp_path):
    assert failures.explain_exit(-signal.SIGKILL, tmp_path / "log.txt", 1)[0] == "out of memory"
    assert failures.explain_exit(-signal.SIGSEGV, tmp_path / "log.txt", 1)[0] == "killed from outside (SIGSEGV)"


def test_nothing_that_a_run_started_outlives_it(start_worker):
    start_worker()
    run_id = api.launch(config(steps=200, way=f"{HELD} offspring"))
    run = wait_step(run_id, 5)
    offspring = [child.pid for child in process.psutil.Process(run.pid).children()]
    assert offspring
    kill(run.pid)
    wait_state(run_id, "failed")
    wait_for(lambda: all(map(gone, offspring)), "the offspring to end")
