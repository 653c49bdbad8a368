"""Every title a question: what is right at each place, parts that make a whole, batches that are their step's alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from stage_world import FAMILIES, FILMS, World, listed, make_dataset, make_world

from engine.data import split_dataset
from engine.distill import random_prompt
from engine.distill.stage import make_tasks
from engine.errors import StudioError
from engine.finetune.stage import make_task
from engine.llm import PromptScorer, make_verbalizer
from engine.ranking import History
from engine.sequence_tasks import NextTitle
from engine.sequences import SequenceBatch
from engine.teachers.base import CatalogueScorer
from engine.training_prompts import make_prompts


class DigestTeacher(CatalogueScorer):
    """A teacher whose ranking is a fingerprint of the whole history, so that a mix-up of places cannot go unseen."""

    name, n_items = "digest", FILMS

    def catalogue_scores(self, histories: list[History]) -> np.ndarray:  # type: ignore[override]
        rows = [np.random.default_rng([1, *map(int, history)]).random(FILMS) for history in histories]
        return np.log(np.array(rows, dtype=np.float32))


def task(world: World, name: str, *, everywhere: bool = True, users: list[int] | None = None) -> NextTitle:
    who = np.arange(len(world.split.train)) if users is None else np.array(users)
    common = (world.config, world.dataset, world.split)
    if name == "lsr":
        prompts = make_prompts(world.config, world.dataset.catalogue)
        found = [make_task(*common, prompts, who, soft=True, everywhere=everywhere, teacher=DigestTeacher())]
    else:
        found = list(make_tasks(*common, DigestTeacher(), who, everywhere=everywhere))
    (one,) = (it for it in found if it.name == name)
    assert isinstance(one, NextTitle)
    return one


def shown(world: World, questions: SequenceBatch) -> list[list[int]]:
    """Ids in each prompt's list."""
    titles = {f" {title}": item for item, title in enumerate(world.dataset.catalogue.titles)}
    return [[titles[s.text] for s in prompt.reply if s.kind == "history"] for prompt in questions.prompts]


def world(*overrides: str, family: str = "causal") -> World:
    return make_world(*overrides, family=family, form="sequence")


def test_lsr_asks_what_came_next_at_every_place() -> None:
    made = world()
    lsr = task(made, "lsr")
    whole = [items.tolist() for items in made.split.train]
    for step in range(20):
        questions = lsr.batch(step)
        for history, labels in zip(shown(made, questions), questions.labels, strict=True):
            assert len(labels) == len(history) + 1 <= made.config.llm.window
            assert labels[:-1].tolist() == history, "each title is the answer before it"
            window = [*history, int(labels[-1])]
            assert any(window == items[n : n + len(window)] for items in whole for n in range(len(items)))


def test_in_a_pass_every_interaction_is_a_label_once() -> None:
    made = world()
    lsr = task(made, "lsr")
    total = sum(map(len, made.split.train))
    labels: list[int] = []
    step = 0
    while len(labels) < total:
        labels += torch.cat(lsr.batch(step).labels).tolist()
        step += 1
    assert sorted(labels) == sorted(np.concatenate(made.split.train).tolist())


def test_rps_asks_for_the_teachers_first_choice_of_what_is_not_listed() -> None:
    """The true next title is not looked at."""
    made = world()
    rps = task(made, "rps")
    for step in range(6):
        questions = rps.batch(step)
        assert all(prompt.text().startswith("Simulate") for prompt in questions.prompts)
        for history, labels in zip(shown(made, questions), questions.labels, strict=True):
            for length, label in enumerate(labels.tolist()):
                scores = DigestTeacher().catalogue_scores([history[:length]])[0]
                scores[history[:length]] = -np.inf
                assert label == scores.argmax()


def test_ta_hides_a_title_and_shows_the_one_after_it() -> None:
    made = world("distill.batch_size=16")
    ta, catalogue = task(made, "ta"), made.dataset.catalogue
    pairs = {(int(a), int(b)) for items in made.split.train for a, b in pairwise(items)}
    for step in range(6):
        questions = ta.batch(step)
        assert questions.ends
        for prompt, labels in zip(questions.prompts, questions.labels, strict=True):
            (hidden,) = labels.tolist()
            named = [catalogue.titles.index(s.text.strip()) for s in prompt.reply if s.text.strip() in catalogue.titles]
            assert hidden not in named
            assert (hidden, named[-1]) in pairs, "the last one named is what came next"
            assert named[:-1] == listed(type(prompt)(prompt.reply, ""), catalogue, "history")
            assert not named[:-1] or (named[-2], hidden) in pairs


def test_ta_hides_the_first_of_two_and_nothing_of_one() -> None:
    made = world()
    pair = made.split.train[0][:2]
    train = (pair, pair[:1], *made.split.train[2:])
    made.split = type(made.split)(**{**vars(made.split), "train": train})
    ta = task(made, "ta", users=[0, 1])
    assert ta.users.tolist() == [0]
    (prompt,), (label,) = ta.last().prompts, ta.last().labels
    assert label.tolist() == [pair[0]]
    assert f" {made.dataset.catalogue.titles[pair[1]]}\n The hidden movie is" in prompt.text()
    with pytest.raises(StudioError, match="the task TA takes two training interactions, which none of 1 user has"):
        task(made, "ta", users=[1])


