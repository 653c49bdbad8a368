"""Prompts to compare with: distilled as the run's own was, but for the lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from several import together
from stage_world import FORMS, make_world

from engine.distill import distil
from engine.errors import StudioError
from engine.falsify.controls import (
    RANDOM_LISTS,
    RandomLists,
    control_of_run,
    find_controls,
    other_teacher,
    training_minutes,
)
from engine.falsify.record import Falsification, read_falsification
from engine.falsify.suite import falsify
from engine.models import Models
from engine.monitor import Monitor
from engine.run_folder import RunFolder
from engine.settings import load_config
from engine.teachers import train_teacher
from engine.whole_files import write_text

FOLDER = "falsification"


class Stages(Monitor):
    def __init__(self) -> None:
        self.names: list[str] = []

    def stage(self, name: str, state: str, **_: object) -> None:  # type: ignore[override]
        if state == "running":
            self.names.append(name)


@pytest.fixture(scope="module", params=FORMS)
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Models:
    world = make_world("finetune.enabled=false", "teacher.epochs=1", form=request.param)
    found = Models(world.config, world.dataset, world.split, world.backbone)
    place = tmp_path_factory.mktemp("made")
    teacher = train_teacher("sasrec", world.split, world.config.teacher, 0, place / "teacher", Monitor(), "teacher")
    found.teachers = {"sasrec": teacher}
    found.soft_prompt = distil(
        world.config, world.dataset, world.split, teacher, world.backbone, place / "p", Monitor()
    )
    return found


@pytest.fixture
def run(models: Models, tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", models.config)


def test_random_lists_belong_to_a_history_and_teach_nothing() -> None:
    lists = RandomLists(50, seed=0)
    first, second, again = lists.catalogue_scores([[1, 2], [2, 1], [1, 2]])
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert np.array_equal(lists.catalogue_scores([[2, 1]])[0], second)


def test_nothing_differs_from_the_runs_own_prompt_but_the_lists(models: Models, run: RunFolder) -> None:
    assert models.soft_prompt is not None
    models.teachers["gru4rec"] = models.teacher  # a copy of the teacher must give a copy of the prompt
    try:
        copy, lists = find_controls(models, run, FOLDER, Monitor(), other=None, train=True)
    finally:
        del models.teachers["gru4rec"]
    assert torch.equal(copy.prompt.weight, models.soft_prompt.weight)
    assert all(torch.equal(copy.prompt.head[name], tensor) for name, tensor in models.soft_prompt.head.items())
    assert bool(models.soft_prompt.head) == (models.config.llm.prompts == "sequence")
    assert not torch.equal(lists.prompt.weight, models.soft_prompt.weight)
    assert (copy.label, lists.name, lists.teacher) == ("GRU4Rec", RANDOM_LISTS, None)


def test_controls_are_trained_once(models: Models, run: RunFolder) -> None:
    assert find_controls(models, run, FOLDER, Monitor(), other=None, train=False) == []
    stages = Stages()
    first = find_controls(models, run, FOLDER, stages, other=None, train=True)
    assert stages.names == ["teacher:gru4rec", "distil:gru4rec", "distil:random-lists"]
    again = find_controls(models, run, FOLDER, stages, other=None, train=False)
    assert len(stages.names) == 3
    assert [c.name for c in again] == [c.name for c in first] == ["prompt of GRU4Rec", RANDOM_LISTS]
    assert all(torch.equal(a.prompt.weight, b.prompt.weight) for a, b in zip(first, again, strict=True))
    assert {path.suffix for path in (run.path / FOLDER).iterdir()} == {".safetensors"}, "no checkpoint is left"


@pytest.fixture
def other(models: Models, tmp_path: Path) -> RunFolder:
    """A run with another teacher."""
    assert models.soft_prompt is not None
    other = RunFolder.create(tmp_path / "other", load_config("smoke", overrides=["teacher.name=gru4rec"]))
    models.soft_prompt.save(other.soft_prompt)
    models.teacher.save(other.teacher())
    return other


def test_a_named_run_spares_one_of_the_two_trainings(models: Models, run: RunFolder, other: RunFolder) -> None:
    (named,) = find_controls(models, run, FOLDER, Monitor(), other=other, train=False)
    assert named.source == "run other"
    stages = Stages()
    controls = find_controls(models, run, FOLDER, stages, other=other, train=True)
    assert [control.name for control in controls] == ["prompt of GRU4Rec", RANDOM_LISTS]
    assert stages.names == ["distil:random-lists"]


def test_a_named_teacher_takes_the_place_of_the_next_one(models: Models, run: RunFolder) -> None:
    names = [control.name for control in find_controls(models, run, FOLDER, Monitor(), other="caser", train=True)]
    assert names == ["prompt of Caser", RANDOM_LISTS]
    kept = [control.name for control in find_controls(models, run, FOLDER, Monitor(), other="caser", train=False)]
    assert kept == names
    assert [control.name for control in find_controls(models, run, FOLDER, Monitor(), other=None, train=False)] == [
        RANDOM_LISTS
    ], "the next one's was never distilled"
    with pytest.raises(StudioError, match="the other teacher is sasrec too"):
        find_controls(models, run, FOLDER, Monitor(), other="sasrec", train=True)


def test_another_runs_prompt_comes_with_its_teacher(models: Models, other: RunFolder, tmp_path: Path) -> None:
    control = control_of_run(models, other)
    assert (control.name, control.label, control.source) == ("prompt of GRU4Rec", "GRU4Rec", "run other")
    same = RunFolder.create(tmp_path / "same", load_config("smoke"))
    with pytest.raises(StudioError, match="teacher is sasrec too"):
        control_of_run(models, same)


def test_the_cost_is_told_by_what_the_run_took(models: Models, run: RunFolder, other: RunFolder) -> None:
    stages = [{"name": "teacher", "seconds": 60.0, "done": True}, {"name": "distil", "seconds": 120.0, "done": True}]
    import json

    write_text(run.path / "stages.json", json.dumps(stages))
    assert training_minutes(models, run) == training_minutes(models, run, "caser") == 5.0
    assert training_minutes(models, run, other) == 2.0
    assert other_teacher(models) == "gru4rec"


def test_two_processes_find_what_one_does(models: Models, tmp_path: Path) -> None:
    """They share trainings and users; one writes."""

    runs = {name: RunFolder.create(tmp_path / name, models.config) for name in ("alone", "shared")}

    def found(name: str) -> Falsification:
        return falsify(models, runs[name], users=9, tests=[1, 4], train=True)

    alone, (first, second) = found("alone"), together(2, lambda: found("shared"))
    assert first == second == read_falsification(runs["shared"])
    assert [path.suffix for path in (tmp_path / "shared" / FOLDER).iterdir()] == [".safetensors"] * 3, "nothing else"
    for one, other in zip(alone.findings, first.findings, strict=True):
        assert one.verdict == other.verdict
        for figure, same in zip(one.figures, other.figures, strict=True):
            assert (figure.name, figure.measure) == (same.name, same.measure)
            assert same.value == pytest.approx(figure.value, abs=0.02)
