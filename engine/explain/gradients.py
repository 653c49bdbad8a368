"""Integrated gradients (Sundararajan et al. 2017) on the input embeddings, summed over each history item.

The path goes from an input whose history is nothing but the average token, or the average item of a teacher, to the
input as it is; under a conditional prompt both go it together. What the attributions leave of the difference between
both ends is the completeness error.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from engine.errors import StudioError
from engine.explain.predictor import EMPTY, Instance
from engine.explain.row_predictors import Memo, Remembering, WithinCatalogue
from engine.llm import Embedded
from engine.models import llm_of
from engine.plus import PlusRanker
from engine.ranking import Ranker
from engine.teachers import Ensemble, Teacher
from engine.transfer import to_device

STEPS = 16
"""Points of the path, at the nodes of Gauss and Legendre."""
AT_ONCE = 4
"""Points that go through the model together."""


@dataclass(frozen=True)
class Attributions:
    """What each history item brings the target's lead over its strongest rival."""

    items: np.ndarray
    """float64 ``[n]``."""
    rival: int
    """Id of the candidate that is best among the others; it stays the same along the path."""
    lead: float
    """Score of the target minus the rival's, with the history as it is."""
    baseline: float
    """The same with the average token in place of every history token."""
    steps: int

    @property
    def completeness_error(self) -> float:
        """How far the attributions' sum is from ``lead - baseline``."""
        return float(abs(self.items.sum() - (self.lead - self.baseline)))


def text_reader(ranker: Ranker) -> Ranker | None:
    """The language model in a row, a part of a sum too; ``None`` where none reads text."""
    inner = _unwrapped(ranker)
    if isinstance(inner, PlusRanker):
        return next(filter(None, map(text_reader, inner.parts.values())), None)
    return inner if llm_of(inner) is not None else None


def differentiable(ranker: Ranker) -> bool:
    """Whether a row, and each part of one that is a sum, has inputs to differentiate."""
    return all(llm_of(part) or isinstance(part, Teacher) for _, part, _ in _parts(ranker, EMPTY, 1.0))


def integrated_gradients(ranker: Ranker, instance: Instance, steps: int = STEPS) -> Attributions:
    """Attribute the target's lead over its strongest rival to the history items.

    Of a sum the attributions are the sums of its parts', as the gradient of a sum is the sum of gradients.

    Args:
        steps: points of the path; more lower the completeness error and cost a forward and a backward pass each.

    Raises:
        StudioError: the model has nothing to differentiate, or the prompt is longer than its context.
    """
    if not differentiable(ranker):
        remedy = "ask for its leave-one-out effects instead"
        raise StudioError(f"{ranker.name} has no inputs to differentiate", where="gradients", remedy=remedy)
    paths = [
        (weight, _TeacherPath(part, instance, older) if isinstance(part, Teacher) else _TextPath(part, instance))
        for weight, part, older in _parts(ranker, EMPTY, 1.0)
    ]
    scores: Tensor = sum((weight * path.ends() for weight, path in paths), torch.zeros(()))  # [2, m]
    others = scores[0].clone()
    others[instance.target] = -torch.inf
    rival = int(others.argmax())
    leads: list[float] = (scores[:, instance.target] - scores[:, rival]).tolist()
    items = sum((weight * path.attributions(steps, rival) for weight, path in paths), np.zeros(len(instance.history)))
    return Attributions(items, int(instance.candidates[rival]), leads[0], leads[1], steps)


def _unwrapped(ranker: Ranker) -> Ranker:
    """Without what remembers its answers or where it looks."""
    while isinstance(ranker, Memo | WithinCatalogue):
        ranker = ranker.ranker
    return ranker


