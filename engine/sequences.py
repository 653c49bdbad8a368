"""Every title a question: a training sequence is read once and asked behind each of its titles.

A list of titles of which each is predicted from those before it costs a few tokens a label, a prompt with twenty
candidates some two hundred. Windows are cut as for the teachers, so that every interaction is a label once in a pass;
a step's batch is a pure function of its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine import distributed
from engine.llm.prompts import Prompt
from engine.llm.scorer import PromptScorer
from engine.ranking import PrefixRanker
from engine.seeds import generator
from engine.subsets import places_in
from engine.teachers.windows import Batch, Windows
from engine.transfer import to_device


@dataclass(frozen=True)
class Sequences:
    """Windows to be asked about; ``asked``: bool ``[B, L]``, the labels that count."""

    windows: Batch
    asked: Tensor

    def __len__(self) -> int:
        """Questions."""
        return int(self.asked.sum())

    def rows(self, which: slice) -> Sequences:
        """Some of the windows."""
        batch = self.windows
        return Sequences(Batch(batch.inputs[which], batch.labels[which], batch.real[which]), self.asked[which])

    def histories(self) -> list[np.ndarray]:
        """int64 per window: the items of which, and behind which, the next is asked: all but the last."""
        inputs, real = self.windows.inputs.numpy(), self.windows.real.numpy()
        return [row[1:][held[1:]] for row, held in zip(inputs, real, strict=True)]

    def labels(self) -> list[Tensor]:
        """int64 per window: the items that come next."""
        return [row[asked] for row, asked in zip(self.windows.labels, self.asked, strict=True)]


class SequenceBatches:
    """Windows over the sequences of some users, pass after pass.

    Args:
        train: int64 item ids per user.
        window: labels in a whole window.
        size: whole windows whose labels make a batch.
        start: the id that begins inputs, for teachers.
        everywhere: ask behind every title, or, for models that read a text as a whole, behind the last alone.
    """

    def __init__(
        self,
        train: Sequence[np.ndarray],
        window: int,
        size: int,
        start: int,
        seed: int,
        stream: str,
        *,
        everywhere: bool,
    ) -> None:
        self.size, self.seed, self.stream, self.everywhere = size, seed, stream, everywhere
        self.windows = Windows(train, window, start)
        self._passes: list[list[Batch]] = []

    def batch(self, step: int) -> Sequences:
        """Batch number ``step`` of all passes in a row; a pass is cut and shuffled by its number alone."""
        number = 0
        while True:
            if number == len(self._passes):
                random = generator(self.seed, self.stream, "pass", number)
                self._passes.append(list(self.windows.batches(self.size, random)))
            if step < len(self._passes[number]):
                return self._asked(self._passes[number][step])
            step -= len(self._passes[number])
            number += 1

    def last(self, sequences: Sequence[np.ndarray]) -> Sequences:
        """One window of each of ``sequences``, its end: what validation asks."""
        whole = Windows([items[-self.windows.size :] for items in sequences], self.windows.size, self.windows.start)
        return self._asked(whole.uncut())

    def _asked(self, batch: Batch) -> Sequences:
        if self.everywhere:
            return Sequences(batch, batch.real)
        ends = torch.zeros_like(batch.real)
        ends[torch.arange(len(ends)), batch.real.sum(1) - 1] = True
        return Sequences(batch, ends)


@dataclass(frozen=True)
class SequenceBatch:
    """Prompts that are asked at each of their slots, or at their ends alone."""

    prompts: list[Prompt]
    labels: list[Tensor]
    """int64 per prompt: the right item at each of its slots."""
    learned: Tensor
    """int64: the items among which it is found, ascending."""
    window: int
    """Titles of a whole window."""
    ends: bool = False
    """Asked at the end alone."""
    windows: Sequences | None = None
    """What the teacher is asked about: one window per prompt, whose questions are the slots."""
    teacher: PrefixRanker | None = None
    share: float = 0.0
    """How much is learned from the teacher's probabilities of all items instead of from the label."""
    temperature: float = 1.0
    """What scores, the teacher's and one's own, are divided by where the teacher's probabilities are learned from."""

    def __len__(self) -> int:
        return sum(map(len, self.labels))

    def parts(self, size: int, least: int = 1) -> Iterator[tuple[SequenceBatch, float]]:
        """Pieces as long as ``size`` whole windows, each with its share of all questions: losses add up by these.

        What costs is text, so many short windows go together: the catalogue is scored once for all of them. There are
        at least ``least`` pieces, if there are as many prompts.
        """
        sizes = [len(prompt.reply) for prompt in self.prompts]
        for piece in _pieces(sizes, size * 2 * self.window, least):
            windows = None if self.windows is None else self.windows.rows(piece)
            part = replace(self, prompts=self.prompts[piece], labels=self.labels[piece], windows=windows)
            yield part, len(part) / len(self)

    def loss(self, scorer: PromptScorer) -> Tensor:
        """Mean cross-entropy over the learned items, a scalar; differentiable in all that the scorer learns."""
        return self._loss(scorer.slot_scores(self.prompts, ends=self.ends))

    def _loss(self, scores: Tensor) -> Tensor:
        """The same of ``scores [questions, items]``."""
        learned, labels = to_device(self.learned, scores.device), to_device(torch.cat(self.labels), scores.device)
        opinions = self._opinions()
        if len(learned) < scores.shape[1]:  # cold items, as everybody's negatives, would be learned after all
            scores, labels = scores[:, learned], places_in(learned, labels)
        loss = cross_entropy(scores, labels) * (1 - self.share)
        if opinions is not None:
            probs = (to_device(opinions, scores.device)[:, learned] / self.temperature).softmax(1)
            loss = loss + self.share * self.temperature**2 * cross_entropy(scores / self.temperature, probs)
        return loss

    def measured(self, scorer: PromptScorer, size: int) -> tuple[float, float]:
        """Mean loss and the share of questions whose label comes first, asked ``size`` prompts at a time."""
        loss = hits = 0.0
        with torch.inference_mode():
            for number, (part, share) in enumerate(self.parts(size, distributed.world_size())):
                if number % distributed.world_size() != distributed.rank():
                    continue
                scores = scorer.slot_scores(part.prompts, ends=self.ends)
                loss += share * float(part._loss(scores))
                first = self.learned[scores.cpu()[:, self.learned].argmax(1)]
                hits += share * float((first == torch.cat(part.labels)).float().mean())
        loss, hits = distributed.all_reduce((), loss, hits)
        return loss, hits

    def _opinions(self) -> Tensor | None:
        if self.teacher is None or self.windows is None or not self.share:
            return None
        return self.teacher.prefix_scores(self.windows.histories())[self.windows.asked[self.windows.windows.real]]


def _pieces(sizes: Sequence[int], most: int, least: int) -> Iterator[slice]:
    """Neighbours whose sizes add up to at most ``most``, or one alone that is larger; at least ``least`` of them."""
    most = min(most, -(-sum(sizes) // least))
    start, held, left = 0, 0, least
    for place, size in enumerate(sizes):
        if place > start and (held + size > most or len(sizes) - place < left):
            yield slice(start, place)
            start, held, left = place, 0, left - 1
        held += size
    if start < len(sizes):
        yield slice(start, len(sizes))
