"""LSR: the recommendation task itself, asked about training sequences (paper section IV-C)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.config import RunConfig
from engine.data.catalogue import Catalogue
from engine.data.split import Split
from engine.llm.prompts import Prompts
from engine.training_prompts import TrainingPrompt, TrainingTask


class NextItem(TrainingTask):
    """LSR: given the history ``s[:cut-1]``, the label is the true next item ``s[cut-1]``.

    The cuts are a sliding window over each training sequence. Candidates are the label and uniform unseen items.
    """

    name = "lsr"
    takes = "two items that look unlike"
    without = "set finetune.enabled=false"

    def __init__(
        self,
        config: RunConfig,
        split: Split,
        catalogue: Catalogue,
        users: np.ndarray,
        prompts: Prompts,
        *,
        soft: bool,
        batch_size: int,
        history_dropout: float = 0.0,
    ) -> None:
        """``soft``: whether the prompts hold a soft prompt. ``history_dropout``: chance of dropping a history item."""
        self.prompts = prompts
        self.soft = soft
        self.history_dropout = history_dropout
        super().__init__(config, split, catalogue, users, batch_size)

    def find_cuts(self, sequence: np.ndarray) -> np.ndarray:
        """Cuts after which something was chosen that the history shown does not hold."""
        codes = self.alike[sequence].tolist()
        shown = {cut: codes[max(0, cut - 1 - self.history) : cut - 1] for cut in range(2, len(codes) + 1)}
        return np.array([cut for cut, before in shown.items() if codes[cut - 1] not in before], dtype=np.int64)

    def ask(self, places: Sequence[tuple[int, int]], random: np.random.Generator) -> list[TrainingPrompt]:
        return [self._ask(user, cut, random) for user, cut in places]

    def _ask(self, user: int, cut: int, random: np.random.Generator) -> TrainingPrompt:
        sequence = self.split.train[user]
        history = sequence[: cut - 1][-self.history :]
        if self.history_dropout:
            kept = random.random(len(history)) >= self.history_dropout
            kept[-1] |= not kept.any()
            history = history[kept]
        candidates, label = self.candidates(user, [sequence[cut - 1]], random)
        return TrainingPrompt(self.prompts.lsr(history, candidates, soft=self.soft), candidates, label)