def _parts(ranker: Ranker, older: np.ndarray, weight: float) -> Iterator[tuple[float, Ranker, np.ndarray]]:
    """What a row is a sum of: weight, model, and the older items that it sees before the history."""
    inner: Ranker
    if isinstance(ranker, WithinCatalogue) and isinstance(ranker.ranker, PlusRanker):
        weights, inner = ranker.ranker.weights.catalogue, ranker.ranker
    else:
        inner = _unwrapped(ranker)
        weights = inner.weights.candidates if isinstance(inner, PlusRanker) else {}
    if isinstance(inner, PlusRanker):
        for name, part in inner.parts.items():
            if weights[name]:
                yield from _parts(part, older, weight * weights[name])
    elif isinstance(inner, Remembering):
        yield from _parts(inner.ranker, inner.older, weight)
    elif isinstance(inner, Ensemble):
        for teacher in inner.teachers:
            yield from _parts(teacher, older, weight / len(inner.teachers))
    else:
        yield weight, inner, older


class _Path(ABC):
    """A straight line from ``start`` to ``end``, embeddings float32 ``[T, width]`` of each kind, and the scores on it.

    ``spans`` say for each kind where the history items stand.
    """

    start: list[Tensor]
    end: list[Tensor]
    spans: list[list[slice]]

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.start, self.end, self.spans = [], [], []

    def add(self, end: Tensor, spans: list[slice], average: Tensor) -> None:
        """One more kind of embeddings, ``end`` as they are; the path starts with the ``average`` in the ``spans``."""
        start = end.clone()
        for span in spans:
            start[span] = average
        self.start.append(start)
        self.end.append(end)
        self.spans.append(spans)

    @abstractmethod
    def scores(self, points: Sequence[Tensor]) -> Tensor:
        """float32 ``[S, m]`` for points ``[S, T, width]`` of each kind; differentiable."""

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """The state in which the model answers for its row."""
        yield

    def ends(self) -> Tensor:
        """float32 ``[2, m]``, on the CPU: with the history as it is, and without."""
        with self.asking(), torch.inference_mode():
            return self.scores([torch.stack(both) for both in zip(self.end, self.start, strict=True)]).float().cpu()

    def attributions(self, steps: int, rival: int) -> np.ndarray:
        """float64 ``[n]``: what each history item brings the target's lead over column ``rival``."""
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        ways = [end - start for start, end in zip(self.start, self.end, strict=True)]
        totals = [torch.zeros_like(way) for way in ways]
        for begin in range(0, steps, AT_ONCE):
            shares = torch.tensor((nodes[begin : begin + AT_ONCE] + 1) / 2, dtype=torch.float32)[:, None, None]
            points = [
                (start + shares.to(way.device) * way).requires_grad_(True)
                for start, way in zip(self.start, ways, strict=True)
            ]
            with self.asking():
                scores = self.scores(points)
                lead = (scores[:, self.instance.target] - scores[:, rival]).sum()
                gradients = torch.autograd.grad(lead, points)
            for total, gradient in zip(totals, gradients, strict=True):
                for weight, part in zip(weights[begin : begin + AT_ONCE] / 2, gradient, strict=True):
                    total += float(weight) * part
        found = np.zeros(len(self.instance.history))
        for way, total, spans in zip(ways, totals, self.spans, strict=True):
            by_place = (way * total).sum(dim=1).double().cpu()
            found += [float(by_place[span].sum()) for span in spans]
        return found


class _TextPath(_Path):
    """Of a language model: embeddings of its prompt's tokens, and of the items that a conditional prompt's teacher
    reads."""

    def __init__(self, ranker: Ranker, instance: Instance) -> None:
        super().__init__(instance)
        plain = llm_of(ranker)
        assert plain is not None
        scorer = plain.scorer
        self.off = plain is not ranker
        self.backbone, self.verbalizer = scorer.backbone, scorer.verbalizer
        (encoded,) = scorer.encode([plain.prompt(instance.history, instance.candidates)])
        soft = scorer.soft_prompt
        batch = self.backbone.embed([encoded], None if soft is None else soft.weight)
        self.slots = batch.slots[0]
        spans = [encoded.spans["history", i] for i in range(len(instance.history))]
        every = torch.arange(len(self.backbone.embedding().weight), device=self.backbone.device)
        self.add(batch.inputs[0].detach().float(), spans, long_mean(self.backbone.embed_tokens(every)))
        self.conditioner = None if soft is None else soft.conditioner
        if self.conditioner is not None:
            items = _TeacherItems(self.conditioner.teacher, instance.history)
            self.add(items.embeddings, items.spans, items.average)
            self.items = items

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        with self.backbone.without_adapter() if self.off else contextlib.nullcontext():
            yield

    def scores(self, points: Sequence[Tensor]) -> Tensor:
        text = points[0]
        if self.conditioner is not None:
            shifts = self.conditioner.projected(self.items.prefix_states(points[1]))[:, -len(self.slots) :]
            text = text.index_add(1, to_device([*self.slots], text.device), shifts)
        lengths = torch.full((len(text),), text.shape[1], device=text.device)
        batch = Embedded(text.to(self.backbone.dtype), lengths)
        candidates = to_device(self.instance.candidates, text.device).expand(len(text), -1)
        return self.verbalizer.scores(batch, candidates)


