"""TA, RPS and LSR in the sequence form: every title of a window is a question (see :mod:`engine.sequences`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from engine.config import RunConfig
from engine.data.split import Split
from engine.errors import StudioError
from engine.labels import plural
from engine.llm.sequence_prompts import SequencePrompts
from engine.ranking import PrefixRanker
from engine.seeds import generator
from engine.sequences import SequenceBatch, SequenceBatches, Sequences

HIDDEN = 4
"""Titles of a window that TA hides, each in a prompt of its own."""


class NextTitle:
    """LSR: the true next title at each place. With a ``teacher``, a share is learned from its probabilities there.

    As RPS (``task="rps"``): the teacher's probabilities of all items, or its first choice among those not listed, at
    each place; what the user went on to is not looked at.
    """

    shortest, takes = 1, "a training interaction"
    """How many training interactions it takes, in words too."""

    def __init__(
        self,
        config: RunConfig,
        split: Split,
        users: np.ndarray,
        prompts: SequencePrompts,
        *,
        soft: bool,
        batch_size: int,
        everywhere: bool,
        task: Literal["lsr", "rps", "ta"] = "lsr",
        teacher: PrefixRanker | None = None,
        share: float = 0.0,
        temperature: float = 1.0,
    ) -> None:
        """``share``: of the loss; ``temperature``: of these; ``everywhere``: see :class:`SequenceBatches`.

        Raises:
            StudioError: no user has enough training interactions.
        """
        self.name: str = task
        self.prompts, self.soft, self.task = prompts, soft, task
        self.teacher, self.share, self.temperature = teacher, share, temperature
        self.learned = torch.from_numpy(split.warm)
        self.window = config.llm.window
        self.users = np.array([user for user in users if len(split.train[user]) >= self.shortest], dtype=np.int64)
        self.sequences = [split.train[user] for user in self.users]
        if not self.sequences:
            raise StudioError(
                f"the task {self.name.upper()} takes {self.takes}, which none of {plural(len(users), 'user')} has",
                where="data",
                remedy="use data with more users and interactions",
            )
        self.batches = SequenceBatches(
            self.sequences,
            config.llm.window,
            batch_size,
            split.n_items,
            config.seed,
            self.name,
            everywhere=everywhere,
        )

    def batch(self, step: int) -> SequenceBatch:
        return self.ask(self.batches.batch(step), step)

    def last(self) -> SequenceBatch:
        return self.ask(self.batches.last(self.sequences), 0)

    def ask(self, windows: Sequences, step: int) -> SequenceBatch:
        histories = windows.histories()
        if self.task == "rps":
            prompts = [self.prompts.rps(history, ()) for history in histories]
        else:
            prompts = [self.prompts.lsr(history, (), self.soft) for history in histories]
        labels = self._first_choices(windows) if self.task == "rps" else windows.labels()
        return SequenceBatch(
            prompts,
            labels,
            self.learned,
            self.window,
            windows=windows,
            teacher=self.teacher,
            share=self.share,
            temperature=self.temperature,
        )

    def _first_choices(self, windows: Sequences) -> list[torch.Tensor]:
        """int64 per window: the teacher's first choice at each place among learned items that are not listed before."""
        assert self.teacher is not None
        batch = windows.windows
        opinions = self.teacher.prefix_scores(windows.histories()).cpu()
        allowed = torch.full((opinions.shape[1],), -torch.inf)
        allowed[self.learned] = 0
        choices = []
        for history, rows, asked in zip(
            windows.histories(), opinions.split(batch.real.sum(1).tolist()), windows.asked, strict=True
        ):
            rows = rows + allowed
            for place in range(1, len(rows)):
                rows[place, torch.from_numpy(history[:place])] = -torch.inf
            choices.append(rows.argmax(1)[asked[: len(rows)]])
        return choices


class HiddenTitle(NextTitle):
    """TA: a title is hidden, the one after it revealed: which is it?"""

    shortest, takes = 2, "two training interactions"

    def __init__(
        self, config: RunConfig, split: Split, users: np.ndarray, prompts: SequencePrompts, *, batch_size: int
    ) -> None:
        self.seed = config.seed
        super().__init__(
            config,
            split,
            users,
            prompts,
            soft=True,
            batch_size=max(1, batch_size // HIDDEN),
            everywhere=True,
            task="ta",
        )

    def last(self) -> SequenceBatch:
        return self._hidden(self.batches.last(self.sequences), 0, 1)

    def ask(self, windows: Sequences, step: int) -> SequenceBatch:
        return self._hidden(windows, step, HIDDEN)

    def _hidden(self, windows: Sequences, step: int, most: int) -> SequenceBatch:
        """Up to ``most`` titles of each window are hidden, drawn by the step's number."""
        random = generator(self.seed, "ta", "hidden", step)
        prompts, labels = [], []
        for row, real in zip(windows.windows.labels.numpy(), windows.windows.real.numpy(), strict=True):
            items = row[real]
            places = np.arange(1, len(items) - 1) if len(items) > 2 else np.arange(len(items) - 1)
            for place in np.sort(random.choice(places, min(most, len(places)), replace=False)).tolist():
                prompts.append(self.prompts.hidden(items[:place], int(items[place + 1])))
                labels.append(torch.tensor([items[place]]))
        return SequenceBatch(prompts, labels, self.learned, self.window, ends=True)


def distil_tasks(
    config: RunConfig,
    split: Split,
    prompts: SequencePrompts,
    teacher: PrefixRanker,
    users: np.ndarray,
    *,
    everywhere: bool,
) -> Sequence[NextTitle]:
    """Stage 1's tasks by its settings, asked about ``users``."""
    settings = config.distill
    size = settings.batch_size
    if settings.prompt == "lsr":
        return [NextTitle(config, split, users, prompts, soft=True, batch_size=size, everywhere=everywhere)]
    tasks: list[NextTitle] = []
    if settings.rps:
        tasks.append(
            NextTitle(
                config,
                split,
                users,
                prompts,
                soft=True,
                batch_size=size,
                everywhere=everywhere,
                task="rps",
                teacher=teacher,
                share=float(settings.soft_labels),
                temperature=settings.temperature,
            )
        )
    if settings.ta:
        tasks.append(HiddenTitle(config, split, users, prompts, batch_size=size))
    return tasks
