"""A run knows its own files: whatever a finished stage left and is gone, cut, another's or changed, is never read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import pipeline, run_folder, stage_cache, stage_files, whole_files
from engine.default_row import chosen_row
from engine.errors import Cancelled, StudioError
from engine.evaluate import read_scores
from engine.models import Models
from engine.pipeline import run_pipeline
from engine.run_folder import RunFolder
from engine.stage_files import left
from engine.stages import stage_names
from jobs import requests
from tests.pipeline_world import StopAt, figures, left_files, quick
from tests.stage_world import without_digests

CONFIG = quick("teacher.also=[caser]")
OTHER = quick("teacher.also=[caser]", "seed=1", "llm.name=tiny-seq2seq", "teacher.width=8")
"""None of its files is like one of the first's."""
KEPT_APART = {"config.yaml", "run.json", "stages.json", "log.txt", "curves.jsonl", "adapter/README.md"}
"""What is no stage's result: settings, whose digest is in ``run.json``, records that grow, and what nobody reads."""
FILES = left_files(CONFIG)


def _gone(file: Path, other: Path) -> None:
    file.unlink()


def _cut(file: Path, other: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _of_another_run(file: Path, other: Path) -> None:
    assert file.read_bytes() != other.read_bytes()
    shutil.copyfile(other, file)


def _changed(file: Path, other: Path) -> None:
    """Another number, in what still reads as the same kind of file: the last digit, or the last byte of a tensor."""
    content = bytearray(file.read_bytes())
    digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
    place = digits[-1] if file.suffix == ".json" else len(content) - 1 - 4 * (file.suffix == ".parquet")
    content[place] = ord(str((int(chr(content[place])) + 1) % 10)) if file.suffix == ".json" else content[place] ^ 1
    file.write_bytes(bytes(content))


HARMS: Sequence[Callable[[Path, Path], None]] = (_gone, _cut, _of_another_run, _changed)
ASKED: Mapping[str, Mapping[str, Any]] = {"recommend": {"titles": ["id:1"]}, "explain": {"titles": ["id:1"]}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Finished runs ``run`` and ``other``, and of each what was stopped while it was evaluated."""
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_HOME", str(tmp_path_factory.mktemp("home")))
        for name, config in (("run", CONFIG), ("other", OTHER)):
            with pytest.raises(Cancelled):
                run_pipeline(config, place / name, StopAt("evaluate", 1))
            shutil.copytree(place / name, place / f"{name}-stopped")
            run_pipeline(config, place / name)
    return place


@pytest.fixture
def run(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs / "run", tmp_path / "run"))


@pytest.fixture
def stopped(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs / "run-stopped", tmp_path / "stopped"))


def test_every_stage_says_what_it_leaves_and_nothing_else_is_in_a_runs_folder(run: Path) -> None:
    told = str(run_folder.__doc__)
    names = [name.partition("/")[0].replace("-caser", "") for _, name in FILES]
    assert [name for name in names if name not in told] == [], "the docstring of engine/run_folder.py lists them"
    found = {file.relative_to(run).as_posix() for file in run.rglob("*") if file.is_file()}
    assert found - KEPT_APART == {name for _, name in FILES}
    on_record = {entry["name"]: set(entry["files"]) for entry in RunFolder(run).files.entries()}
    assert on_record == {stage: set(names) for stage, names in left(CONFIG).items()}


@pytest.mark.parametrize("override", ["prompt=none", "prompt=random", "prompt=lsr", "prompt=run"])
def test_what_other_kinds_of_runs_leave_is_on_record_too(runs: Path, tmp_path: Path, override: str) -> None:
    of = [f"distill.prompt_run={runs / 'run'}"] * override.endswith("run")
    config = quick("finetune.enabled=false", "plus.enabled=false", f"distill.{override}", *of)
    run_pipeline(config, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    found = {file.relative_to(run.path).as_posix() for file in run.path.rglob("*") if file.is_file()}
    assert found - KEPT_APART == {name for entry in run.files.entries() for name in entry["files"]}
    if run.soft_prompt.exists():
        _changed(run.soft_prompt, run.soft_prompt)
        with pytest.raises(StudioError, match=r"soft_prompt\.safetensors is not what stage"):
            run.check()


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize(("stage", "name"), FILES)
def test_no_question_is_answered_and_nothing_goes_on_without_what_a_stage_left(
    runs: Path, run: Path, stage: str, name: str, harm: Callable[[Path, Path], None]
) -> None:
    whole = RunFolder.open(run)
    whole.check()
    assert whole.missing(finished=True) == []
    harm(run / name, runs / "other" / name)
    for kind in requests.KINDS:
        with pytest.raises(StudioError) as told:
            requests.load(kind)(run, ASKED.get(kind, {}), lambda _: None)
        assert Path(name).name in told.value.what
        assert repr(stage) in told.value.what
        assert (told.value.where, told.value.remedy) == (str(run / name), stage_files.RESTORE)
    with pytest.raises(StudioError, match="which stage" if harm is _gone else "is not what stage"):
        Models.load(run)
    assert RunFolder.open(run).missing(finished=True) == [name]
    if (name, harm) != ("metrics.json", _gone):  # the run is not finished then, and is gone on with
        with pytest.raises(StudioError, match=f"stage {stage!r}"):
            run_pipeline(CONFIG, run)


def test_results_that_are_gone_are_made_again_from_what_is_there(runs: Path, run: Path) -> None:
    before = RunFolder.open(run).report()
    (run / "metrics.json").unlink()
    assert figures(run_pipeline(CONFIG, run)) == figures(before)
    RunFolder.open(run).check()


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize(
    "name", sorted(name for _, name in FILES if name not in ("metrics.json", "predictions.parquet"))
)
def test_a_run_that_lost_what_a_stage_left_is_not_resumed_and_shares_nothing(
    runs: Path, stopped: Path, name: str, harm: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stage_cache.SETTING, "100")
    assert RunFolder.open(stopped).is_done("plus")
    harm(stopped / name, runs / "other-stopped" / name)
    with pytest.raises(StudioError, match=Path(name).name):
        run_pipeline(CONFIG, stopped)
    assert stage_cache.sizes() == (0, 0)


def test_a_result_that_changed_before_it_was_shared_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stage_cache.SETTING, "100")
    ended = RunFolder._end

    def end(self: RunFolder, stage: str, done: bool, **told: Any) -> None:
        ended(self, stage, done, **told)
        if stage == "teacher":
            _changed(self.teacher(), self.teacher())

    monkeypatch.setattr(RunFolder, "_end", end)
    with pytest.raises(StudioError, match=r"teacher\.safetensors is not what stage 'teacher' left"):
        run_pipeline(CONFIG, tmp_path / "run")
    assert stage_cache.sizes() == (0, 0)


@pytest.mark.parametrize("harm", HARMS)
def test_the_record_itself_is_missed(runs: Path, run: Path, harm: Callable[[Path, Path], None]) -> None:
    harm(run / "stages.json", runs / "other" / "stages.json")
    if harm is _changed:  # the last digit of it is one of a digest
        assert json.loads((run / "stages.json").read_text())
    for ask in (lambda: Models.load(run), lambda: run_pipeline(CONFIG, run)):
        with pytest.raises(StudioError, match=r"is not what|is not on record"):
            ask()
    if harm is _cut:
        with pytest.raises(StudioError, match=r"stages\.json is not what was written"):
            RunFolder.open(run).missing(finished=True)
    else:
        assert RunFolder.open(run).missing(finished=True)


def test_another_run_whose_prompt_is_taken_and_the_row_that_answers_are_known_too(runs: Path, run: Path) -> None:
    _of_another_run(run / "soft_prompt.safetensors", runs / "other" / "soft_prompt.safetensors")
    with pytest.raises(StudioError, match=r"soft_prompt\.safetensors is not what"):
        run_pipeline(quick("distill.prompt=run", f"distill.prompt_run={run}"), run.with_name("new"))
    (run / "validation.json").unlink()
    with pytest.raises(StudioError, match=r"validation\.json is gone"):
        chosen_row(RunFolder.open(run))


def test_what_was_looked_at_is_not_hashed_again_until_it_is_touched(run: Path) -> None:
    folder = RunFolder.open(run)
    folder.check()
    before = stage_files._digest.cache_info().misses
    for _ in range(3):
        folder.check()
    assert stage_files._digest.cache_info().misses == before
    folder.plus.write_text(folder.plus.read_text())
    folder.check()
    assert stage_files._digest.cache_info().misses == before + 1


def test_runs_of_earlier_versions_keep_no_digests_and_are_read_as_they_are(run: Path, stopped: Path) -> None:
    for path in (run, stopped):
        without_digests(path)
        _changed(path / "calibration.json", path)
        (path / "environment.json").unlink()
    done = RunFolder.open(run)
    done.check()
    assert done.missing(finished=True) == []
    assert Models.load(done).priors
    report = run_pipeline(CONFIG, stopped)
    assert [model["name"] for model in report["models"]] == [model["name"] for model in done.report()["models"]]
    (run / "plus.json").unlink()
    _cut(run / "teacher.safetensors", run)
    assert set(done.missing(finished=True)) == {"plus.json", "teacher.safetensors"}


class Killed(BaseException):
    """Nothing is written after it."""


def _killed(monkeypatch: pytest.MonkeyPatch, room: int) -> list[int]:
    """Lets ``room`` small files be written, and then kills; how many are left."""
    left_over, put = [room], whole_files.write_text

    def write(path: Path, text: str) -> None:
        left_over[0] -= 1
        if left_over[0] < 0:
            raise Killed
        put(path, text)

    for module in (pipeline, stage_files):
        monkeypatch.setattr(module, "write_text", write)
    return left_over


def test_a_kill_at_any_write_leaves_no_record_that_is_false(
    runs: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stages that a resumed run goes through again, and the results, which are written after all else."""
    expected = figures(RunFolder.open(runs / "run").report())
    with monkeypatch.context() as patch:
        left_over = _killed(patch, 1000)
        run_pipeline(CONFIG, Path(shutil.copytree(stopped, stopped.with_name("counted"))))
    writes = 1000 - left_over[0]
    assert writes > 5
    for room in range(writes):
        with monkeypatch.context() as patch:
            _killed(patch, room)
            with pytest.raises(Killed):
                run_pipeline(CONFIG, stopped)
        RunFolder.create(stopped, CONFIG).check()
    assert figures(run_pipeline(CONFIG, stopped)) == expected
    RunFolder.open(stopped).check()
    assert (
        read_scores(stopped / "predictions.parquet").of.keys()
        == read_scores(runs / "run/predictions.parquet").of.keys()
    )
    assert stage_names(CONFIG) == [stage["name"] for stage in RunFolder.open(stopped).stages()]
