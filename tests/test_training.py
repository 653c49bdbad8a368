"""The shared loop: whatever happens to a run, it takes the steps of a run to which nothing happened."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine import training
from engine.errors import Cancelled, StudioError
from engine.monitor import Monitor
from engine.training import FitArguments, fit, load_optimizer_state, optimizer_state, write_atomically


class Descent:
    """Noisy descent to 3: every step draws from torch's random state, as dropout does."""

    def __init__(self, quality: list[float] | None = None) -> None:
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.optimizer = torch.optim.Adam([self.weight], lr=0.3)
        self.quality = quality
        """What successive validations say; by default, the negative distance to 3."""
        self.steps: list[int] = []
        self.validated: list[list[float]] = []

    def train_step(self, step: int) -> dict[str, float]:
        self.optimizer.zero_grad()
        loss = ((self.weight + 0.1 * torch.randn(2) - 3) ** 2).sum()
        loss.backward()
        self.optimizer.step()
        self.steps.append(step)
        return {"loss": loss.item()}

    def validate(self) -> dict[str, float]:
        self.validated.append(self.weight.tolist())
        if self.quality is not None:
            return {"quality": self.quality[len(self.validated) - 1]}
        return {"quality": -(self.weight - 3).abs().sum().item()}

    def state(self) -> dict[str, Tensor]:
        return self.weights() | optimizer_state(self.optimizer)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        self.load_weights(tensors)
        load_optimizer_state(self.optimizer, tensors)

    def weights(self) -> dict[str, Tensor]:
        return {"weight": self.weight.detach()}

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        self.weight.data.copy_(tensors["weight"])


class Recorder(Monitor):
    """Keeps everything; asks to stop before step ``stop_before``, or is killed there."""

    def __init__(self, stop_before: int = -1, *, kill: bool = False) -> None:
        self.stop_before, self.kill = stop_before, kill
        self.curves: list[tuple[int, dict[str, float]]] = []
        self.done: list[tuple[int, int]] = []

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self.curves.append((step, dict(values)))

    def progress(self, stage: str, done: int, total: int) -> None:
        self.done.append((done, total))

    def should_stop(self) -> bool:
        stop = self.done[-1][0] == self.stop_before
        if stop and self.kill:
            raise KeyboardInterrupt
        return stop


def plan(**changes: Any) -> FitArguments:
    values = {"name": "toy", "steps": 7, "seed": 1, "select": "quality", "validate_every": 3} | changes
    return FitArguments(**values)


def outcome(stage: Descent) -> dict[str, list[float]]:
    return {name: tensor.reshape(-1).tolist() for name, tensor in stage.state().items()}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "toy.safetensors"


@pytest.mark.parametrize("stop", range(7))
def test_cancelled_anywhere_and_resumed_equals_uninterrupted(stop: int, checkpoint: Path) -> None:
    whole, first, second = Descent(), Descent(), Descent()
    expected, before, after = Recorder(), Recorder(stop), Recorder()
    fit(whole, plan(), checkpoint.with_name("whole"), expected)
    with pytest.raises(Cancelled):
        fit(first, plan(), checkpoint, before)
    fit(second, plan(), checkpoint, after)
    assert first.steps + second.steps == whole.steps == list(range(7))
    assert outcome(second) == outcome(whole)
    assert before.curves + after.curves == expected.curves
    assert after.done[0] == (stop, 7)


@pytest.mark.parametrize("kill", range(1, 7))
def test_killed_anywhere_repeats_only_what_no_checkpoint_holds(kill: int, checkpoint: Path) -> None:
    whole, first, second = Descent(), Descent(), Descent()
    fit(whole, plan(), checkpoint.with_name("whole"), Recorder())
    with pytest.raises(KeyboardInterrupt):
        fit(first, plan(checkpoint_seconds=0.0), checkpoint, Recorder(kill, kill=True))
    fit(second, plan(), checkpoint, Recorder())
    assert second.steps == list(range(kill, 7))
    assert outcome(second) == outcome(whole)


def test_killed_before_the_first_checkpoint_starts_anew(checkpoint: Path) -> None:
    whole, second = Descent(), Descent()
    fit(whole, plan(), checkpoint.with_name("whole"), Recorder())
    with pytest.raises(KeyboardInterrupt):
        fit(Descent(), plan(), checkpoint, Recorder(4, kill=True))
    assert not checkpoint.exists()
    fit(second, plan(), checkpoint, Recorder())
    assert outcome(second) == outcome(whole)


def test_steps_are_random_by_seed_and_number_only() -> None:
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(torch.seed() % 2**31)
        monitor = Recorder()
        fit(Descent(), plan(seed=seed), Path("nowhere"), monitor)
        losses.append([values["loss"] for _, values in monitor.curves if "loss" in values])
    assert losses[0] == losses[1] != losses[2]


def test_the_best_weights_are_left_in_place(checkpoint: Path) -> None:
    stage = Descent(quality=[0.0, 5.0, 1.0, 4.0])  # at steps 0, 3, 6, 7
    progress = fit(stage, plan(), checkpoint, Recorder())
    assert (progress.best_step, progress.best_value, progress.step) == (3, 5.0, 7)
    assert stage.weight.tolist() == stage.validated[1] != stage.validated[3]