class _TeacherPath(_Path):
    """Of a teacher: embeddings of the items that it reads."""

    def __init__(self, teacher: Teacher, instance: Instance, older: np.ndarray) -> None:
        super().__init__(instance)
        self.network = teacher.network
        self.items = _TeacherItems(teacher, instance.history, older)
        self.add(self.items.embeddings, self.items.spans, self.items.average)

    def scores(self, points: Sequence[Tensor]) -> Tensor:
        (embeddings,) = points
        known = to_device(self.instance.candidates, embeddings.device)
        scores = self.network.logprobs(self.items.states(embeddings))
        lowest = scores.min(dim=1, keepdim=True).values
        padded = torch.cat([scores, lowest], dim=1)  # titles of one's own get the lowest
        return padded[:, known.clamp(max=scores.shape[1])]


class _TeacherItems:
    """What a teacher reads of a history behind ``older`` items, as embeddings; titles that it does not know have no
    place.

    ``embeddings``: float32 ``[items, width]``, as they are; ``spans``: where each item of the history stands in them;
    ``average``: the average item's.
    """

    def __init__(self, teacher: Teacher, history: np.ndarray, older: np.ndarray = EMPTY) -> None:
        known = (history >= 0) & (history < teacher.n_items)
        self.network, self.longest, self.device = teacher.network, teacher.config.max_length, teacher.device
        self.read = to_device(np.concatenate([older, history[known]]).astype(np.int64), self.device)
        self.seen = [len(older), *(len(older) + np.cumsum(known)).tolist()]
        """How many of them it has read behind each prefix of the history."""
        self.embeddings = self.network.items(self.read).detach().float()
        self.spans = [slice(begin, end) for begin, end in pairwise(self.seen)]
        self.average = long_mean(self.network.items.weight[: teacher.n_items])

    def states(self, embeddings: Tensor, end: int | None = None) -> Tensor:
        """float32 ``[S, width]``: behind the first ``end`` items, all of them by default, for ``embeddings
        [S, items, width]``; differentiable."""
        read = self.read[:end][-self.longest :]
        first = len(self.read[:end]) - len(read)
        question = self.network.question(read)
        (places,) = torch.nonzero(question != self.network.start, as_tuple=True)
        start = self.network.items(question).detach().expand(len(embeddings), -1, -1)
        points = start.index_copy(1, places, embeddings[:, first : first + len(read)])
        hook = self.network.items.register_forward_hook(lambda *_: points)
        try:
            sequences = question.expand(len(points), -1)
            with torch.backends.cudnn.flags(enabled=False):  # its recurrent networks go back in training only
                states: Tensor = self.network(sequences, torch.ones_like(sequences, dtype=torch.bool))[:, -1]
        finally:
            hook.remove()
        return states

    def prefix_states(self, embeddings: Tensor) -> Tensor:
        """float32 ``[S, n + 1, width]``: behind each prefix of the history, the empty one first; differentiable."""
        return torch.stack([self.states(embeddings, end) for end in self.seen], dim=1)


def long_mean(embeddings: Tensor) -> Tensor:
    """float32 ``[width]``: the mean of ``embeddings [n, width]``, as long as they are; the mean itself is so short that
    the first norm of a model would turn it round within the first step of the path."""
    tokens = embeddings.detach().float()
    mean = tokens.mean(dim=0)
    result: Tensor = mean * (tokens.norm(dim=1).mean() / mean.norm().clamp(min=1e-12))
    return result
