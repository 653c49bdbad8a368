"""Curves reach other tools when that is switched on; what those do never touches the training."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fake_recipe import config, recipe
from tensorboardX.proto.event_pb2 import Event

from db import runs
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.run_folder import RunFolder
from engine.settings import flatten
from jobs import api, foreground, trackers
from jobs.trackers import TrackerMonitor


def _events(folder: Path) -> Iterator[Event]:
    """The events of all files in a folder, in the order of the files: each has a length, a checksum, and another."""
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (size,) = struct.unpack_from("<Q", content, place)
            yield Event.FromString(content[place + 12 : place + 12 + size])
            place += 12 + size + 4


def _scalars(folder: Path) -> list[tuple[str, int, float]]:
    return [(v.tag, event.step, v.simple_value) for event in _events(folder) for v in event.summary.value]


def _run() -> runs.Run:
    run = runs.create(None, config().model_dump(mode="json"), state="starting")
    run.folder.mkdir(parents=True)
    return run


def _feed(monitor: TrackerMonitor, *points: tuple[str, int, dict[str, float]]) -> None:
    with monitor:
        for point in points:
            monitor.metrics(*point)


def test_a_run_leaves_event_files_that_hold_its_curves(monkeypatch):
    monkeypatch.setenv("DELREC_TRACKERS", "TensorBoard")
    report = foreground.run(config(steps=30), None, "first", Monitor(), recipe)
    folder = api.status("first").folder / "tensorboard" / "distil"
    expected = [("loss", point.step, point.value) for point in api.metrics("first")]
    assert len(expected) == 30
    assert [(tag, step) for tag, step, _ in _scalars(folder)] == [(tag, step) for tag, step, _ in expected]
    assert [value for *_, value in _scalars(folder)] == pytest.approx([value for *_, value in expected])
    assert RunFolder(api.status("first").folder).report() == report


def test_nothing_is_written_unless_it_is_switched_on():
    foreground.run(config(steps=3), None, "first", Monitor(), recipe)
    assert not (api.status("first").folder / "tensorboard").exists()


def test_stages_stand_apart_and_values_that_are_not_finite_are_left_out():
    run = _run()
    points = [("teacher:caser", 1, {"loss": 2.0}), ("distil", 1, {"loss": float("nan"), "lr": 0.5})]
    _feed(TrackerMonitor("tensorboard", run), *points)
    assert _scalars(run.folder / "tensorboard" / "teacher-caser") == [("loss", 1, 2.0)]
    assert _scalars(run.folder / "tensorboard" / "distil") == [("lr", 1, 0.5)]


def test_a_resumed_run_says_from_which_step_on_its_points_replace_the_old_ones():
    run = _run()
    for start in (1, 4):
        _feed(TrackerMonitor("tensorboard", run), *(("distil", step, {"loss": 1.0}) for step in range(start, 7)))
    starts = [event.step for event in _events(run.folder / "tensorboard" / "distil") if event.HasField("session_log")]
    assert starts == [1, 4]


@pytest.mark.parametrize(
    ("value", "message"),
    [("tensorbord", "unknown tracker 'tensorbord'"), ("mlflow", "mlflow is not installed")],
)
def test_an_unusable_tracker_is_told_before_anything_runs(monkeypatch, value, message):
    real = trackers.importlib.util.find_spec
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None if name == "mlflow" else real(name))
    monkeypatch.setenv("DELREC_TRACKERS", f"tensorboard, {value}")
    with pytest.raises(StudioError, match=f"{message}.*DELREC_TRACKERS"):
        trackers.check()
    with pytest.raises(StudioError, match=message):
        foreground.run(config(steps=3), None, "first", Monitor(), recipe)
    assert message in str(api.status("first").error)


def test_a_worker_with_an_unusable_tracker_ends_with_one_line(monkeypatch):
    monkeypatch.setenv("DELREC_TRACKERS", "carrier-pigeon")
    done = subprocess.run([sys.executable, "-m", "jobs.worker"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines() == [
        "unknown tracker 'carrier-pigeon' (DELREC_TRACKERS) — choose among tensorboard, mlflow, wandb"
    ]


class _Faulty:
    """Takes some points, then raises or hangs."""

    def __init__(self, hang: threading.Event | None = None) -> None:
        self.taken: list[int] = []
        self.hang = hang

    def write(self, stage: str, step: int, values: dict[str, float]) -> None:
        if step == 3:
            if self.hang is None:
                raise ConnectionError("the server is gone")
            self.hang.wait()
        self.taken.append(step)

    def close(self) -> None:
        self.taken.append(-1)


def test_a_tracker_that_fails_is_given_up_and_the_run_goes_on(monkeypatch, caplog):
    faulty = _Faulty()
    monkeypatch.setitem(trackers.MAKERS, "tensorboard", lambda run: faulty)
    monkeypatch.setenv("DELREC_TRACKERS", "tensorboard")
    foreground.run(config(steps=30), None, "first", Monitor(), recipe)
    assert api.status("first").state == "done"
    assert faulty.taken == [1, 2]
    assert "tensorboard failed" in caplog.text


def test_a_tracker_that_hangs_delays_neither_steps_nor_the_end_for_long(monkeypatch, caplog):
    monkeypatch.setattr(trackers, "CLOSE_SECONDS", 0.2)
    hang = threading.Event()
    faulty = _Faulty(hang)
    _feed(TrackerMonitor("x", _run(), lambda run: faulty), *(("distil", step, {"loss": 1.0}) for step in range(1, 9)))
    assert faulty.taken == [1, 2]
    assert "did not take the last points" in caplog.text
    hang.set()


class _MLflowClient:
    """As much of MLflow's client as is used; remembers all."""

    experiments: dict[str, str] = {}  # noqa: RUF012
    runs: dict[str, dict[str, Any]] = {}  # noqa: RUF012

    def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
        return SimpleNamespace(experiment_id=self.experiments[name]) if name in self.experiments else None

    def create_experiment(self, name: str) -> str:
        return self.experiments.setdefault(name, "7")

    def search_runs(self, experiments: list[str], query: str, max_results: int) -> list[SimpleNamespace]:
        assert experiments == ["7"]
        wanted = query.partition("= '")[2].rstrip("'")
        found = [key for key, run in self.runs.items() if run["tags"]["delrec.run"] == wanted]
        return [SimpleNamespace(info=SimpleNamespace(run_id=key)) for key in found]

    def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> SimpleNamespace:
        key = f"m{len(self.runs)}"
        self.runs[key] = {"name": run_name, "tags": tags, "metrics": [], "params": {}, "ended": 0}
        return SimpleNamespace(info=SimpleNamespace(run_id=key))

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        self.runs[run_id]["metrics"] += [(metric.key, metric.value, metric.step) for metric in metrics]
        assert len(params) <= 100
        self.runs[run_id]["params"] |= {param.key: param.value for param in params}

    def set_terminated(self, run_id: str) -> None:
        self.runs[run_id]["ended"] += 1