@pytest.mark.parametrize("name", ["lsr", "rps"])
def test_models_that_read_a_text_as_a_whole_are_asked_its_end_alone(name: str) -> None:
    made = world()
    all_places, ends = task(made, name).batch(3), task(made, name, everywhere=False).batch(3)
    assert ends.prompts == all_places.prompts
    assert [labels.tolist() for labels in ends.labels] == [labels[-1:].tolist() for labels in all_places.labels]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["lsr", "rps", "ta"])
def test_parts_add_up_to_the_whole(name: str, family: str) -> None:
    made = world("distill.soft_labels=true", "finetune.soft_labels=0.3", "distill.batch_size=16", family=family)
    questions = task(made, name, everywhere=made.backbone.left_to_right).batch(0)
    verbalizer = make_verbalizer(made.config.llm, made.backbone, made.dataset.catalogue, made.split.popularity())
    scorer = PromptScorer(made.backbone, verbalizer, random_prompt(made.config, made.backbone))
    parts = list(questions.parts(1))
    assert len(parts) > 1
    assert sum(share for _, share in parts) == pytest.approx(1.0)
    assert [p for part, _ in parts for p in part.prompts] == questions.prompts
    with torch.no_grad():
        whole = float(questions.loss(scorer))
        assert sum(share * float(part.loss(scorer)) for part, share in parts) == pytest.approx(whole, rel=1e-4)
    loss, hits = questions.measured(scorer, 1)
    assert loss == pytest.approx(whole, rel=1e-4)
    with torch.no_grad():
        best = scorer.slot_scores(questions.prompts, ends=questions.ends).argmax(1)
    assert hits == pytest.approx(float((best == torch.cat(questions.labels)).float().mean()))


@pytest.mark.parametrize(
    ("name", "settings", "share", "temperature"),
    [("lsr", ["finetune.soft_labels=0.3"], 0.3, 1.0), ("rps", ["distill.soft_labels=true"], 1.0, 1.0),
     ("rps", ["distill.soft_labels=true", "distill.temperature=3"], 1.0, 3.0),
     ("lsr", ["finetune.soft_labels=0.3", "distill.temperature=3"], 0.3, 1.0)],
)  # fmt: skip
def test_the_loss_is_that_of_labels_and_of_the_teachers_probabilities_by_their_shares(
    name: str, settings: list[str], share: float, temperature: float
) -> None:
    made = world(*settings)
    questions = task(made, name).batch(0)
    scores = torch.randn(len(questions), FILMS, generator=torch.Generator().manual_seed(0))
    logprobs = scores.log_softmax(1)
    hard = -logprobs[torch.arange(len(scores)), torch.cat(questions.labels)].mean()
    histories = [history[:n] for history in shown(made, questions) for n in range(len(history) + 1)]
    chances = (torch.from_numpy(DigestTeacher().catalogue_scores(histories)) / temperature).softmax(1)
    soft = -(chances * (scores / temperature).log_softmax(1)).sum(1).mean() * temperature**2
    torch.testing.assert_close(questions._loss(scores), (1 - share) * hard + share * soft)


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    for name in ("lsr", "rps", "ta"):
        one, two = task(world(), name), task(world(), name)
        for step in (5, 0, 3):
            one.batch(step)
        one.last()
        for step in (7, 2):
            assert one.batch(step).prompts == two.batch(step).prompts
            assert [a.tolist() for a in one.batch(step).labels] == [a.tolist() for a in two.batch(step).labels]
        assert one.batch(7).prompts != one.batch(8).prompts
        assert task(world("seed=1"), name).batch(7).prompts != two.batch(7).prompts


@pytest.mark.parametrize("name", ["lsr", "rps", "ta"])
def test_what_is_held_out_shapes_no_question(name: str) -> None:
    made, other = world(), world()
    late = [[*sequence[:-2].tolist(), FILMS - 1, FILMS - 2] for sequence in made.dataset.sequences]
    other.dataset = make_dataset(late, made.dataset.catalogue.titles)
    other.split = split_dataset(other.dataset, other.config.data)
    for step in range(6):
        left, right = task(made, name).batch(step), task(other, name).batch(step)
        assert left.prompts == right.prompts
        assert torch.equal(torch.cat(left.labels), torch.cat(right.labels))


def test_validation_asks_the_ends_of_sequences() -> None:
    made = world()
    questions = task(made, "lsr", users=[2, 5]).last()
    window = made.config.llm.window
    for user, history, labels in zip((2, 5), shown(made, questions), questions.labels, strict=True):
        assert [*history, int(labels[-1])] == made.split.train[user][-window:].tolist()
