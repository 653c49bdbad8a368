"""What two runs share is made once, and makes no difference to any figure."""

from __future__ import annotations

import contextlib
import json
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine import stage_cache
from engine.errors import Cancelled, StudioError
from engine.evaluate import read_scores
from engine.experiment.parsing import make_plan
from engine.experiment.plan import expand
from engine.labels import label
from engine.monitor import Monitor
from engine.paths import home
from engine.pipeline import run_pipeline
from engine.recipe import stage_recipes
from engine.rows import fitted_rows
from engine.run_folder import RunFolder
from engine.stage_cache import StageCache, clean, folder, sizes
from tests.pipeline_world import StopAt, figures, quick


class Noted(Monitor):
    """Remembers what was trained and what was taken from whom."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.sources: dict[tuple[str, str], str] = {}
        self.saved: dict[tuple[str, str], float] = {}
        self.points: set[tuple[str, int]] = set()

    def stage(self, name, state, *, total=0, unit="step", seconds=0.0):
        if state == "running":
            self.trained.append(name)

    def taken(self, stage, run_id, part="", *, seconds=0.0):
        self.sources[stage, part] = run_id
        self.saved[stage, part] = seconds

    def metrics(self, stage, step, values):
        self.points.update((stage, step) for _ in values)


def _run(name: str, *overrides: str) -> tuple[dict, Noted, Path]:
    monitor, path = Noted(), home() / "runs" / name
    return run_pipeline(quick(*overrides), path, monitor), monitor, path


@pytest.fixture(scope="module", autouse=True)
def _sharing():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DELREC_SHARED_MB")
        yield


@pytest.fixture(scope="module")
def prepared(_sharing, tmp_path_factory):
    """A data folder with one run, made once; every test gets a copy of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_HOME", str(tmp_path_factory.mktemp("made") / "home"))
        report, noted, _ = _run("r-first2")
        return report, noted, home()


@pytest.fixture
def first(prepared) -> tuple[dict, Noted, Path]:
    report, noted, at = prepared
    shutil.copytree(at, home(), dirs_exist_ok=True)
    return report, noted, home() / "runs" / "r-first2"


def test_an_equal_run_makes_nothing_and_finds_the_same(first):
    report, noted, path = first
    again, monitor, other = _run("r-secnd2")
    assert monitor.trained == ["data", "llm", "evaluate"]
    assert monitor.sources[("teacher", "")] == "r-first2"
    rows = [model["name"] for model in report["models"]]
    fitted = {f"calibration of {label(row)}" for row in fitted_rows(quick())}
    assert fitted
    assert {part for stage, part in monitor.sources if stage == "evaluate"} == {*rows, *fitted}
    assert all(seconds > 0 for seconds in monitor.saved.values()), "of every part it is told what it took"
    assert figures(again) == figures(report)
    assert {p for p in noted.points if p[0] != "evaluate"} == monitor.points
    log = (other / "log.txt").read_text()
    assert "teacher: as in r-first2" in log
    assert "evaluate of delrec: as in r-first2" in log
    assert RunFolder.open(other).missing(finished=True) == []
    scores = [read_scores(where / "predictions.parquet").of for where in (path, other)]
    assert all((scores[0][row] == scores[1][row]).all() for row in rows)


CHANGES = (
    *("distill.prompt=none", "distill.ta=false", "finetune.steps=3", "teacher.epochs=1", "plus.text=false"),
    *("eval.users=7", "plus.weighed_users=9"),
)


def _changed_by(override: str) -> list[str]:
    """The stages whose recipes are others than those of the first run."""
    before, after = stage_recipes(quick()), stage_recipes(quick(override))
    return [stage for stage, recipe in after.items() if recipe != before.get(stage)]


def test_every_stage_is_made_anew_here() -> None:
    made = {stage for override in CHANGES for stage in _changed_by(override)}
    assert made == set(stage_recipes(quick())), "one of CHANGES makes each anew"


@pytest.mark.parametrize("override", CHANGES)
def test_what_a_setting_changes_is_made_anew_and_equals_what_nobody_shares(first, monkeypatch, override):
    with_sharing, monitor, _ = _run("r-secnd2", override)
    assert [stage for stage in monitor.trained if stage not in ("data", "llm", "evaluate")] == _changed_by(override)
    monkeypatch.setenv("DELREC_SHARED_MB", "0")
    alone, silent, _ = _run("r-third2", override)
    assert not silent.sources
    assert figures(with_sharing) == figures(alone)


def test_the_ablations_share_teachers_and_the_rows_that_no_ablation_reaches():
    plan = make_plan("smoke", quick("plus.enabled=false"), template="ablations")
    noted, runs = Noted(), expand(plan)
    for number, planned in enumerate(runs):
        run_pipeline(planned.config, home() / "runs" / f"r-abc{number + 22}", noted)
    counted = {name: noted.trained.count(name) for name in set(noted.trained)}
    wanted: dict[str, set[str]] = {}
    for planned in runs:
        for stage, recipe in stage_recipes(planned.config).items():
            wanted.setdefault(stage, set()).add(recipe)
    assert counted == dict.fromkeys(("data", "llm", "evaluate"), plan.size) | {
        stage: len(recipes) for stage, recipes in wanted.items()
    }
    assert {counted[stage] for stage in counted if stage.startswith("teacher")} == {1}
    assert max(counted["distil"], counted["finetune"]) < plan.size


