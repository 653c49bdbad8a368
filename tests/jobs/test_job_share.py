"""Several runs at once in one worker: each has its share of the cores; one waits where memory does not allow it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_recipe import GO, config
from job_support import wait_for, wait_state

from engine.environment import cores
from engine.settings import make_config
from jobs import api, process, share
from jobs.resources import Resources


def test_two_runs_are_at_work_at_once_each_with_its_share(start_worker, monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert f"OMP_NUM_THREADS={max(1, cores() // 2)}".encode() in told
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


def test_the_share_of_a_run_of_several_processes_is_parted_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "cores", lambda: 16)
    monkeypatch.setattr(share, "expected_mb", lambda _: 0.0)
    run_ids = [api.launch(make_config({"run": {"processes": number}})) for number in (1, 2)]
    told = {}
    for given in ("", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", given) if given else monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        for at_once in ("1", "2"):
            monkeypatch.setenv("DELREC_RUNS_AT_ONCE", at_once)
            found = share.Share()
            for place, run_id in enumerate(run_ids):
                with found.taken(run_id, process.Flag()) as environment:
                    told[given, at_once, place] = environment.get("OMP_NUM_THREADS")
    whole = {("", "2", 0): "8", ("", "2", 1): "4"}
    assert told == {key: whole.get(key) for key in told}
