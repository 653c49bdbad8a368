"""Training questions of both stages: what may stand in them, and that a step's batch depends on its number alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from stage_world import FILMS, WATCHED, letter_titles, listed, make_dataset, make_world

from engine.config import RunConfig
from engine.data import Dataset, split_dataset
from engine.distill.tasks import ALPHA, PatternSimulating, TemporalAnalysis, best_items
from engine.errors import StudioError
from engine.finetune.examples import NextItem
from engine.ranking import History
from engine.settings import load_config
from engine.teachers import Markov
from engine.training_prompts import TrainingTask, make_prompts, passes

MakeTask = Callable[..., TrainingTask]


class DigestTeacher:
    """A teacher whose ranking is a fingerprint of the whole history, so that a mix-up of users cannot go unseen."""

    name = "digest"

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        rows = [np.random.default_rng([*map(int, history)]).random(FILMS) for history in histories]
        return np.array(rows, dtype=np.float32)

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        return np.take_along_axis(self.catalogue_scores(histories), candidates, axis=1)


def ta(config: RunConfig, dataset: Dataset) -> TrainingTask:
    split = split_dataset(dataset, config.data)
    users = np.arange(len(split.train))
    return TemporalAnalysis(config, split, dataset.catalogue, users, make_prompts(config, dataset.catalogue))


def rps(config: RunConfig, dataset: Dataset) -> TrainingTask:
    split = split_dataset(dataset, config.data)
    users, prompts = np.arange(len(split.train)), make_prompts(config, dataset.catalogue)
    return PatternSimulating(config, split, dataset.catalogue, users, prompts, DigestTeacher())


def lsr(config: RunConfig, dataset: Dataset) -> TrainingTask:
    split = split_dataset(dataset, config.data)
    users, prompts = np.arange(len(split.train)), make_prompts(config, dataset.catalogue)
    return NextItem(config, split, dataset.catalogue, users, prompts, soft=True, batch_size=4)


TASKS = [ta, rps, lsr]
every_task = pytest.mark.parametrize("make", TASKS, ids=[make.__name__ for make in TASKS])


def answers(task: TrainingTask, steps: int = 40) -> list[tuple[list[int], int, list[int]]]:
    """Films named anywhere, label, and candidates of many training questions."""
    catalogue = make_world().dataset.catalogue
    result = []
    for step in range(steps):
        batch = task.batch(step)
        for prompt, candidates, label in zip(batch.prompts, batch.candidates, batch.labels, strict=True):
            result.append((listed(prompt, catalogue), int(candidates[label]), candidates.tolist()))
    return result


@every_task
def test_answer_is_named_once_in_the_prompt_among_the_candidates(make: MakeTask) -> None:
    world = make_world()
    for named, label, candidates in answers(make(world.config, world.dataset)):
        assert Counter(named)[label] == 1
        assert label in candidates
        assert len(set(candidates)) == len(candidates) == world.config.data.candidates


@every_task
def test_candidates_are_prompted_in_their_order_and_labels_are_spread(make: MakeTask) -> None:
    world = make_world()
    task = make(world.config, world.dataset)
    places = Counter[int]()
    for step in range(60):
        batch = task.batch(step)
        places.update(batch.labels.tolist())
        for prompt, candidates in zip(batch.prompts, batch.candidates, strict=True):
            assert listed(prompt, world.dataset.catalogue, "candidate") == candidates.tolist()
    assert min(places[column] for column in range(6)) > 60 * 4 / 6 / 2


@every_task
def test_what_is_held_out_shapes_no_training_question(make: MakeTask) -> None:
    """Other validation and test items, same questions: neither labels, nor histories, nor fillers look at them."""
    world = make_world()
    other = make_dataset(
        [[*sequence[:-2].tolist(), FILMS - 1, FILMS - 2] for sequence in world.dataset.sequences], letter_titles(FILMS)
    )
    one, two = make(world.config, world.dataset), make(world.config, other)
    for step in range(10):
        left, right = one.batch(step), two.batch(step)
        assert left.prompts == right.prompts
        assert np.array_equal(left.candidates, right.candidates)
        assert np.array_equal(left.labels, right.labels)


@pytest.mark.parametrize("make", [ta, lsr], ids=["ta", "lsr"])
def test_no_validation_or_test_target_is_a_label(make: MakeTask) -> None:
    """Here every user's last two films are films that nobody has before."""
    world = make_world()
    late = make_dataset(
        [[*sequence[:-2].tolist(), FILMS - 1, FILMS - 2] for sequence in world.dataset.sequences], letter_titles(FILMS)
    )
    labels = {label for _, label, _ in answers(make(world.config, late))}
    assert labels
    assert max(labels) < WATCHED


