"""Several runs at once in one worker: each has all cores; a run waits for memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_recipe import GO, config
from job_support import wait_for, wait_state

from jobs import api, process, settings, share
from jobs.resources import Resources


def test_two_runs_are_at_work_at_once_with_all_cores(start_worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_RUNS_AT_ONCE", "2")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    first, second, third = (api.launch(config(steps=3, way="held")) for _ in range(3))
    start_worker()
    runs = [wait_state(run_id, "running") for run_id in (first, second)]
    wait_for(
        lambda: [set(Resources.of(it.offers).runs) for it in api.workers()] == [{first, second}], "both to be told"
    )
    assert api.status(third).state == "queued"
    for run in runs:
        told = Path(f"/proc/{run.pid}/environ").read_bytes().split(b"\0")
        assert not [it for it in told if it.startswith(b"OMP_NUM_THREADS")]
    api.cancel(third)
    for run in runs:
        (run.folder / GO).touch()
        wait_state(run.id, "done")


def test_a_run_waits_for_memory_but_for_that_of_no_other_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_RUNS_AT_ONCE", "3")
    huge, small, other = (api.launch(config()) for _ in range(3))
    monkeypatch.setattr(share, "expected_mb", {huge: 1e9, small: 1.0, other: 1.0}.__getitem__)
    stopping = process.Flag()
    stopping.set()
    found = share.Share()
    with found.taken(huge, stopping):
        with found.taken(small, stopping):
            assert found.runs == (huge,)
        assert found.runs == (huge,)
    with found.taken(small, stopping), found.taken(other, stopping):
        assert found.runs == (small, other)
        with found.taken(huge, stopping):
            assert found.runs == (small, other)
    assert found.runs == ()


@pytest.mark.parametrize(
    ("gpus", "own_cores", "usual"),
    [(0, 1, 1), (0, 2, 2), (0, 64, 2), (1, 64, 1)],
    ids=["one core", "two", "many", "GPU"],
)
def test_how_many_are_usual_goes_by_the_machine(
    gpus: int, own_cores: int, usual: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DELREC_RUNS_AT_ONCE")
    monkeypatch.setattr(settings, "gpu_count", lambda: gpus)
    monkeypatch.setattr(settings, "cores", lambda: own_cores)
    assert settings.job_settings().at_once == usual
    monkeypatch.setenv("DELREC_RUNS_AT_ONCE", "3")
    assert settings.job_settings().at_once == 3
