"""A trained head: states of the language model meet the vectors of titles that it has read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from engine.config import LLMConfig
from engine.dropout import HeldDropout
from engine.labels import plural
from engine.llm.backbone import Backbone
from engine.llm.prompts import TITLE_LENGTH, PromptTitles, prompt_titles
from engine.llm.title_vectors import title_vectors
from engine.llm.verbalizers.base import StateVerbalizer, VerbalizerInputs
from engine.seeds import derive

WIDTH = 256
"""Of the space in which states and titles meet."""
DROPOUT = 0.1
"""Of hidden units of the titles' network, and of whole item embeddings."""
EMBEDDINGS = "head.embeddings"
"""Name in files of what is not learned here, and not made anew from the titles."""
SCALE = 4.0
"""Factor of a product of two vectors of ``WIDTH`` numbers, over the root of ``WIDTH``."""


def titles_of_vectors(config: LLMConfig, catalogue: PromptTitles) -> tuple[str, ...]:
    """What title vectors are made of, by dense id: read once, so they see the ends that prompts cut off."""
    return prompt_titles(catalogue, config.show_year, max(config.title_length, TITLE_LENGTH))


class TitleHead(StateVerbalizer, nn.Module):
    """``score(item) = SCALE / sqrt(WIDTH) · (W norm(state)) · MLP(vector of the title) + bias of the item``.

    The vectors do not change (:mod:`engine.llm.title_vectors`); all else is learned by the stages, from every title of
    a sequence, as a softmax over the catalogue. Untrained it ranks by popularity. A title that nobody is known to have
    chosen, one's own among them, has the least bias: it is met by what its title says.

    With :meth:`add_embeddings` ``V norm(item embedding)`` is added to what the network makes of the title.

    Args:
        titles: as prompts write them, the catalogue's first.
        popularity: int64 ``[items of the catalogue]``, training interactions.
    """

    def __init__(self, backbone: Backbone, titles: tuple[str, ...], popularity: np.ndarray, seed: int) -> None:
        super().__init__()
        object.__setattr__(self, "backbone", backbone)  # not a part of this module
        known = len(popularity)
        vectors = title_vectors(backbone, titles, known)
        with torch.random.fork_rng():
            torch.manual_seed(derive(seed, "title head"))
            self.norm = nn.LayerNorm(backbone.width)
            self.states = nn.Linear(backbone.width, WIDTH, bias=False)
            self.items = nn.Sequential(
                nn.Linear(vectors.shape[1], 2 * WIDTH), nn.GELU(), HeldDropout(DROPOUT), nn.Linear(2 * WIDTH, WIDTH)
            )
        counts = torch.from_numpy(popularity).float()
        self.bias = nn.Parameter(counts.log1p() / 2)
        chosen = torch.zeros(len(titles), dtype=torch.bool)
        chosen[:known] = counts > 0
        self._vectors: Tensor
        self._chosen: Tensor
        self.register_buffer("_vectors", vectors, persistent=False)
        self.register_buffer("_chosen", chosen, persistent=False)
        self.embedding_projection: nn.Linear | None = None
        self.embeddings: Tensor
        self._kept_embeddings = HeldDropout(DROPOUT)
        self.to(backbone.device).eval()
        self._met: tuple[tuple[int, ...], Tensor] | None = None

    @classmethod
    def make(cls, given: VerbalizerInputs) -> Self:
        titles = titles_of_vectors(given.config, given.catalogue)
        return cls(given.backbone, titles, given.popularity, given.seed)

    def state_scores(self, states: Tensor) -> Tensor:
        return self._projected(states) @ self._items().T + self._biases()

    def scores_of(self, states: Tensor, candidates: Tensor) -> Tensor:
        items = self._items()[candidates]
        return (items @ self._projected(states)[:, :, None]).squeeze(2) + self._biases()[candidates]

    def add_embeddings(self, embeddings: Tensor) -> None:
        """Let items have, beside their titles, what a recommender by ids knows of them; titles of one's own have none.

        The embeddings stay as they are; a projection of them is learned, from zero.

        Args:
            embeddings: float32 ``[items of the catalogue, k]``; zeros for an item of which nothing is known.

        Raises:
            ValueError: of another number of items.
        """
        if len(embeddings) != len(self.bias):
            raise ValueError(f"embeddings of {plural(len(embeddings), 'item')}, not of {len(self.bias)}")
        embeddings = embeddings.detach().float().to(self.bias.device)
        self.embedding_projection = nn.Linear(embeddings.shape[1], WIDTH, bias=False, device=embeddings.device)
        nn.init.zeros_(self.embedding_projection.weight)
        self.register_buffer("embeddings", embeddings, persistent=False)
        self._met = None

    def trainable(self) -> dict[str, nn.Parameter]:
        """Parameters as ``head.<name>``."""
        return {f"head.{name}": parameter for name, parameter in self.named_parameters()}

    def learned(self) -> dict[str, Tensor]:
        """Their values, live, and the embeddings that they belong to."""
        own = {} if self.embedding_projection is None else {EMBEDDINGS: self.embeddings}
        return {name: parameter.data for name, parameter in self.trainable().items()} | own

    def copied(self) -> dict[str, Tensor]:
        """The same, as they are now."""
        return {name: tensor.detach().clone() for name, tensor in self.learned().items()}

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Put values as of :meth:`learned` in place.

        Raises:
            KeyError, RuntimeError, ValueError: some are missing, or of another shape.
        """
        if EMBEDDINGS in tensors and self.embedding_projection is None:
            self.add_embeddings(tensors[EMBEDDINGS])
        with torch.no_grad():  # and not past the parameters' versions, by which kept vectors are known to be stale
            for name, parameter in self.trainable().items():
                parameter.copy_(tensors[name])

    @contextmanager
    def dropped(self) -> Iterator[None]:
        """Within, what dropout takes from the titles' vectors is drawn once."""
        layer = self.items[2]
        assert isinstance(layer, HeldDropout)
        layer.hold(len(self._vectors), 2 * WIDTH, self._vectors.device)
        if self.embedding_projection is not None:
            self._kept_embeddings.hold(len(self.embeddings), 1, self.embeddings.device)
        try:
            yield
        finally:
            layer.kept = self._kept_embeddings.kept = None

    def _projected(self, states: Tensor) -> Tensor:
        projected: Tensor = self.states(self.norm(states.float())) * (SCALE / math.sqrt(WIDTH))
        return projected

    def _items(self) -> Tensor:
        """float32 ``[titles, WIDTH]``; kept while nothing is learned."""
        if torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters()):
            return self._projected_items()
        version = tuple(parameter._version for parameter in self.parameters())
        if self._met is None or self._met[0] != version:
            with torch.no_grad():
                self._met = version, self._projected_items()
        return self._met[1]

    def _projected_items(self) -> Tensor:
        items: Tensor = self.items(self._vectors)
        if self.embedding_projection is None:
            return items
        known = nn.functional.layer_norm(self.embeddings, self.embeddings.shape[1:])
        projected = self.embedding_projection(self._kept_embeddings(known))
        return items + nn.functional.pad(projected, (0, 0, 0, len(items) - len(projected)))

    def _biases(self) -> Tensor:
        chosen = self._chosen
        known = nn.functional.pad(self.bias, (0, len(chosen) - len(self.bias)))
        met = self.bias[chosen[: len(self.bias)]]
        least = met.min() if len(met) else self.bias.min()
        return torch.where(chosen, known, least)


@contextmanager
def learning(head: TitleHead | None) -> Iterator[None]:
    """Within, the head's dropout is active; all parts of a batch meet the same titles."""
    if head is None:
        yield
        return
    head.train()
    try:
        with head.dropped():
            yield
    finally:
        head.eval()