def test_rps_shows_histories_without_held_out_films() -> None:
    world = make_world()
    late = make_dataset(
        [[*sequence[:-2].tolist(), FILMS - 1, FILMS - 2] for sequence in world.dataset.sequences], letter_titles(FILMS)
    )
    task = rps(world.config, late)
    shown = {
        item
        for step in range(20)
        for prompt in task.batch(step).prompts
        for item in listed(prompt, late.catalogue, "history")
    }
    assert shown == set(range(WATCHED))


@every_task
def test_fillers_are_films_the_user_has_not_seen(make: MakeTask) -> None:
    """All users have seen the same films, less the two that are held out."""
    world = make_world("distill.teacher_top=1")
    train = [set(sequence[:-2].tolist()) for sequence in world.dataset.sequences]
    task = make(world.config, world.dataset)
    for step in range(10):
        batch = task.batch(step)
        users = passes(task.users, step, task.batch_size, task.seed, task.name)
        for user, candidates, label in zip(users, batch.candidates, batch.labels, strict=True):
            assert not train[user] & set(np.delete(candidates, label).tolist())


@every_task
def test_a_batch_is_a_function_of_seed_and_step(make: MakeTask) -> None:
    world = make_world()
    one, two = make(world.config, world.dataset), make(world.config, world.dataset)
    one.batch(3)
    one.last()
    assert one.batch(7).prompts == two.batch(7).prompts
    assert one.batch(7).prompts != one.batch(8).prompts
    reseeded = make(make_world("seed=1").config, world.dataset)
    assert reseeded.batch(7).prompts != two.batch(7).prompts


def test_passes_ask_everyone_before_anyone_again() -> None:
    users = np.array([2, 3, 5, 7, 11])
    asked = np.concatenate([passes(users, step, 3, seed=0, stream="x") for step in range(5)])
    for start in range(0, 15, 5):
        assert sorted(asked[start : start + 5]) == users.tolist()
    assert asked[:5].tolist() != asked[5:10].tolist()


def test_ta_hides_the_second_to_last_film_and_demonstrates_on_earlier_ones() -> None:
    world = make_world("data.history=9")
    task = ta(world.config, world.dataset)
    catalogue = world.dataset.catalogue
    for user, prompt, candidates, label in zip(
        task.users, task.last().prompts, task.last().candidates, task.last().labels, strict=True
    ):
        window = world.split.train[user][-9:].tolist()
        *told, revealed = listed(prompt, catalogue, "text")
        assert told == [*window[: ALPHA - 2], window[ALPHA - 1], window[ALPHA - 2]]  # revealed, then the answer
        assert listed(prompt, catalogue, "history") == window[ALPHA - 1 : -2]
        assert revealed == window[-1]
        assert candidates[label] == window[-2]


def test_rps_label_is_the_teachers_first_choice_for_that_very_history() -> None:
    world = make_world("distill.teacher_top=4")
    task = rps(world.config, world.dataset)
    for step in range(20):
        batch = task.batch(step)
        for prompt, candidates, label in zip(batch.prompts, batch.candidates, batch.labels, strict=True):
            history = np.array(listed(prompt, world.dataset.catalogue, "history"))  # 12 films at most: all are shown
            scores = DigestTeacher().catalogue_scores([history])[0]
            scores[history] = -1
            best = np.argsort(-scores)[:4]
            assert candidates[label] == best[0]
            assert set(best) <= set(candidates)


def test_rps_does_not_add_the_true_next_film() -> None:
    """With as many candidates as the teacher's list is long, the list is all there is."""
    world = make_world("distill.teacher_top=6")
    task = rps(world.config, world.dataset)
    users = passes(task.users, 0, task.batch_size, task.seed, task.name)
    absent = 0
    for step in range(20):
        users = passes(task.users, step, task.batch_size, task.seed, task.name)
        batch = task.batch(step)
        for user, prompt, candidates in zip(users, batch.prompts, batch.candidates, strict=True):
            history = listed(prompt, world.dataset.catalogue, "history")
            following = world.dataset.sequences[user][len(history)]
            absent += following not in candidates
    assert absent > 20


def test_rps_prints_the_teachers_other_ranks_only_when_asked() -> None:
    world = make_world()
    named = answers(rps(world.config, world.dataset))
    shown = answers(rps(make_world("distill.show_teacher_ranks=true").config, world.dataset))
    for (without, label, candidates), (films, _, _) in zip(named, shown, strict=True):
        ranks = films[len(without) :]
        assert films[: len(without)] == without
        assert len(ranks) == 2
        assert set(ranks) < set(candidates) - {label}


def test_teachers_best_are_unseen_and_look_unlike_each_other() -> None:
    scores = np.array([5.0, 9.0, 8.0, 7.0, 6.0, 1.0], dtype=np.float32)
    alike = np.array([0, 1, 2, 2, 4, 1])
    everything = np.arange(6)
    assert best_items(scores, np.array([0]), 3, alike, everything) == [1, 2, 4]
    assert best_items(scores, np.array([5]), 3, alike, everything) == [2, 4, 0]
    assert best_items(scores, np.array([0]), 3, alike, np.array([0, 3, 4, 5])) == [3, 4, 5]


