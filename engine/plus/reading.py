"""How DELRec-plus reads a history: word by word, or one position per title."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.llm import Prompts
from engine.ranking import History

if TYPE_CHECKING:
    from engine.plus.model import Plus

Ends = list[list[int]]
"""Per history, the positions before its first title and behind each of its titles."""


@dataclass(frozen=True)
class Reading:
    """A way to read.

    ``read(plus, histories, prompts, dropout)`` returns what has been understood at every position, ``[B, T, width]``,
    and where titles end. ``share``: how many such histories weigh as much as one read word by word.
    """

    read: Callable[[Plus, Sequence[History], Prompts, float], tuple[Tensor, Ends]]
    share: int


def read_words(plus: Plus, histories: Sequence[History], prompts: Prompts, dropout: float) -> tuple[Tensor, Ends]:
    """All tokens of all titles; the teacher's item embedding is added to the mark behind the title."""
    soft = plus.soft_prompt
    texts = [prompts.reading(history, soft=soft is not None) for history in histories]
    encoded = [plus.backbone.encode(text, len(soft) if soft else 0) for text in texts]
    batch = plus.backbone.embed(encoded, soft.weight if soft else None)
    ends = [
        [encoding.spans["history", i].start - 1 for i in range(len(history))] + [len(encoding) - 1]
        for encoding, history in zip(encoded, histories, strict=True)
    ]
    if plus.behaviour is not None:
        at = [
            (row, end, int(item))
            for row, history in enumerate(histories)
            for end, item in zip(ends[row][1:], history, strict=True)
        ]
        if at:
            rows, columns, items = torch.tensor(at, device=plus.backbone.device).T
            batch.inputs.index_put_((rows, columns), plus.beside(items).to(batch.inputs), accumulate=True)
    inputs = F.dropout(batch.inputs, dropout, dropout > 0)
    return plus.backbone.token_states(inputs), ends


def read_titles(plus: Plus, histories: Sequence[History], prompts: Prompts, dropout: float) -> tuple[Tensor, Ends]:
    """Behind the instruction and the soft prompt, each title is one vector, with the teacher's embedding added."""
    assert plus.titles is not None
    soft = plus.soft_prompt
    opening = plus.backbone.encode(prompts.reading([], soft=soft is not None), len(soft) if soft else 0)
    trunk = plus.backbone.embed([opening], soft.weight if soft else None).inputs[0]
    device = plus.backbone.device
    rows = [torch.as_tensor(np.asarray(history, np.int64), device=device) for history in histories]
    items = torch.nn.utils.rnn.pad_sequence(rows, True)
    vectors = plus.title_vectors(prompts)[items]
    inputs = plus.titles(F.rms_norm(vectors, vectors.shape[-1:]) * plus.embedding_scale)
    if plus.behaviour is not None:
        inputs = inputs + plus.beside(items)
    inputs = F.dropout(inputs, dropout, dropout > 0).to(trunk)
    return plus.backbone.states_behind(trunk, inputs), [list(range(len(row) + 1)) for row in rows]


READINGS = {"words": Reading(read_words, 1), "titles": Reading(read_titles, 8)}
"""By the setting ``plus.reading``."""