def test_the_best_weights_survive_a_resume(checkpoint: Path) -> None:
    first, second = Descent(quality=[0.0, 5.0]), Descent(quality=[1.0, 4.0])
    with pytest.raises(Cancelled):
        fit(first, plan(), checkpoint, Recorder(4))
    progress = fit(second, plan(), checkpoint, Recorder())
    assert progress.best_step == 3
    assert second.weight.tolist() == first.validated[1]


def test_training_never_ends_below_where_it_began(checkpoint: Path) -> None:
    stage = Descent(quality=[9.0, 5.0, 1.0, 4.0])
    assert fit(stage, plan(), checkpoint, Recorder()).best_step == 0
    assert stage.weight.tolist() == [0.0, 0.0]


def test_untrained_weights_take_part_only_where_the_plan_says_so(checkpoint: Path) -> None:
    stage, monitor = Descent(quality=[5.0, 1.0, 4.0]), Recorder()
    progress = fit(stage, plan(keep_untrained=False), checkpoint, monitor)
    assert (progress.best_step, progress.best_value) == (3, 5.0)
    assert [step for step, values in monitor.curves if "validation.quality" in values] == [3, 6, 7]
    with pytest.raises(Cancelled):
        fit(Descent(quality=[]), plan(keep_untrained=False), checkpoint.with_name("other"), Recorder(2))
    resumed = fit(
        Descent(quality=[1.0, 2.0, 0.0]), plan(keep_untrained=False), checkpoint.with_name("other"), Recorder()
    )
    assert resumed.best_step == 6


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_or_a_validation_that_is_not_finite_ends_the_training(value: float, checkpoint: Path) -> None:
    class Lost(Descent):
        def train_step(self, step: int) -> dict[str, float]:
            return super().train_step(step) | ({"loss": value} if step == 3 else {})

    settings = {"lr": "toy.lr=3.0", "unit": "epoch"}
    with pytest.raises(StudioError) as failure:
        fit(Lost(), plan(**settings), checkpoint, Recorder())
    assert str(failure.value).startswith("training diverged at epoch 4: its loss is not finite (toy.lr=3.0)")
    with pytest.raises(StudioError, match="at epoch 3: its quality is not finite"):
        fit(Descent(quality=[0.0, value]), plan(**settings), checkpoint.with_name("other"), Recorder())


def test_stops_early_when_validation_stalls(checkpoint: Path) -> None:
    stage = Descent(quality=[0.0, 5.0, 1.0, 5.0, 6.0])
    progress = fit(stage, plan(steps=99, patience=2), checkpoint, Recorder())
    assert (progress.step, progress.best_step) == (9, 3)  # an equal value is no improvement


def test_patience_is_remembered_across_a_resume(checkpoint: Path) -> None:
    with pytest.raises(Cancelled):
        fit(Descent(quality=[0.0, 5.0, 1.0]), plan(steps=99, patience=2), checkpoint, Recorder(7))
    second = Descent(quality=[4.0])
    assert fit(second, plan(steps=99, patience=2), checkpoint, Recorder()).step == 9


def test_a_better_validation_renews_the_patience(checkpoint: Path) -> None:
    stage = Descent(quality=[0.0, 1.0, 0.0, 2.0, 0.0, 0.0])
    assert fit(stage, plan(steps=99, patience=2), checkpoint, Recorder()).step == 15


def test_reports_each_step_and_validation(checkpoint: Path) -> None:
    monitor = Recorder()
    fit(Descent(quality=[0.0, 5.0, 1.0, 4.0]), plan(), checkpoint, monitor)
    assert monitor.done == [(step, 7) for step in range(8)]
    seen = [(step, values["validation.quality"]) for step, values in monitor.curves if "validation.quality" in values]
    assert seen == [(0, 0.0), (3, 5.0), (6, 1.0), (7, 4.0)]
    assert [step for step, values in monitor.curves if "loss" in values] == list(range(1, 8))


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def _foreign(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path)


def _other_records(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path, {"progress": '{"colour": "red"}'})


@pytest.mark.parametrize("damage", [_truncated, _foreign, _other_records, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_starts_anew(damage: Any, checkpoint: Path) -> None:
    whole, second = Descent(), Descent()
    fit(whole, plan(), checkpoint.with_name("whole"), Recorder())
    with pytest.raises(Cancelled):
        fit(Descent(), plan(), checkpoint, Recorder(4))
    damage(checkpoint)
    fit(second, plan(), checkpoint, Recorder())
    assert second.steps == list(range(7))
    assert outcome(second) == outcome(whole)


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_checkpoint_and_says_so(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Cancelled):
        fit(Descent(), plan(), checkpoint, Recorder(3))
    old = checkpoint.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(training, "save_file", _no_space)
        with pytest.raises(StudioError, match=r"could not write the file.*No space left"):
            fit(Descent(), plan(), checkpoint, Recorder(5))
    assert checkpoint.read_bytes() == old
    second = Descent()
    fit(second, plan(), checkpoint, Recorder())
    assert second.steps == [3, 4, 5, 6]


def test_a_write_that_dies_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "weights.safetensors"
    write_atomically({"weight": torch.zeros(1)}, target)
    old = target.read_bytes()
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(StudioError, match="No space left"):
        write_atomically({"weight": torch.ones(1000)}, target)
    assert target.read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudioError) as caught:
        write_atomically({"weight": torch.zeros(1)}, tmp_path / "file" / "weights.safetensors")
    assert "\n" not in str(caught.value)
    assert "resume the run" in str(caught.value)