def test_teachers_scores_are_not_changed() -> None:
    world = make_world()
    scores = Markov(world.split.train, world.split.n_items).catalogue_scores([world.split.train[0]])[0]
    before = scores.copy()
    best_items(scores, world.split.train[0], 3, world.dataset.catalogue.look_alikes, np.arange(world.split.n_items))
    assert np.array_equal(scores, before)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_soft_labels_are_the_teachers_probabilities_of_the_candidates(temperature: float) -> None:
    """The questions stay the same; hard labels aim at the first choice, soft ones at the teacher's whole order."""
    world = make_world()
    hard = rps(world.config, world.dataset).batch(0)
    settings = "distill.soft_labels=true", f"distill.temperature={temperature}"
    soft = rps(make_world(*settings).config, world.dataset).batch(0)
    assert np.array_equal(hard.targets, hard.labels)
    assert np.array_equal(soft.labels, hard.labels)
    for prompt, candidates, label, aim in zip(soft.prompts, soft.candidates, soft.labels, soft.targets, strict=True):
        history = np.array(listed(prompt, world.dataset.catalogue, "history"))
        chances = np.exp(DigestTeacher().catalogue_scores([history])[0][candidates] / temperature)
        np.testing.assert_allclose(aim, chances / chances.sum(), rtol=1e-5)
        assert aim.argmax() == label
    assert all(part.temperature == temperature for part, _ in soft.parts(3))
    assert np.array_equal(np.concatenate([part.targets for part, _ in soft.parts(3)]), soft.targets)


@every_task
def test_looking_for_cuts_does_not_go_through_the_catalogue_for_every_user(
    make: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would take minutes where users and items are many."""
    world, sorted_at_once = make_world(), []
    whole = np.unique
    monkeypatch.setattr(
        np, "unique", lambda it, *args, **more: sorted_at_once.append(len(it)) or whole(it, *args, **more)
    )
    task = make(world.config, world.dataset)
    assert len(task.users) > 3
    assert len([size for size in sorted_at_once if size >= FILMS // 2]) <= 3


def test_lsr_asks_every_next_film_of_the_training_sequence() -> None:
    world = make_world()
    task = lsr(world.config, world.dataset)
    for user, cuts in task.cuts.items():
        assert cuts.tolist() == list(range(2, len(world.split.train[user]) + 1))
    batch, catalogue = task.last(), world.dataset.catalogue
    for user, prompt, candidates, label in zip(task.users, batch.prompts, batch.candidates, batch.labels, strict=True):
        assert listed(prompt, catalogue, "history") == world.split.train[user][:-1].tolist()
        assert candidates[label] == world.split.train[user][-1]


def test_history_dropout_drops_some_keeps_order_and_never_all() -> None:
    world = make_world()
    users, prompts = np.arange(len(world.split.train)), make_prompts(world.config, world.dataset.catalogue)
    task = NextItem(
        world.config,
        world.split,
        world.dataset.catalogue,
        users,
        prompts,
        soft=False,
        batch_size=4,
        history_dropout=0.8,
    )
    lengths = []
    for step in range(20):
        asked = passes(task.users, step, 4, task.seed, task.name)
        for user, prompt in zip(asked, task.batch(step).prompts, strict=True):
            shown = listed(prompt, world.dataset.catalogue, "history")
            positions = [world.split.train[user].tolist().index(item) for item in shown]
            assert positions == sorted(positions)
            lengths.append(len(shown))
    assert min(lengths) == 1
    assert np.mean(lengths) < 3


@every_task
def test_films_that_look_alike_give_no_answer_away(make: MakeTask) -> None:
    """Films 2i and 2i+1 carry one title: whoever has seen one has, for any reader, seen the other."""
    world = make_world("data.candidates=4")
    titles = [f"Harbour {chr(65 + item // 2)}" for item in range(FILMS)]
    dataset = make_dataset([sequence.tolist() for sequence in world.dataset.sequences], titles)
    task = make(world.config, dataset)
    for step in range(20):
        batch = task.batch(step)
        for prompt, candidates, label in zip(batch.prompts, batch.candidates, batch.labels, strict=True):
            assert sum(segment.text == f" {titles[candidates[label]]}" for segment in prompt.segments) == 1
            assert len({titles[item] for item in candidates}) == 4


def test_too_few_unseen_films_are_told_in_one_line() -> None:
    world = make_world("data.candidates=20")
    with pytest.raises(StudioError, match=r"data\.candidates.*at most 17"):
        lsr(world.config, world.dataset).batch(0)


def test_sequences_too_short_for_a_task_are_told_in_one_line() -> None:
    config = load_config("smoke")
    short = make_dataset([[0, 1, 2, 3, 4, 5]] * 4, letter_titles(FILMS))
    with pytest.raises(StudioError, match="long enough for the task TA"):
        ta(config, short)
