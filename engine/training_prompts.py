"""Questions for training an LLM: prompts with candidates and the place of the right one.

Users come in shuffled passes, everything else is drawn from (seed, task, step): a step's batch is a pure function of
its number, so a resumed run asks exactly what an uninterrupted one would have asked. Only training sequences are read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine import distributed
from engine.config import RunConfig
from engine.data.catalogue import Catalogue
from engine.data.split import Split
from engine.datasets import domain_of
from engine.errors import StudioError
from engine.labels import label, plural
from engine.llm.prompts import Prompt, Prompts
from engine.llm.ranker import LLMRanker, SequenceRanker
from engine.llm.scorer import PromptScorer
from engine.llm.sequence_prompts import SequencePrompts
from engine.seeds import generator
from engine.stages import distilled_teacher


@dataclass(frozen=True)
class TrainingBatch:
    """A batch to be asked."""

    prompts: list[Prompt]
    candidates: np.ndarray
    """int64 ``[n, m]`` item ids, in the order in which the prompts list them."""
    labels: np.ndarray
    """int64 ``[n]``: the column of the right candidate."""
    targets: np.ndarray
    """What training aims at: the labels, or float32 ``[n, m]`` how probable each candidate is."""
    temperature: float = 1.0
    """At which they are."""

    def __len__(self) -> int:
        return len(self.prompts)

    def loss(self, scorer: PromptScorer) -> Tensor:
        """The verbalizer's training loss, a scalar; differentiable in the soft prompt and in adapters."""
        return scorer.loss(self.prompts, self.candidates, self.targets, self.temperature)

    def measured(self, scorer: PromptScorer, size: int) -> tuple[float, float]:
        """Mean loss, and the share of questions whose label comes first."""
        scores = torch.from_numpy(
            distributed.map_rows(len(self), lambda own: scorer.scores(self.prompts[own], self.candidates[own]))
        )
        labels = torch.from_numpy(self.labels)
        return float(cross_entropy(scores, labels)), float((scores.argmax(1) == labels).float().mean())

    def parts(self, size: int, least: int = 1) -> Iterator[tuple[TrainingBatch, float]]:
        """Pieces of at most ``size`` questions, each with its share of all: their losses add up by these shares.

        There are at least ``least`` of them, if there are as many questions.
        """
        size = min(size, max(1, len(self) // least))
        for start in range(0, len(self), size):
            piece = slice(start, start + size)
            arrays = self.candidates[piece], self.labels[piece], self.targets[piece]
            part = TrainingBatch(self.prompts[piece], *arrays, self.temperature)
            yield part, len(part) / len(self)


@dataclass(frozen=True)
class TrainingPrompt:
    """One prompt with its candidates (int64 ``[m]``) and the column of the right one.

    ``teacher_probs``: float32 ``[m]``, how probable each candidate is, where training aims at more than the label.
    """

    prompt: Prompt
    candidates: np.ndarray
    label: int
    teacher_probs: np.ndarray | None = None


def collate(questions: Sequence[TrainingPrompt], temperature: float = 1.0) -> TrainingBatch:
    """Single questions of one task as one batch; all have equally many candidates, and all have opinions or none."""
    labels = np.array([question.label for question in questions], dtype=np.int64)
    teacher_probs = [question.teacher_probs for question in questions if question.teacher_probs is not None]
    return TrainingBatch(
        [question.prompt for question in questions],
        np.stack([question.candidates for question in questions]),
        labels,
        np.stack(teacher_probs) if teacher_probs else labels,
        temperature,
    )


class TrainingTask(ABC):
    """Something to ask about the training sequences: where to cut them, and what to ask there.

    A *cut* of a user's training sequence ``s`` is a number ``e``: the question may use ``s[:e]`` and nothing after it,
    save that fillers among the candidates avoid every item of ``s``.
    """

    name: str
    takes: str
    """What a training sequence must have, in words."""
    without: str
    """How to do without the task."""
    temperature = 1.0
    """Of the probabilities that it aims at."""

    def __init__(
        self, config: RunConfig, split: Split, catalogue: Catalogue, users: np.ndarray, batch_size: int
    ) -> None:
        """``users``: int64 ``[n]`` indices of those to ask about; users without any cut are left out.

        Raises:
            StudioError: no user's training sequence is long enough.
        """
        self.split = split
        self.alike = catalogue.look_alikes
        self.learned = split.warm
        self.n_candidates = config.data.candidates
        self.history = config.data.history
        self.batch_size = batch_size
        self.seed = config.seed
        self.cuts = {int(user): cuts for user in users if len(cuts := self.find_cuts(split.train[user]))}
        if not self.cuts:
            longest = max((len(split.train[user]) for user in users), default=0)
            raise StudioError(
                f"no training sequence of {plural(len(users), 'user')} is long enough for the task {self.name.upper()}:"
                f" it takes {self.takes}, and the longest has {longest}",
                where="data",
                remedy=f"use data with more users, items and interactions, or {self.without}",
            )
        self.users = np.array(list(self.cuts), dtype=np.int64)

    @abstractmethod
    def find_cuts(self, sequence: np.ndarray) -> np.ndarray:
        """int64: the cuts of a training sequence at which this task can be asked, ascending; may be empty."""

    @abstractmethod
    def ask(self, places: Sequence[tuple[int, int]], random: np.random.Generator) -> list[TrainingPrompt]:
        """One question for each (user, cut)."""

    def batch(self, step: int) -> TrainingBatch:
        """The training batch of step number ``step``."""
        random = generator(self.seed, self.name, "step", step)
        users = passes(self.users, step, self.batch_size, self.seed, self.name)
        places = [(int(user), int(random.choice(self.cuts[user]))) for user in users]
        return collate(self.ask(places, random), self.temperature)

    def last(self) -> TrainingBatch:
        """One fixed question for every user, at the last cut: what validation asks."""
        random = generator(self.seed, self.name, "last")
        places = [(user, int(cuts[-1])) for user, cuts in self.cuts.items()]
        return collate(self.ask(places, random), self.temperature)

    def candidates(self, user: int, fixed: Sequence[int], random: np.random.Generator) -> tuple[np.ndarray, int]:
        """Shuffled candidates (int64 ``[m]``) and the column of the label: ``fixed``, label first, and uniform fillers.

        Fillers look unlike each other, ``fixed`` and the user's training interactions. What she did later is not
        looked at, so that no held-out interaction shapes the training. Cold items are none: always wrong there, they
        would be known as such.

        Raises:
            StudioError: the catalogue has too few items that the user has not seen.
        """
        taken = np.concatenate([np.asarray(fixed, np.int64), self.split.train[user]])
        pool = random.permutation(self.learned[~np.isin(self.alike[self.learned], self.alike[taken])])
        distinct = pool[np.sort(np.unique(self.alike[pool], return_index=True)[1])]
        missing = self.n_candidates - len(fixed)
        if missing > len(distinct):
            most = len(distinct) + len(fixed)
            raise StudioError(
                f"a user has too few unseen items for {self.n_candidates} candidates in training",
                where="data.candidates",
                remedy=f"set data.candidates to at most {most}",
            )
        chosen = random.permutation(np.concatenate([np.asarray(fixed, np.int64), distinct[:missing]]))
        return chosen, int(np.flatnonzero(chosen == fixed[0])[0])


def passes(users: np.ndarray, step: int, batch_size: int, seed: int, stream: str) -> np.ndarray:
    """int64 ``[batch_size]``: the users of step number ``step``; shuffled passes, each user once before any again."""
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    chosen = [
        generator(seed, stream, "pass", number).permutation(users)[places[places // len(users) == number] % len(users)]
        for number in np.unique(places // len(users))
    ]
    return np.concatenate(chosen)


def llm_ranker(name: str, scorer: PromptScorer, prompts: Prompts, config: RunConfig, n_items: int) -> LLMRanker:
    """The row ``name``, asked in the settings' form; ``n_items`` of the data set."""
    if config.llm.prompts == "sequence":
        return SequenceRanker(name, scorer, prompts, config.data.history, n_items)
    return LLMRanker(name, scorer, prompts, config.data.history)


def make_prompts(config: RunConfig, catalogue: Catalogue, teacher: str | None = None) -> Prompts:
    """Prompts in the words of the settings' domain and teacher; an extended catalogue brings titles of one's own.

    ``teacher``: how it is called instead of by its own name.
    """
    form = SequencePrompts if config.llm.prompts == "sequence" else Prompts
    name = teacher or label(distilled_teacher(config))
    return form(domain_of(config.data), name, catalogue, config.llm.show_year, config.llm.title_length)
