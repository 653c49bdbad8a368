"""A recommender that reads titles beside ids: a part of DELRec-plus (:mod:`engine.plus`).

SASRec's network, whose item embeddings are a small network of the titles' vectors (:mod:`engine.llm.title_vectors`), to
which an embedding of the item's own is added: so an item that hardly anybody chose, or nobody, has an embedding that
was learned from items with titles like its own, and one that many chose need not be what its title says. In training
half of the items' own embeddings are left out of each batch, so that titles have to do without them (DropoutNet,
Volkovs et al., NeurIPS 2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, pad

from engine.config import TeacherConfig
from engine.data import Split
from engine.monitor import Monitor
from engine.seeds import derive
from engine.teachers.sasrec import SASRec
from engine.teachers.teacher import Teacher, read_teacher
from engine.teachers.train import train
from engine.teachers.windows import Batch

NAME = "text"
HIDDEN = 2
"""Times the width of an embedding: hidden units between a title's vector and its embedding."""
DROPOUT = 0.1
"""Of these units; what sparse data takes elsewhere, .5, is too much for them."""
ID_DROPOUT = 0.5
"""Of the items' own embeddings, in each batch."""


class TitleItems(nn.Module):
    """Stands where a table of embeddings would: ``[titles + 1, width]``, the last one of the start.

    Args:
        vectors: float32 ``[titles, k]``; they belong to the titles and are not kept with the weights.

    Attributes:
        ids: float32 ``[titles, width]``, zero of an item that nobody chose.
    """

    def __init__(self, vectors: Tensor, config: TeacherConfig) -> None:
        super().__init__()
        width = self.embedding_dim = config.width
        self.read = nn.Sequential(
            nn.Linear(vectors.shape[1], HIDDEN * width),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(HIDDEN * width, width),
        )
        self.start = nn.Parameter(torch.empty(1, width).normal_(std=width**-0.5))
        self.ids = nn.Parameter(torch.zeros(len(vectors), width))
        self.vectors: Tensor
        self.register_buffer("vectors", vectors, persistent=False)
        self._held: Tensor | None = None
        self.register_load_state_dict_pre_hook(_without_ids)  # type: ignore[no-untyped-call]

    @property
    def weight(self) -> Tensor:
        """All embeddings."""
        if self._held is not None:
            return self._held
        ids: Tensor = self.ids
        if self.training:
            ids = ids * (torch.rand(len(ids), 1, device=ids.device) >= ID_DROPOUT)
        return torch.cat([self.read(self.vectors) + ids, self.start])

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within, the weights do not change, and all that asks for embeddings gets the same ones."""
        self._held = self.weight
        try:
            yield
        finally:
            self._held = None

    def forward(self, items: Tensor) -> Tensor:
        return embedding(items, self.weight)


def _without_ids(module: nn.Module, weights: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights of an earlier version, which knew titles alone, mean what they meant."""
    assert isinstance(module, TitleItems)
    weights.setdefault(f"{prefix}ids", torch.zeros_like(module.ids))


class TextNetwork(SASRec):
    """SASRec over ``vectors`` of titles, float32 ``[titles, k]``."""

    items: TitleItems  # type: ignore[assignment]

    def __init__(self, vectors: Tensor, config: TeacherConfig) -> None:
        super().__init__(len(vectors), config)
        self.items = TitleItems(vectors, config)

    def backward(self, batch: Batch, learned: Tensor, random: np.random.Generator) -> tuple[float, float]:
        """Titles are read once for what was chosen before and for what is to be told apart."""
        with self.items.once():
            return super().backward(batch, learned, random)

    @torch.no_grad()
    def reset_cold_items(self, cold: Tensor, learned: Tensor) -> None:
        """Cold items keep the direction that their titles give them: no training gives their ids another."""
        self.bias[cold] = self.bias[learned].min()


class TextRecommender(Teacher):
    """A :class:`TextNetwork` that ranks."""

    reads_titles = True

    def __init__(self, vectors: Tensor, config: TeacherConfig) -> None:
        self.name = NAME
        self.n_items = len(vectors)
        self.config = config
        self.network = TextNetwork(vectors.float().cpu(), config)

    def about(self, vectors: Tensor) -> TextRecommender:
        """The same about other titles, or more: those are items like any, expected as little as the least expected."""
        other = TextRecommender(vectors, self.config)
        learned = self.network.state_dict()
        bias, ids = learned["bias"], learned["items.ids"]
        more = len(vectors) - len(bias)
        of_titles = {"bias": pad(bias, (0, more), value=bias.min()), "items.ids": pad(ids, (0, 0, 0, more))}
        other.network.load_state_dict(learned | of_titles)
        other.network.to(self.device).eval()
        other.validated = self.validated
        return other


def train_text(
    vectors: Tensor, split: Split, config: TeacherConfig, seed: int, checkpoint: Path, monitor: Monitor
) -> TextRecommender:
    """A new text recommender, trained as teachers are (:func:`engine.teachers.train.train`).

    What no training interaction is of is no negative either, in whatever split: as one, never chosen and always there,
    it would learn an id that puts it behind everything that its title says.

    Args:
        vectors: float32 ``[split.n_items, k]`` of the catalogue's titles.
    """
    torch.manual_seed(derive(seed, NAME, "weights"))
    split = replace(split, cold=np.flatnonzero(split.popularity() == 0))
    return train(TextRecommender(vectors, config), split, seed, checkpoint, monitor, NAME)


def load_text(path: Path, vectors: Tensor, device: str = "cpu") -> TextRecommender:
    """Read what :meth:`TextRecommender.save` wrote; raises as :func:`engine.teachers.load_teacher` does.

    Args:
        vectors: float32 ``[items, k]`` of the catalogue's titles.
    """
    return read_teacher(path, len(vectors), device, lambda _, config: TextRecommender(vectors, config))
