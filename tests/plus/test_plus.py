"""DELRec-plus: one pass answers behind every title; a ring of films, each followed by the next, is soon known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stage_world import Recorder, base_weights, cancelled, checkpoint_in, make_dataset, same, snapshot

from engine.config import RunConfig
from engine.data import Dataset, Split, split_dataset
from engine.distill import random_prompt
from engine.errors import StudioError
from engine.llm.tiny import tiny_causal, tiny_seq2seq
from engine.plus import Plus, PlusRanker, load_plus, train_plus
from engine.plus.stage import PlusStage
from engine.questions import make_prompts
from engine.settings import load_config
from engine.teachers import Teacher
from engine.teachers.sasrec import SASRec

RING, USERS, LENGTH = 10, 12, 9
READINGS = ["titles", "words"]
TITLES = [f"game {chr(65 + item)}" for item in range(RING)] + ["movie X", "movie Y"]


class World:
    """Everybody walks around the same ring from another place on."""

    def __init__(self, *overrides: str) -> None:
        self.config: RunConfig = load_config(
            "smoke",
            overrides=[
                *("plus.enabled=true", "plus.layers=2", "plus.top_layers=2", "plus.window=4", "plus.width=16"),
                *("plus.rank=4", "plus.steps=6", "plus.batch_size=4", "plus.validate_every=3", "plus.lr=0.01"),
                *overrides,
            ],
        )
        sequences = [[(user + step) % RING for step in range(LENGTH)] for user in range(USERS)]
        self.dataset: Dataset = make_dataset(sequences, TITLES)
        self.split: Split = split_dataset(self.dataset, self.config.data)
        torch.manual_seed(1)
        self.teacher = Teacher(self.split.n_items, self.config.teacher)
        self.teacher.network.eval()

    def plus(self) -> Plus:
        backbone = tiny_causal(0)
        prompt = random_prompt(self.config, backbone)
        return Plus(self.config, self.dataset.catalogue, self.split, backbone, prompt, self.teacher)

    def train(self, folder: Path, recorder: Recorder | None = None) -> Plus:
        plus = self.plus()
        train_plus(self.config, plus, self.split, self.teacher, checkpoint_in(folder), recorder or Recorder())
        return plus

    def ranker(self, plus: Plus) -> PlusRanker:
        return PlusRanker(plus, self.teacher, plus.prompts)


def untrained(world: World) -> Plus:
    """With a head that tells histories apart."""
    plus = world.plus()
    plus.attach_adapter()
    return plus


def weights(plus: Plus) -> list[torch.Tensor]:
    return [parameter.data for parameter in plus.trainable().values()]


@pytest.mark.parametrize("reading", READINGS)
def test_each_title_is_answered_by_what_stands_before_it(reading: str) -> None:
    plus = untrained(World(f"plus.reading={reading}"))
    history = [3, 4, 5, 6]
    states = plus.states([history])
    assert states.shape == (5, plus.backbone.width)
    for length in range(5):
        torch.testing.assert_close(plus.states([history[:length]], last=True)[0], states[length], atol=1e-4, rtol=1e-4)
    other = plus.states([[3, 4, 9, 6]])
    torch.testing.assert_close(other[:3], states[:3], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(other[3], states[3], atol=1e-3)


def test_dropout_blots_out_some_of_what_is_read_and_only_when_asked_for() -> None:
    plus = untrained(World())
    clear = plus.states([[1, 2]])
    torch.testing.assert_close(plus.states([[1, 2]]), clear)
    blotted = plus.states([[1, 2]], dropout=0.5)
    torch.testing.assert_close(blotted[0], clear[0])  # no title has been read there yet
    assert not torch.allclose(blotted[2], clear[2], atol=1e-3)


@pytest.mark.parametrize("reading", READINGS)
def test_histories_in_a_batch_do_not_see_each_other(reading: str) -> None:
    plus = untrained(World(f"plus.reading={reading}"))
    histories = [[1, 2], [], [5, 6, 7, 8]]
    together = plus.states(histories)
    apart = torch.cat([plus.states([history]) for history in histories])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("behaviour", [True, False])
def test_the_teacher_s_item_embeddings_stand_beside_titles_if_wanted(behaviour: bool, reading: str) -> None:
    world = World(f"plus.behaviour={behaviour}", f"plus.reading={reading}")
    before = untrained(world).states([[1, 2]])
    world.teacher.network.items.weight.data[1] += torch.randn(world.teacher.network.items.weight.shape[1])
    after = untrained(world).states([[1, 2]])
    torch.testing.assert_close(after[0], before[0])
    assert torch.allclose(after[1:], before[1:], atol=1e-6) is not behaviour


def test_a_teacher_without_item_embeddings_can_stand_beside_but_not_beneath_the_titles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SASRec, "item_embeddings", lambda self: None)
    with pytest.raises(StudioError, match=r"SASRec has no item embeddings.*plus\.behaviour=false"):
        World().plus()
    plus = untrained(World("plus.behaviour=false"))
    assert plus.states([[1, 2]]).shape == (3, plus.backbone.width)


def test_training_labels_are_training_interactions_only() -> None:
    world = World("plus.window=3")
    stage = PlusStage(world.config, untrained(world), world.split, world.teacher)
    asked = []
    for step in range(8):
        batch = stage._batch(step)
        for inputs, labels, real in zip(batch.inputs, batch.labels, batch.real, strict=True):
            asked.append([*inputs[real].tolist(), int(labels[real][-1])][1:])
    trained = {tuple(items.tolist()) for items in world.split.train}
    assert len(asked) > 2 * USERS
    for window in asked:
        assert any(window == list(items[i : i + len(window)]) for items in trained for i in range(len(items)))
    one_pass = sum(int(batch.real.sum()) for batch in stage.passes[0])
    assert one_pass == sum(map(len, world.split.train))


@pytest.mark.parametrize("reading", READINGS)
def test_only_adapters_and_head_change(reading: str) -> None:
    world = World(f"plus.reading={reading}")
    plus = untrained(world)
    frozen = base_weights(snapshot(plus.backbone))
    assert plus.soft_prompt is not None
    soft = plus.soft_prompt.weight.detach().clone()
    network = [p.detach().clone() for p in world.teacher.network.parameters()]
    start = [tensor.clone() for tensor in weights(plus)]
    stage = PlusStage(world.config, plus, world.split, world.teacher)
    for step in range(2):
        stage.train_step(step)
    assert same(base_weights(snapshot(plus.backbone)), frozen)
    assert torch.equal(plus.soft_prompt.weight, soft)
    assert same([p.detach() for p in world.teacher.network.parameters()], network)
    still = [name for (name, now), was in zip(plus.trainable().items(), start, strict=True) if torch.equal(now, was)]
    assert still == []


@pytest.mark.parametrize("reading", READINGS)
def test_parts_of_a_batch_add_up_to_the_whole(reading: str) -> None:
    def gradients(*overrides: str) -> tuple[float, list[torch.Tensor]]:
        world = World(f"plus.reading={reading}", "plus.dropout=0", "plus.batch_size=12", *overrides)
        plus = untrained(world)
        stage = PlusStage(world.config, plus, world.split, world.teacher)
        kept: list[torch.Tensor] = []
        stage.optimizer.step = lambda step: kept.extend(p.grad.clone() for p in plus.trainable().values()) or 0.0  # type: ignore
        return stage.train_step(0)["loss"], kept

    whole, parts = gradients("llm.micro_batch=64"), gradients("llm.micro_batch=1")
    assert whole[0] == pytest.approx(parts[0], rel=1e-5)
    for expected, found in zip(whole[1], parts[1], strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)


def test_validation_asks_few_users_at_once_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    stage = PlusStage(world.config, untrained(world), world.split, world.teacher)
    expected, asked = stage.validate(), []
    whole = stage.ranker.llm_scores
    monkeypatch.setattr(stage.ranker, "llm_scores", lambda it: asked.append(len(it)) or whole(it), raising=False)
    monkeypatch.setattr("engine.plus.stage.BATCH", 5)
    assert stage.validate() == pytest.approx(expected, abs=1e-6)
    assert asked == [5, 5, 2]


@pytest.mark.parametrize("reading", READINGS)
def test_the_ring_is_learned_from_titles_alone(tmp_path: Path, reading: str) -> None:
    world = World(
        *("plus.behaviour=false", "plus.prior=false", "plus.steps=120", "plus.validate_every=60", "plus.lr=0.02"),
        *("plus.dropout=0", "plus.soft_labels=0", f"plus.reading={reading}"),
    )
    recorder = Recorder()
    plus = world.train(tmp_path, recorder)
    losses = recorder.curve("loss")
    assert losses[-1] < 1.1 < 2.0 < losses[0]  # nothing tells with which film a window begins
    questions = world.split.test
    best = world.ranker(plus).catalogue_scores(questions.histories).argmax(1)
    assert (best == questions.targets).mean() > 0.5


@pytest.mark.parametrize("stop", [0, 2, 4])
def test_resumed_equals_uninterrupted(tmp_path: Path, stop: int) -> None:
    straight = Recorder()
    expected = World().train(tmp_path / "straight", straight)
    with cancelled():
        World().train(tmp_path / "resumed", Recorder(stop))
    second = Recorder()
    resumed = World().train(tmp_path / "resumed", second)
    assert same(weights(resumed), weights(expected))
    assert torch.equal(resumed.weights, expected.weights)
    assert second.points == straight.points[-len(second.points) :]
    assert len(second.curve("lr")) == 6 - stop


def test_saved_and_loaded_scores_the_same(tmp_path: Path) -> None:
    world = World()
    trained = world.train(tmp_path)
    trained.save(tmp_path / "plus")
    assert {path.name for path in (tmp_path / "plus").iterdir()} == {"adapter", "head.safetensors"}
    again = load_plus(world.plus(), tmp_path / "plus")
    histories = world.split.test.histories
    expected = world.ranker(trained).catalogue_scores(histories)
    np.testing.assert_allclose(world.ranker(again).catalogue_scores(histories), expected, atol=1e-4)
    (tmp_path / "plus" / "head.safetensors").write_bytes(b"torn")
    with pytest.raises(StudioError, match="no usable head"):
        load_plus(world.plus(), tmp_path / "plus")


def test_candidates_get_the_catalogue_s_scores_however_often_a_history_comes(tmp_path: Path) -> None:
    world = World()
    ranker = world.ranker(world.train(tmp_path))
    histories = [[1, 2, 3], [4], [1, 2, 3], []]
    candidates = np.array([[5, 6], [5, 6], [7, 5], [0, 11]])
    expected = np.take_along_axis(ranker.catalogue_scores(histories), candidates, axis=1)
    np.testing.assert_allclose(ranker.scores(histories, candidates), expected, atol=1e-5)


@pytest.mark.parametrize("reading", READINGS)
def test_titles_of_one_s_own_are_read_and_ranked_without_moving_the_others(tmp_path: Path, reading: str) -> None:
    world = World(f"plus.reading={reading}")
    plus = world.train(tmp_path)
    own = world.dataset.catalogue.extended(["movie game Z"])
    extended = PlusRanker(plus, world.teacher, make_prompts(world.config, own))
    known = np.array([[5, 6, 7]])
    np.testing.assert_allclose(extended.scores([[1, 2]], known), world.ranker(plus).scores([[1, 2]], known), atol=1e-5)
    with_own = extended.scores([[1, len(TITLES)]], np.array([[5, len(TITLES)]]))
    assert np.isfinite(with_own).all()
    assert not np.allclose(with_own[:, :1], extended.scores([[1]], np.array([[5]])), atol=1e-4)


def test_without_the_prior_the_teacher_is_not_asked(tmp_path: Path) -> None:
    plus = World("plus.prior=false").train(tmp_path)
    assert plus.weights.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_soft_labels_are_the_teacher_s_probabilities_given_the_same_items(share: float) -> None:
    world = World(f"plus.soft_labels={share}", "plus.dropout=0", "llm.micro_batch=64")
    plus = untrained(world)
    stage = PlusStage(world.config, plus, world.split, world.teacher)
    batch = stage._batch(0)
    expected, count = 0.0, 0
    for inputs, labels, real in zip(batch.inputs, batch.labels, batch.real, strict=True):
        items = inputs[real][1:].tolist()
        for place, label in enumerate(labels[real].tolist()):
            with torch.no_grad():
                mine = plus.head(plus.states([items[:place]], last=True)).log_softmax(1)[0]
            teacher = torch.from_numpy(world.teacher.catalogue_scores([items[:place]])[0]).exp()
            expected -= float((1 - share) * mine[label] + share * (teacher * mine).sum())
            count += 1
    assert stage.train_step(0)["loss"] == pytest.approx(expected / count, rel=1e-3)


def test_needs_a_model_that_reads_from_left_to_right() -> None:
    world = World()
    with pytest.raises(StudioError, match="left to right"):
        Plus(world.config, world.dataset.catalogue, world.split, tiny_seq2seq(0), None, world.teacher)
