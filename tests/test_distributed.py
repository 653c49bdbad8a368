"""Several processes that work together do what one alone does, whatever they share: steps, users, checkpoints."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from several import together
from stage_world import QUICK, Recorder, cancelled, make_world

from engine import distributed
from engine.architectures import ARCHITECTURES, TeacherName
from engine.devices import choose_device
from engine.distill.stage import DistilStage
from engine.distributed import joined, world_size
from engine.errors import StudioError
from engine.evaluate import RowEntry, evaluate
from engine.finetune.stage import FinetuneStage
from engine.llm import SoftPrompt
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_data import dataset_to_learn
from engine.run_folder import RunFolder
from engine.sequences import _pieces
from engine.settings import load_config
from engine.teachers import train_teacher
from engine.training import FitArguments, Trainable, fit

PARTS = ("llm.micro_batch=2", "distill.batch_size=5", "finetune.batch_size=5")
"""Steps of unequal parts, as few of them as two processes can share."""


def steps_of(stage: Trainable) -> dict[str, Any]:
    """Losses of three steps and a validation, and the moments of their gradients, which Adam does not scale away."""
    losses = []
    for step in range(3):
        torch.manual_seed(step)
        losses.append(stage.train_step(step))
    moments = {name: tensor.numpy() for name, tensor in stage.state().items() if name.endswith("exp_avg")}
    return {"losses": losses, "validation": stage.validate(), "moments": moments}


def distilled(form: str) -> dict[str, Any]:
    world = make_world(*PARTS, form=form)
    return steps_of(DistilStage(world.config, world.dataset, world.split, world.teacher, world.backbone))


def finetuned(form: str) -> dict[str, Any]:
    world = make_world(*PARTS, form=form)
    soft = SoftPrompt.from_vocabulary(world.backbone, 4, 0)
    return steps_of(FinetuneStage(world.config, world.dataset, world.split, world.backbone, soft, world.teacher))


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for own, other in zip(found["losses"], expected["losses"], strict=True):
        assert own == pytest.approx(other, rel=1e-4, abs=1e-5)
    assert found["validation"] == pytest.approx(expected["validation"], rel=1e-3)
    largest = max(np.abs(moment).max() for moment in expected["moments"].values())
    for name, moment in expected["moments"].items():
        np.testing.assert_allclose(found["moments"][name], moment, rtol=0.02, atol=1e-3 * largest, err_msg=name)


@pytest.mark.parametrize("stage", [distilled, finetuned])
@pytest.mark.parametrize("form", ["candidates", "sequence"])
def test_two_processes_take_the_steps_of_one(stage: Callable[[str], dict[str, Any]], form: str) -> None:
    expected = stage(form)
    first, second = together(2, lambda: stage(form))
    same(first, expected)
    np.testing.assert_equal(second, first)  # to the last bit: they would drift apart


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_two_processes_train_the_teacher_of_one(name: TeacherName, tmp_path: Path) -> None:
    world = make_world("teacher.batch_size=1", "teacher.epochs=2", "teacher.dropout=0.3")  # some of a single window

    def trained(processes_: int) -> tuple[list[float], list[float], np.ndarray]:
        monitor = Recorder()
        checkpoint = tmp_path / f"{name}-{processes_}.safetensors"
        teacher = train_teacher(name, world.split, world.config.teacher, 0, checkpoint, monitor, "teacher")
        return monitor.curve("loss"), monitor.curve("validation.NDCG@10"), teacher.catalogue_scores([[1, 2], [3]])

    expected, (first, second) = trained(1), together(2, lambda: trained(2))
    for own, other in zip(first, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3)
    np.testing.assert_equal(second, first)


def test_a_checkpoint_of_two_goes_on_in_one_and_in_three(tmp_path: Path) -> None:
    """Only the first of them writes it; all of them stop where it is asked to."""
    plan = FitArguments("distil", 3, 0, "objective", 3)

    def train(name: str, stop: int | None = None) -> list[float]:
        world = make_world(*PARTS, "llm.micro_batch=1", form="sequence")
        stage = DistilStage(world.config, world.dataset, world.split, world.teacher, world.backbone)
        monitor = Recorder(stop)
        if stop is None:
            fit(stage, plan, tmp_path / name, distributed.SynchronizedMonitor(monitor))
        else:
            with cancelled():
                fit(stage, plan, tmp_path / name, distributed.SynchronizedMonitor(monitor))
        return monitor.curve("loss.rps")

    whole = train("whole")
    for count in (1, 3):
        name = f"of two, then {count}"
        begun, beside = together(2, lambda name=name: train(name, 1))  # type: ignore[misc]
        assert beside == []
        assert [path.name for path in tmp_path.glob("of two*")].count(name) == 1
        ended = train(name) if count == 1 else together(count, lambda name=name: train(name))[0]  # type: ignore[misc]
        assert begun + ended == pytest.approx(whole, rel=1e-3)


def test_users_are_shared_out_and_everybody_knows_all_answers(tmp_path: Path) -> None:
    world = make_world()
    candidates = np.stack([world.split.test.targets, (world.split.test.targets + 1) % 28], axis=1)
    asked: list[int] = []

    class Counting(type(world.teacher)):  # type: ignore[misc]
        def catalogue_scores(self, histories: Any) -> np.ndarray:
            asked.append(len(histories))
            answers: np.ndarray = super().catalogue_scores(histories)
            return answers

    def answers() -> tuple[int, np.ndarray, np.ndarray]:
        ranker = Counting(world.split.train, world.split.n_items)
        found = evaluate(
            [RowEntry("popularity", "baseline", lambda: ranker), RowEntry("sasrec", "teacher", lambda: ranker)],
            "sasrec",
            world.split.test,
            candidates,
            n_items=world.split.n_items,
            top=5,
            folder=tmp_path / str(distributed.world_size()),
            monitor=distributed.SynchronizedMonitor(Recorder()),
        )
        row = found.rows["popularity"]
        return sum(asked), row.candidates, row.listing.items

    expected, found = answers(), together(3, answers)
    for own in found:
        np.testing.assert_array_equal(own[1], expected[1])
        np.testing.assert_array_equal(own[2], expected[2])
    assert sum(own[0] - expected[0] for own in found) == expected[0]
    assert max(own[0] - expected[0] for own in found) < expected[0]


@pytest.mark.parametrize(("least", "most"), [(1, 7), (2, 100), (3, 7), (5, 1), (9, 100)])
def test_there_are_parts_for_all_processes(least: int, most: int) -> None:
    for sizes in ([3, 1, 4, 1, 5], [9], [], [1] * 9, [9, 1, 1, 1, 1, 1]):
        pieces = list(_pieces(sizes, most, least))
        assert [place for piece in pieces for place in range(piece.start, piece.stop)] == list(range(len(sizes)))
        assert len(pieces) >= min(least, len(sizes))
        assert all(sum(sizes[piece]) <= most or piece.stop - piece.start == 1 for piece in pieces)


def test_what_processes_do_not_share_is_told_to_each_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None waits for one that has ended of it: a version of the program, the run's folder, the data."""
    config = load_config("smoke", overrides=QUICK)

    def told(work: Callable[[], object]) -> str:
        with pytest.raises(StudioError) as found:
            work()
        return str(found.value)

    def lacking_the_folder() -> str:
        place = tmp_path / ("seen" if distributed.is_main_process() else "not seen")
        return told(lambda: run_pipeline(config, place, Monitor()))

    for said in together(2, lacking_the_folder):
        assert "process 2 of 2 has another run's folder than the first, or none" in said
    assert not (tmp_path / "not seen").exists()

    def with_other_data() -> str:
        run = RunFolder.create(tmp_path / "run", config)
        with distributed.main_process_first():
            if distributed.is_main_process():
                return dataset_to_learn(run, config, Monitor()).name
            return told(lambda: dataset_to_learn(run, config.model_copy(update={"seed": 1}), Monitor()))

    assert "the data are not those that the run was made with" in together(2, with_other_data)[1]

    monkeypatch.setattr(distributed, "code_version", lambda: os.environ["RANK"])
    with pytest.raises(AssertionError, match="process 2 of 2 has another version of the program"):
        together(2, lambda: None)


@pytest.mark.parametrize(("setting", "found"), [("auto", "cuda:1"), ("cuda", "cuda:1"), ("cpu", "cpu"), ("cuda:0", "")])
def test_each_process_takes_a_gpu_of_its_own(setting: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert str(choose_device("cuda:0", "llm.device")) == "cuda:0"  # alone it may
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "local_rank", lambda: 1)
    if found:
        assert str(choose_device(setting, "llm.device")) == found
    else:
        with pytest.raises(StudioError, match=r"2 processes cannot share the GPU .*llm\.device.*choose auto"):
            choose_device(setting, "llm.device")


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_that_was_started_alone_says_that_the_others_are_missing(
    rank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    given = {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("engine.distributed.JOIN", timedelta(seconds=1))
    with pytest.raises(StudioError, match="do not find each other") as refused, joined():
        pass
    assert "start all of them at once" in str(refused.value)
    assert world_size() == 1
