"""A run that is stopped, resumed, repeated, read back, or refused before any work."""

import io
from itertools import product

import pytest
from rich.console import Console

from engine.errors import Cancelled, StudioError
from engine.evaluate import Report
from engine.evaluate.render import print_report, verdicts
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_folder import RunFolder
from engine.stages import STAGES
from tests.pipeline_world import StopAt, figures, finished_run, quick, read_back
from tests.stage_world import CANDIDATES, Progress, without_digests


@pytest.fixture(scope="module")
def progress():
    """Of the finished run."""
    return Progress()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, progress):
    with finished_run(tmp_path_factory, progress) as run:
        yield run


@pytest.mark.parametrize(
    ("stage", "share"),
    # where all of the last stage is done, nothing is left to be stopped
    [place for place in product([it.name for it in STAGES if it.code], (1 / 3, 1)) if place != (STAGES[-1].name, 1)],
)
def test_stopped_anywhere_a_resumed_run_equals_an_uninterrupted_one(tmp_path, finished, progress, stage, share):
    config, _, uninterrupted = finished
    with pytest.raises(Cancelled):
        run_pipeline(config, tmp_path / "run", StopAt(stage, progress.at(stage, share)))
    assert not (tmp_path / "run/metrics.json").exists()
    resumed = run_pipeline(config, tmp_path / "run", Monitor())
    assert figures(resumed) == figures(uninterrupted)


def test_finished_stages_are_not_repeated(tmp_path, finished):
    config, _, _ = finished
    with pytest.raises(Cancelled):
        run_pipeline(config, tmp_path / "run", StopAt("finetune", 1))
    teacher = (tmp_path / "run/teacher.safetensors").stat()

    class Trained(Monitor):
        def __init__(self) -> None:
            self.stages: list[tuple[str, str]] = []

        def stage(self, name, state, *, total=0, unit="step", seconds=0.0):
            self.stages.append((name, state))

    monitor = Trained()
    run_pipeline(config, tmp_path / "run", monitor)
    assert ("teacher", "skipped") in monitor.stages
    assert ("teacher", "running") not in monitor.stages
    assert ("distil", "skipped") in monitor.stages
    assert (tmp_path / "run/teacher.safetensors").stat().st_mtime_ns == teacher.st_mtime_ns


def test_the_same_seed_gives_the_same_figures_and_another_does_not(tmp_path, finished):
    config, _, report = finished
    assert figures(run_pipeline(config, tmp_path / "again", Monitor())) == figures(report)
    other = run_pipeline(quick("seed=1"), tmp_path / "other", Monitor())
    assert other["models"] != report["models"]


def test_a_run_read_back_scores_as_it_did(finished):
    _config, folder, _ = finished
    read_back(folder)


def test_a_useless_teacher_is_told_in_log_report_and_verdicts_also_when_resumed(tmp_path):
    config = quick("teacher.lr=1e-9", "teacher.epochs=1", "plus.enabled=false", "teacher.also=[caser]")
    with pytest.raises(Cancelled):
        run_pipeline(config, tmp_path / "run", StopAt("distil", 1))
    report = Report.model_validate(run_pipeline(config, tmp_path / "run", Monitor()))
    assert report.useless == ["sasrec", "caser"]
    assert (tmp_path / "run/log.txt").read_text().count("is no better than popularity on the validation users") == 2
    assert all("SASRec, which is no better than popularity" in line for line in verdicts(report) if "teacher" in line)
    console = Console(file=io.StringIO(), width=200)
    print_report(report, console)
    assert "To learn from it, or to beat it, says nothing" in console.file.getvalue()


def test_a_diverged_teacher_ends_the_run_with_the_setting_to_blame(tmp_path):
    config = quick("teacher.lr=1e6")
    for _ in range(2):  # resumed it is told again
        with pytest.raises(StudioError, match=r"training diverged at epoch .*teacher\.lr=1000000\.0.*lower it"):
            run_pipeline(config, tmp_path / "run", Monitor())
    assert not RunFolder.open(tmp_path / "run").is_done("teacher")
    assert not (tmp_path / "run/teacher.safetensors").exists()


def test_a_finished_run_is_returned_as_it_is(finished):
    config, folder, report = finished
    assert run_pipeline(config, folder, StopAt("data", 0)) == report


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.candidates=61", "data.candidates=61 is more than the 60 items"),
        ("eval.full_top=61", "eval.full_top=61 is more than the 60 items"),
        ("finetune.top_layers=9", "layers, not 9"),
        ("finetune.targets=[nothing]", "no module 'nothing'"),
        ("distill.soft_tokens=500", "does not fit"),
        ("llm.name=/nowhere/at/all", "/nowhere/at/all"),
    ],
)
def test_what_cannot_work_is_refused_before_a_teacher_is_trained(tmp_path, override, said):
    config = quick(override)
    if override.startswith("distill.soft_tokens"):
        config = quick(override, "data.history=200", "data.candidates=40", *CANDIDATES)
    with pytest.raises(StudioError, match=said):
        run_pipeline(config, tmp_path / "run", Monitor())
    assert not (tmp_path / "run/teacher.safetensors").exists()


@pytest.mark.parametrize("needed", ["run.device=gpu", "llm.device=cuda", "teacher.device=cuda:7"])
def test_a_device_that_is_not_here_is_refused_before_any_work(tmp_path, monkeypatch, needed):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config, folder = quick(needed), tmp_path / "run"
    with pytest.raises(StudioError, match=needed.partition("=")[0]):
        run_pipeline(config, folder, Monitor())
    assert not folder.exists()
    run = RunFolder.create(folder, config)  # begun elsewhere
    with pytest.raises(StudioError, match=needed.partition("=")[0]):
        run_pipeline(config, folder, Monitor())
    assert run.stages() == []
    for path, text in ((run.files.path, "[]"), (run.metrics, "{}")):  # and brought to its end there
        path.write_text(text)
    without_digests(folder)
    assert run_pipeline(config, folder, Monitor()) == {}
