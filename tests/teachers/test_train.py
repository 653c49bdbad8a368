"""Training a teacher: on training interactions only, exactly resumable, the best weights kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.config import TeacherConfig
from engine.data import Split
from engine.errors import Cancelled
from engine.evaluate.full import catalogue_ranks
from engine.evaluate.metrics import ndcg
from engine.monitor import Monitor
from engine.teachers import NETWORKS, Teacher, train_teacher
from engine.teachers import train as training
from tests.teachers.conftest import N_ITEMS, RING, TINY, Train, leave_one_out, walk

NAMES = list(NETWORKS)
SHORT = {"epochs": 6, "validate_every": 2, "batch_size": 16}


class Recorder(Monitor):
    """Keeps curves; stops, or is killed, once ``stop_at`` epochs are done."""

    def __init__(self, stop_at: int = -1, *, kill: bool = False) -> None:
        self.stop_at, self.kill, self.done = stop_at, kill, 0
        self.curves: dict[str, list[tuple[int, float]]] = {}

    def progress(self, stage: str, done: int, total: int) -> None:
        assert stage == "teacher"
        self.done = done

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.curves.setdefault(name, []).append((step, value))

    def should_stop(self) -> bool:
        if self.done == self.stop_at and self.kill:
            raise KeyboardInterrupt
        return self.done == self.stop_at


def assert_equal(teacher: Teacher, other: Teacher) -> None:
    for (name, one), two in zip(teacher.network.state_dict().items(), other.network.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop", [0, 1, 4])
def test_cancelled_at_an_epoch_and_resumed_equals_uninterrupted(
    name: str, stop: int, train: Train, tmp_path: Path
) -> None:
    whole, first, second = Recorder(), Recorder(stop), Recorder()
    expected = train(name, tmp_path / "whole", whole, **SHORT)
    with pytest.raises(Cancelled):
        train(name, tmp_path / "part", first, **SHORT)
    torch.manual_seed(12345)  # a new process has another random state
    assert_equal(train(name, tmp_path / "part", second, **SHORT), expected)
    assert first.curves.get("loss", []) + second.curves["loss"] == whole.curves["loss"]


@pytest.mark.parametrize("name", NAMES)
def test_killed_after_a_checkpoint_equals_uninterrupted(
    name: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(name, tmp_path / "whole", **SHORT)
    with pytest.raises(Cancelled):  # leaves a checkpoint after epoch 2
        train(name, tmp_path / "part", Recorder(2), **SHORT)
    with pytest.raises(KeyboardInterrupt):  # dies after epoch 5 with no newer one
        train(name, tmp_path / "part", Recorder(5, kill=True), **SHORT)
    second = Recorder()
    assert_equal(train(name, tmp_path / "part", second, **SHORT), expected)
    assert [step for step, _ in second.curves["loss"]] == [3, 4, 5, 6]


@pytest.mark.parametrize("name", NAMES)
def test_no_validation_or_test_item_is_ever_a_label(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 2 of the published code: teachers trained on every user's last item, test users included."""
    sequences = [np.arange(10 * user, 10 * user + 5 + user % 6, dtype=np.int64) for user in range(12)]
    split = leave_one_out(sequences, n_items=120)  # nobody shares a film, so a label tells whose it is
    labels: Counter[int] = Counter()
    real_loss = training.softmax_loss

    def recording_loss(states: Tensor, items: Tensor, bias: Tensor, wanted: Tensor, smoothing: float) -> object:
        labels.update(wanted.tolist())
        return real_loss(states, items, bias, wanted, smoothing)

    monkeypatch.setattr(training, "softmax_loss", recording_loss)
    config = TINY.model_copy(update={"epochs": 3, "validate_every": 3})
    train_teacher(name, split, config, 0, tmp_path / "checkpoint", Monitor(), "teacher")
    for user, items in enumerate(sequences):
        own = {item: labels[item] for item in range(10 * user, 10 * user + 10) if item in labels}
        assert own == dict.fromkeys(items[:-2].tolist(), 3)  # each training interaction once in each of three epochs
        assert not own.keys() & {split.validation.targets[user], split.test.targets[user]}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_held_out_of_testing_does_not_change_the_teacher(
    name: str, ring: Split, train: Train, tmp_path: Path
) -> None:
    expected = train(name, tmp_path / "whole", **SHORT)
    other = Split(ring.train, ring.validation, ring.validation.take([0]), ring.n_items)
    config = TINY.model_copy(update=SHORT)
    assert_equal(train_teacher(name, other, config, 0, tmp_path / "other", Monitor(), "teacher"), expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_best_validated_weights_are_returned(name: str, ring: Split, train: Train, tmp_path: Path) -> None:
    monitor = Recorder()
    teacher = train(name, tmp_path / "checkpoint", monitor, epochs=8, validate_every=1, lr=0.05)
    curve = [value for _, value in monitor.curves["validation.NDCG@10"]]
    histories, targets = ring.validation.histories, ring.validation.targets
    ranks = catalogue_ranks(teacher.catalogue_scores(histories), histories, targets)
    assert ndcg(ranks, 10).mean() == pytest.approx(max(curve), abs=1e-6)
    assert max(curve) > curve[0]


@pytest.mark.parametrize("name", NAMES)
def test_sampled_negatives_teach_the_ring_and_resume_exactly(name: str, train: Train, tmp_path: Path) -> None:
    settings = SHORT | {"negatives": 4}
    expected = train(name, tmp_path / "whole", **settings)
    with pytest.raises(Cancelled):
        train(name, tmp_path / "part", Recorder(3), **settings)
    assert_equal(train(name, tmp_path / "part", **settings), expected)
    longer = train(name, tmp_path / "long", **(settings | {"epochs": 20, "validate_every": 20, "batch_size": 4}))
    histories = [walk(begin, 4) for begin in range(RING)]
    best = longer.catalogue_scores(histories).argmax(axis=1)
    assert best.tolist() == [(history[-1] + 1) % RING for history in histories]


def test_as_many_negatives_as_items_is_the_full_softmax(train: Train, tmp_path: Path) -> None:
    full = train("sasrec", tmp_path / "full", **SHORT)
    for count in (N_ITEMS, 1000):
        assert_equal(train("sasrec", tmp_path / str(count), **SHORT, negatives=count), full)
    assert not torch.equal(
        train("sasrec", tmp_path / "few", **SHORT, negatives=5).network.items.weight, full.network.items.weight
    )


def test_a_validation_asks_no_more_users_than_it_may(
    ring: Split, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = Teacher.catalogue_scores

    def counting(self: Teacher, histories: Sequence[np.ndarray]) -> np.ndarray:
        asked.append(len(histories))
        return real(self, histories)

    monkeypatch.setattr(Teacher, "catalogue_scores", counting)
    train("sasrec", tmp_path / "few", **SHORT, validation_users=7)
    assert asked == [7] * 4  # before training, and after epochs 2, 4 and 6
    asked.clear()
    train("sasrec", tmp_path / "all", **SHORT, validation_users=10**6)
    assert asked == [len(ring.validation)] * 4


def test_smoothing_needs_all_items() -> None:
    with pytest.raises(ValueError, match=r"leave teacher\.negatives empty"):
        TeacherConfig(negatives=10, label_smoothing=0.1)


def test_stops_once_validation_stalls(train: Train, tmp_path: Path) -> None:
    monitor = Recorder()
    train("gru4rec", tmp_path / "checkpoint", monitor, epochs=500, validate_every=1, patience=3)
    assert monitor.done < 500
    assert len(monitor.curves["validation.NDCG@10"]) == monitor.done + 1
    assert len(monitor.curves["loss"]) == monitor.done


def test_another_seed_gives_another_teacher(ring: Split, tmp_path: Path) -> None:
    config = TINY.model_copy(update=SHORT)
    one, two = (train_teacher("sasrec", ring, config, s, tmp_path / str(s), Monitor(), "teacher") for s in (0, 1))
    assert not np.allclose(one.catalogue_scores([[1, 2]]), two.catalogue_scores([[1, 2]]))
