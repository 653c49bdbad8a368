"""Workers anywhere: a run goes to one that has what it needs; one that does not belong here says so at start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_recipe import config
from job_support import wait_state

from db import workers
from db.owner import Owner
from engine import distributed
from engine.errors import StudioError
from engine.settings import load_config
from jobs import api, process, resources, worker
from jobs.forecast import forecast
from jobs.preflight import Check, preflight
from jobs.resources import Gpu, Resources
from webapp.views.machines import table

SMALL = Resources(cores=2, memory_mb=16_000.0)
LARGE = Resources(cores=32, memory_mb=512_000.0, gpus=(Gpu("H100", 85_000.0), Gpu("H100", 85_000.0)))
ELSEWHERE = Owner(7, 1.0, "elsewhere", "another start")


@pytest.mark.parametrize(
    ("needs", "small", "large"),
    [
        ({}, "", ""),
        ({"device": "any", "memory": None, "processes": 1}, "", ""),
        ({"device": "gpu"}, "no GPU", ""),
        ({"device": "gpu", "memory": 80}, "no GPU", ""),
        ({"device": "gpu", "memory": 90}, "no GPU", "its GPU has 85.0 GB of memory, not 90"),
        ({"memory": 15.5}, "", ""),
        ({"memory": 64}, "it has 16.0 GB of memory, not 64", ""),
        ({"processes": 2}, "", ""),
        ({"processes": 4}, "2 cores for 4", "2 GPUs for 4"),
        ({"processes": 4, "on_cpu": True}, "2 cores for 4", ""),
        ({"device": "gpu", "processes": 4}, "no GPU", "2 GPUs for 4"),
    ],
)
def test_what_a_machine_lacks(needs: dict[str, object], small: str, large: str) -> None:
    for own, said in ((SMALL, small), (LARGE, large)):
        lack = Resources.of(own.as_dict()).lacks(needs)
        assert said in lack
        assert bool(lack) == bool(said)


ONE_GPU = replace(LARGE, gpus=LARGE.gpus[:1])


@pytest.mark.parametrize(
    ("settings", "small", "one", "large"),
    [
        (["run.processes=2"], "", "it has 1 GPU for 2 processes", ""),
        (["run.processes=3"], "2 cores for 3", "1 GPU for 3", "2 GPUs for 3"),
        (["run.processes=2", "llm.device=cpu"], "", "1 GPU for 2", ""),
        (["run.processes=3", "llm.device=cpu", "teacher.device=cpu"], "2 cores for 3", "", ""),
        (["llm.device=cuda"], "it has no GPU", "", ""),
        (["teacher.device=cuda:1"], "it has no GPU", "it has 1 GPU, and the run names GPU 2", ""),
        (["run.placement=offloaded"], "it has no GPU", "", ""),
        (["llm.weights=4bit"], "it lacks the package bitsandbytes", "", ""),
    ],
)
def test_no_worker_takes_up_what_it_would_refuse(settings: list[str], small: str, one: str, large: str) -> None:
    """Where settings other than ``run.device`` ask for it, too: such a run waits for a worker that can do it."""
    queued = api.launch(load_config("quickstart", overrides=settings))
    needs = api.needs(queued)
    for own, said in ((replace(SMALL, quantizes=False), small), (ONE_GPU, one), (LARGE, large)):
        lack = Resources.of(own.as_dict()).lacks(needs)
        assert said in lack
        assert bool(lack) == bool(said)


def test_what_processes_need_is_what_they_are_refused_for_when_they_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("engine.environment.gpu_count", lambda: 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for devices in (["cpu", "cpu"], ["auto", "cpu"], ["cpu", "auto"], ["auto", "auto"]):
        named = [f"llm.device={devices[0]}", f"teacher.device={devices[1]}", "run.processes=2"]
        config = load_config("smoke", overrides=named)
        lack = ONE_GPU.lacks(resources.needs(config))
        (said,) = (check.state for check in preflight(config, forecast(config)) if check.name == "Processes")
        assert bool(lack) == (said == "problem") == (devices != ["cpu", "cpu"])
        if lack:
            with pytest.raises(StudioError, match="2 processes, and this machine has 1 GPU"), distributed.joined():
                pass


def test_a_run_that_this_version_cannot_read_is_taken_up_to_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    queued = api.launch(config())
    monkeypatch.setattr(api, "stored_config", lambda values: load_config("no such preset"))
    assert SMALL.lacks(api.needs(queued)) == ""


def test_what_another_version_says_beside_is_passed_over() -> None:
    assert Resources.of({**LARGE.as_dict(), "colour": "red"}) == LARGE
    assert Resources.of({}) == Resources()


def test_a_run_waits_for_a_worker_that_has_what_it_needs(start_worker) -> None:
    wanted = config(steps=3)
    large = wanted.model_copy(update={"run": wanted.run.model_copy(update={"memory": 1e6})})
    waiting, next_ = api.launch(large), api.launch(wanted)
    start_worker()
    wait_state(next_, "done")
    assert api.status(waiting).state == "queued"
    assert len(api.workers(api.needs(next_))) == 1
    assert api.workers(api.needs(waiting)) == []
    (found,) = api.workers()
    assert Resources.of(found.offers).cores >= 1
    assert found.process.host in table([found], {})


def test_that_a_run_is_left_to_others_is_told_once_however_often_it_comes_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: dict[str, str] = {}
    with caplog.at_level("INFO", "jobs.worker"):
        for run_id in ("r-abc234", "r-xyz789") * 5:
            assert worker.left_to_others(run_id, "it has no GPU", told)
        assert not worker.left_to_others("r-abc234", "", told)
    assert [vars(record)["run"] for record in caplog.records] == ["r-abc234", "r-xyz789"]


def test_a_worker_of_another_data_folder_says_so_at_start(
    delrec_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = resources.own_resources()
    resources.check_in("app", own)
    resources.check_in("worker", own)
    monkeypatch.setenv("DELREC_DATABASE_URL", f"sqlite:///{delrec_home}/studio.db")
    monkeypatch.setenv("DELREC_HOME", str(tmp_path / "not mounted"))
    with pytest.raises(StudioError, match="this app sees another data folder"):
        resources.check_in("app", own)
    with pytest.raises(StudioError, match="this worker sees another data folder"):
        worker.run_worker()
    assert workers.known() == []


@pytest.mark.parametrize("role", ["app", "worker"])
def test_a_worker_of_another_version_says_so_at_start(role: workers.Role) -> None:
    own = resources.own_resources()
    workers.beat(process.owner(), replace(own, code="0ther").as_dict(), role)
    resources.check_in("worker", own)  # of a checkout on this machine that was changed meanwhile
    workers.beat(ELSEWHERE, own.as_dict(), role)
    resources.check_in("worker", own)
    workers.beat(ELSEWHERE, replace(own, version="9.9", code="0ther").as_dict(), role)
    with pytest.raises(StudioError, match=rf"the {role} on elsewhere 9.9 \(code 0ther\).*install the same version"):
        resources.check_in("worker", own)
    resources.check_in("app", own)  # the first to be brought up to date
    assert [it.role for it in workers.known(role=None)] == [role, role]
    assert len(api.workers()) == (2 if role == "worker" else 0)


def test_the_form_says_whether_anybody_can_take_the_run() -> None:
    def said(**needs: object) -> Check | None:
        wanted = config()
        wanted = wanted.model_copy(update={"run": wanted.run.model_copy(update=needs)})
        return next((check for check in preflight(wanted, forecast(wanted)) if check.name == "Worker"), None)

    assert said() is None
    nobody = said(device="gpu")
    assert nobody is not None
    assert (nobody.state, nobody.detail) == ("note", "no worker has what the run asks for (no worker is there)")
    workers.beat(process.owner(), SMALL.as_dict())
    workers.beat(ELSEWHERE, LARGE.as_dict())
    found = said(device="gpu")
    assert found is not None
    assert (found.state, found.detail.startswith("a worker on elsewhere has")) == ("ok", True)


def test_the_page_shows_workers_and_what_they_do() -> None:
    assert "No worker is there" in table([], {})
    workers.beat(ELSEWHERE, replace(LARGE, runs=("r-abc234", "r-xyz789"), version="1.2").as_dict())
    shown = table(workers.known(), {"r-abc234": "<mine>"})
    for text in (
        "elsewhere",
        "32 cores, 512 GB",
        "H100, 85 GB; H100, 85 GB",
        "1.2",
        "&lt;mine&gt;",
        "./run?id=r-abc234",
        "./run?id=r-xyz789",
    ):
        assert text in shown