def test_a_changed_title_makes_another_prompt_and_no_other_teacher(first, monkeypatch):
    facts = {"choices": "the same", "times": ""}
    run = RunFolder.open(first[2])
    one, other = (StageCache(run, {**facts, "data": data}, Monitor()) for data in ("titles", "other titles"))
    assert one.key("distil", "x") != other.key("distil", "x")
    before = one.key("distil", "x")
    monkeypatch.setattr(stage_cache, "stage_code", lambda modules: "changed")
    assert one.key("distil", "x") != before


@pytest.mark.parametrize("fault", ["cut off", "other bytes", "gone", "no record", "another key"])
def test_a_damaged_result_is_made_anew(first, fault):
    for about in folder().glob("*/about.json"):
        file = about.parent / next(name for name in json.loads(about.read_text())["files"] if name != "curves.jsonl")
        if fault == "cut off":
            file.write_bytes(file.read_bytes()[:-1])
        elif fault == "other bytes":
            file.write_bytes(b"x" * file.stat().st_size)
        elif fault == "gone":
            file.unlink()
        elif fault == "no record":
            about.write_text("{")
        else:
            about.write_text(about.read_text().replace('"key": "', '"key": "0'))
    report, monitor, _ = _run("r-secnd2")
    assert not monitor.sources
    assert figures(report) == figures(first[0])
    assert _run("r-third2")[1].sources[("teacher", "")] == "r-secnd2"


def test_a_run_that_was_stopped_shares_what_it_finished_and_no_more():
    with pytest.raises(Cancelled):
        run_pipeline(quick(), home() / "runs" / "r-first2", StopAt("finetune", 2))
    monitor = _run("r-secnd2")[1]
    assert {stage for stage, _ in monitor.sources} == {"teacher", "distil"}


def test_results_stay_when_the_run_that_made_them_is_gone(first):
    shutil.rmtree(first[2])
    assert _run("r-secnd2")[1].sources[("finetune", "")] == "r-first2"


def test_disk_is_bounded_and_what_was_used_last_stays(first, monkeypatch):
    count, size = sizes()
    assert count > 5
    removed = clean(size / 2)
    assert removed > 0
    assert 0 < sizes()[1] <= size / 2
    monkeypatch.setenv("DELREC_SHARED_MB", "0.02")
    _run("r-secnd2", "seed=1")
    assert sizes()[1] <= 20_000
    assert clean(0) >= 0
    assert sizes() == (0, 0)
    assert list(folder().glob(".draft-*")) == []


@pytest.mark.parametrize("size", ["-1", "lots", "nan", "inf"])
def test_a_limit_that_is_no_size_is_refused(size, monkeypatch):
    monkeypatch.setenv("DELREC_SHARED_MB", size)
    with pytest.raises(StudioError, match="is not a size"):
        stage_cache.limit_bytes()


def test_a_disk_that_is_full_keeps_nobody_from_their_own_result(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage_cache, "_copy", full)
    report, _, path = _run("r-first2", "plus.enabled=false")
    assert report["models"]
    assert "not shared with other runs: No space left on device" in (path / "log.txt").read_text()


MAKER = """
import sys
from pathlib import Path
from engine import stage_cache
from engine.monitor import Monitor
from engine.run_folder import RunFolder
stage_cache._machine = dict  # without torch it starts sooner
run = RunFolder.open(Path(sys.argv[1]))
cache = stage_cache.StageCache(run, {"data": "x"}, Monitor())
with cache.stage("teacher", "recipe", {"x.json": run.path / "x.json"}) as taken:
    print("taken" if taken else "makes", flush=True)
    if not taken:
        sys.stdin.readline()
        (run.path / "x.json").write_text("made")
"""


@contextlib.contextmanager
def _makers(path: Path, number: int):
    command = [sys.executable, "-c", MAKER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes) for _ in range(number)]
    try:
        yield started
    finally:
        for maker in started:
            maker.kill()
            maker.communicate()


def test_of_two_that_need_the_same_one_makes_it_and_a_killed_maker_lets_go(first):
    with _makers(first[2], 2) as makers:
        ready, _, _ = select.select([maker.stdout for maker in makers], [], [], 60)
        (one,) = [maker for maker in makers if maker.stdout in ready]
        (other,) = [maker for maker in makers if maker is not one]
        assert one.stdout.readline() == "makes\n"
        assert select.select([other.stdout], [], [], 1.0)[0] == []  # it waits for its turn
        one.kill()
        assert other.stdout.readline() == "makes\n"
        with _makers(first[2], 1) as (third,):
            other.stdin.write("go\n")
            other.stdin.flush()
            assert third.stdout.readline() == "taken\n"


def test_who_waits_can_be_stopped(first, monkeypatch):
    monkeypatch.setattr(stage_cache, "_machine", dict)

    class Stopped(Monitor):
        def should_stop(self):
            return True

    with _makers(first[2], 1) as (maker,):
        assert maker.stdout.readline() == "makes\n"
        with (
            pytest.raises(Cancelled),
            StageCache(RunFolder.open(first[2]), {"data": "x"}, Stopped()).stage("teacher", "recipe", {}),
        ):
            pass
