"""Integrated gradients (Sundararajan et al. 2017) on the input embeddings, summed over each history item.

The path goes from an input whose history is nothing but the average token, or the average item of a teacher, to the
input as it is. What the attributions leave of the difference between both ends is the completeness error.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

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
    """The straight line from the ``start`` to the ``end``, both float32 ``[T, width]``, and the scores along it.

    ``spans`` say where each history item stands.
    """

    start: Tensor
    end: Tensor
    spans: list[slice]

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    @abstractmethod
    def scores(self, points: Tensor) -> Tensor:
        """float32 ``[S, m]`` for points ``[S, T, width]``; differentiable."""

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """The state in which the model answers for its row."""
        yield

    def ends(self) -> Tensor:
        """float32 ``[2, m]``, on the CPU: with the history as it is, and without."""
        with self.asking(), torch.inference_mode():
            return self.scores(torch.stack([self.end, self.start])).float().cpu()

    def attributions(self, steps: int, rival: int) -> np.ndarray:
        """float64 ``[n]``: what each history item brings the target's lead over column ``rival``."""
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        total = torch.zeros_like(self.end)
        for begin in range(0, steps, AT_ONCE):
            shares = torch.tensor((nodes[begin : begin + AT_ONCE] + 1) / 2, dtype=torch.float32)
            points = self.start + shares.to(self.end.device)[:, None, None] * (self.end - self.start)
            points.requires_grad_(True)
            with self.asking():
                scores = self.scores(points)
                lead = (scores[:, self.instance.target] - scores[:, rival]).sum()
                (gradient,) = torch.autograd.grad(lead, points)
            for weight, part in zip(weights[begin : begin + AT_ONCE] / 2, gradient, strict=True):
                total += float(weight) * part
        by_token = ((self.end - self.start) * total).sum(dim=1).double().cpu()
        return np.array([float(by_token[span].sum()) for span in self.spans])


class _TextPath(_Path):
    """Of a language model: embeddings of its prompt's tokens."""

    def __init__(self, ranker: Ranker, instance: Instance) -> None:
        super().__init__(instance)
        plain = llm_of(ranker)
        assert plain is not None
        scorer = plain.scorer
        self.off = plain is not ranker
        self.backbone, self.verbalizer = scorer.backbone, scorer.verbalizer
        prompts = [plain.prompt(instance.history, instance.candidates)]
        (encoded,) = scorer.encode(prompts)
        self.end = scorer.embed(prompts).inputs[0].detach().float()
        self.spans = [encoded.spans["history", i] for i in range(len(instance.history))]
        self.start = self.end.clone()
        average = long_mean(self.backbone.embedding().weight)
        for span in self.spans:
            self.start[span] = average

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        with self.backbone.without_adapter() if self.off else contextlib.nullcontext():
            yield

    def scores(self, points: Tensor) -> Tensor:
        lengths = torch.full((len(points),), points.shape[1], device=points.device)
        batch = Embedded(points.to(self.backbone.dtype), lengths)
        candidates = to_device(self.instance.candidates, points.device).expand(len(points), -1)
        return self.verbalizer.scores(batch, candidates)


class _TeacherPath(_Path):
    """Of a teacher: embeddings of the items that it reads; titles that it does not know have no place."""

    def __init__(self, teacher: Teacher, instance: Instance, older: np.ndarray) -> None:
        super().__init__(instance)
        self.teacher, self.network = teacher, teacher.network
        history = instance.history
        read = np.concatenate([older, history[history < teacher.n_items]])[-teacher.config.max_length :]
        question = self.network.question(to_device(read, teacher.device))
        self.question = question
        first = int((question == self.network.start).nonzero()[0] == 0)  # whether the start stands before them
        self.end = self.network.items(question).detach().float()
        place, spans = first + len(read), []
        for item in history[::-1]:
            known = item < teacher.n_items and place > first
            place -= int(known)
            spans.append(slice(place, place + int(known)))
        self.spans = spans[::-1]
        self.start = self.end.clone()
        average = long_mean(self.network.items.weight[: teacher.n_items])
        for span in self.spans:
            self.start[span] = average

    def scores(self, points: Tensor) -> Tensor:
        sequences = self.question.expand(len(points), -1)
        hook = self.network.items.register_forward_hook(lambda *_: points)
        try:
            with torch.backends.cudnn.flags(enabled=False):  # its recurrent networks go back in training only
                states = self.network(sequences, torch.ones_like(sequences, dtype=torch.bool))[:, -1]
        finally:
            hook.remove()
        known = to_device(self.instance.candidates, points.device)
        scores = self.network.logprobs(states)
        lowest = scores.min(dim=1, keepdim=True).values
        padded = torch.cat([scores, lowest], dim=1)  # titles of one's own get the lowest
        return padded[:, known.clamp(max=scores.shape[1])]


def long_mean(embeddings: Tensor) -> Tensor:
    """float32 ``[width]``: the mean of ``embeddings [n, width]``, as long as they are; the mean itself is so short that
    the first norm of a model would turn it round within the first step of the path."""
    tokens = embeddings.detach().float()
    mean = tokens.mean(dim=0)
    result: Tensor = mean * (tokens.norm(dim=1).mean() / mean.norm().clamp(min=1e-12))
    return result
