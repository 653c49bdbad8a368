"""Training a teacher: on training interactions only, exactly resumable, the best weights kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.architectures import ARCHITECTURES
from engine.config import TeacherConfig
from engine.data import Split
from engine.errors import Cancelled, StudioError
from engine.metrics.full import catalogue_ranks
from engine.metrics.ranks import ndcg
from engine.monitor import Monitor
from engine.teachers import Teacher, load_teacher, train_teacher
from engine.teachers import train as training
from engine.teachers.network import Network, network_class
from engine.teachers.windows import Batch
from tests.teachers.conftest import LEARNS_HALF, MORE, MORE_TRAINING, N_ITEMS, RING, TINY, Train, leave_one_out, walk

NAMES = list(ARCHITECTURES)
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
    seen: set[int] = set()
    own_class = network_class(name)
    real_backward = own_class.backward

    def recording(self: Network, batch: Batch, *others: object) -> tuple[float, int]:
        labels.update(batch.labels[batch.real].tolist())
        seen.update(batch.inputs[batch.real].tolist())
        return real_backward(self, batch, *others)

    monkeypatch.setattr(own_class, "backward", recording)
    config = TINY.model_copy(update={"epochs": 3, "validate_every": 3})
    train_teacher(name, split, config, 0, tmp_path / "checkpoint", Monitor(), "teacher")
    assert seen <= labels.keys() | {split.n_items}
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
    assert teacher.validated == (max(curve), monitor.curves["validation.popularity"][0][1])
    assert not teacher.validated.useless


@pytest.mark.parametrize("name", NAMES)
def test_sampled_negatives_teach_the_ring_and_resume_exactly(name: str, train: Train, tmp_path: Path) -> None:
    settings = SHORT | {"negatives": 4}
    expected = train(name, tmp_path / "whole", **settings)
    with pytest.raises(Cancelled):
        train(name, tmp_path / "part", Recorder(3), **settings)
    assert_equal(train(name, tmp_path / "part", **settings), expected)
    more: dict[str, object] = {"epochs": 20, "validate_every": 20, "batch_size": 4}
    longer = train(name, tmp_path / "long", **(settings | more | MORE_TRAINING.get(name, {})))
    histories = [walk(begin, 4) for begin in range(RING)]
    best = longer.catalogue_scores(histories).argmax(axis=1)
    right = (best == [(history[-1] + 1) % RING for history in histories]).mean()
    assert right == 1 or (name in LEARNS_HALF and right > 0.5), MORE.format(name=name)


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
    assert asked == [7] * 3  # after epochs 2, 4 and 6
    asked.clear()
    train("sasrec", tmp_path / "all", **SHORT, validation_users=10**6)
    assert asked == [len(ring.validation)] * 3


def test_smoothing_needs_all_items() -> None:
    with pytest.raises(ValueError, match=r"leave teacher\.negatives empty"):
        TeacherConfig(negatives=10, label_smoothing=0.1)


def test_stops_once_validation_stalls(train: Train, tmp_path: Path) -> None:
    monitor = Recorder()
    train("gru4rec", tmp_path / "checkpoint", monitor, epochs=500, validate_every=1, patience=3)
    assert monitor.done < 500
    assert len(monitor.curves["validation.NDCG@10"]) == monitor.done
    assert len(monitor.curves["loss"]) == monitor.done


def test_another_seed_gives_another_teacher(ring: Split, tmp_path: Path) -> None:
    config = TINY.model_copy(update=SHORT)
    one, two = (train_teacher("sasrec", ring, config, s, tmp_path / str(s), Monitor(), "teacher") for s in (0, 1))
    assert not np.allclose(one.catalogue_scores([[1, 2]]), two.catalogue_scores([[1, 2]]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lr", [1e6, 1e30, 1e300])
def test_training_that_diverges_ends_with_the_setting_to_blame(
    name: str, lr: float, train: Train, tmp_path: Path
) -> None:
    """Whether the numbers overflow or stay finite and senseless."""
    with pytest.raises(StudioError) as failure:
        train(name, tmp_path / "checkpoint", **SHORT, lr=lr)
    assert "training diverged at epoch" in failure.value.what
    assert (failure.value.where, failure.value.remedy) == (f"teacher.lr={lr}", "lower it")


@pytest.mark.parametrize("name", NAMES)
def test_sampled_training_that_diverges_ends_likewise(name: str, train: Train, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="training diverged at epoch"):
        train(name, tmp_path / "checkpoint", **SHORT, lr=1e8, negatives=4)


class Heard(Recorder):
    """Keeps what is said too."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def uneven() -> Split:
    """Everybody watches the same few films, so that popularity is hard to beat."""
    random = np.random.default_rng(3)
    sequences = [np.concatenate([random.permutation(5), [5 + user % 7, 12]]) for user in range(30)]
    return leave_one_out([s[[0, 1, 2, 5, 3, 4, 6]].astype(np.int64) for s in sequences], N_ITEMS)


@pytest.mark.parametrize("name", NAMES)
def test_a_teacher_that_is_no_better_than_popularity_says_so_ever_after(
    name: str, uneven: Split, tmp_path: Path
) -> None:
    monitor = Heard()
    config = TINY.model_copy(update={"epochs": 2, "validate_every": 1, "lr": 1e-9})
    teacher = train_teacher(name, uneven, config, 0, tmp_path / "checkpoint", monitor, "teacher")
    assert teacher.validated is not None
    assert teacher.validated.useless
    assert teacher.validated.popularity > 0.3
    assert "is no better than popularity on the validation users: NDCG@10 " in monitor.said[-1]
    assert {value for _, value in monitor.curves["validation.popularity"]} == {teacher.validated.popularity}
    teacher.save(tmp_path / "teacher.safetensors")
    assert load_teacher(tmp_path / "teacher.safetensors", N_ITEMS).validated == teacher.validated


def test_a_better_one_says_nothing_and_files_of_earlier_versions_know_nothing(train: Train, tmp_path: Path) -> None:
    monitor = Heard()
    teacher = train("sasrec", tmp_path / "checkpoint", monitor)
    assert monitor.said == []
    teacher.validated = None
    teacher.save(tmp_path / "teacher.safetensors")
    assert load_teacher(tmp_path / "teacher.safetensors", N_ITEMS).validated is None


@pytest.mark.parametrize("name", NAMES)
def test_untrained_weights_are_never_kept(name: str, uneven: Split, tmp_path: Path) -> None:
    """However little was learned, and although untrained ones may do better by chance."""
    monitor = Recorder()
    config = TINY.model_copy(update={"epochs": 1, "validate_every": 1})
    teacher = train_teacher(name, uneven, config, 0, tmp_path / "checkpoint", monitor, "teacher")
    assert [step for step, _ in monitor.curves["validation.NDCG@10"]] == [1]
    torch.manual_seed(training.derive(0, name, "weights"))
    untrained = Teacher(N_ITEMS, config.model_copy(update={"name": name}))
    assert not torch.equal(untrained.network.items.weight, teacher.network.items.weight)