def test_mlflow_gets_settings_and_curves_and_a_resumed_run_goes_on_in_its_run(monkeypatch):
    def metric(key: str, value: float, timestamp: int, step: int) -> SimpleNamespace:
        return SimpleNamespace(key=key, value=value, step=step)

    module, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    module.MlflowClient = _MLflowClient
    entities.Metric = metric
    entities.Param = lambda key, value: SimpleNamespace(key=key, value=value)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    run = _run()
    _feed(TrackerMonitor("mlflow", run), ("teacher:caser", 1, {"loss": 0.5}))
    _feed(TrackerMonitor("mlflow", run), ("finetune", 2, {"validation.HR@1": 0.25}))
    (kept,) = _MLflowClient.runs.values()
    assert kept["name"] == run.name
    assert kept["metrics"] == [("teacher-caser/loss", 0.5, 1), ("finetune/validation.HR_at_1", 0.25, 2)]
    assert kept["params"] == {name: str(value) for name, value in flatten(config())}
    assert kept["ended"] == 2


class _WandBRun:
    def __init__(self, **given: Any) -> None:
        self.given, self.logged, self.axes, self.ended = given, [], {}, False

    def define_metric(self, name: str, step_metric: str = "", hidden: bool = False) -> None:
        self.axes[name] = step_metric

    def log(self, values: dict[str, float]) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        self.ended = True


def test_wandb_gets_settings_and_curves_each_stage_by_its_own_steps(monkeypatch):
    made: list[_WandBRun] = []
    module = ModuleType("wandb")
    module.init = lambda **given: made.append(_WandBRun(**given)) or made[-1]
    module.Settings = lambda **_: None
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("WANDB_PROJECT", "thesis")
    run = _run()
    for step in (1, 2):
        _feed(TrackerMonitor("wandb", run), ("teacher:caser", step, {"loss": 0.5}), ("distil", step, {"lr": 0.1}))
    first, resumed = made
    assert first.logged == [
        {"teacher:caser/step": 1, "teacher:caser/loss": 0.5},
        {"distil/step": 1, "distil/lr": 0.1},
    ]
    assert first.axes["distil/*"] == "distil/step"
    assert first.given["config"] == dict(flatten(config()))
    assert (first.given["project"], first.given["id"], first.given["resume"]) == ("thesis", run.id, "allow")
    assert resumed.given["id"] == run.id
    assert first.ended
    assert resumed.ended
