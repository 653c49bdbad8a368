"""What was measured about one recommendation, in the form in which sentences are made of it and checked against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engine.bidi import isolated
from engine.explain.effects import LeaveOneOut
from engine.explain.explanandum import Explanandum
from engine.explain.predictor import Predictor, ranks
from engine.explain.report_parts import Counterfactual

MATTERS = 0.25
"""An item mattered if its effect is at least this share of the strongest one's, either way."""
STRONGEST = 2
"""Supporters that the first sentence names where no smaller change of the answer was found."""


@dataclass(frozen=True)
class ItemEvidence:
    """One title of the history."""

    title: str
    effect: float
    """On the target's margin; positive speaks for it."""
    mattered: bool


@dataclass(frozen=True)
class Necessity:
    """The titles said to carry the recommendation, and what a run without all of them gave."""

    titles: tuple[str, ...]
    rank_before: float
    rank_after: float
    top_after: str
    """Title of the candidate that then comes first."""

    @property
    def carrying(self) -> tuple[str, ...]:
        """The titles, if the recommendation was seen to fall without them."""
        return self.titles if self.rank_after > self.rank_before else ()


@dataclass(frozen=True)
class Evidence:
    """Everything that a sentence about the recommendation may claim."""

    target: str
    """Title of the candidate that is explained."""
    rank: float
    teacher: str
    """The row beside, by its name: the run's teacher unless ``is_teacher`` says otherwise."""
    teacher_rank: float
    noun: str
    """One of :data:`engine.domains.DOMAINS`."""
    history: tuple[ItemEvidence, ...]
    candidates: tuple[str, ...]
    """Titles of all candidates, the target among them."""
    necessity: Necessity | None
    """``None`` where no title that matters speaks for the target, and none was found that it cannot do without."""
    is_teacher: bool = True
    """Whether the row beside is the teacher; beside the teacher itself stands another one."""

    def isolated(self) -> Evidence:
        """The same with titles as they may stand in sentences, see :mod:`engine.bidi`."""
        found = self.necessity
        return replace(
            self,
            target=isolated(self.target),
            history=tuple(replace(item, title=isolated(item.title)) for item in self.history),
            candidates=tuple(map(isolated, self.candidates)),
            necessity=found and replace(found, titles=tuple(map(isolated, found.titles))),
        )


def gather(
    explained: Explanandum,
    effects: LeaveOneOut,
    search: Counterfactual | None,
    title: Callable[[int], str] | None = None,
    *,
    alone: bool = False,
) -> Evidence:
    """The evidence from the row's leave-one-out ``effects`` and, where it was made, the ``search``.

    Args:
        title: how an item is called; as the language model reads it by default.
        alone: leaves the row beside unasked; its rank is no number then.
    """
    instance, title = explained.instance, title or explained.title
    values = effects.margin
    needed = float(np.abs(values).max()) * MATTERS
    return Evidence(
        target=title(int(instance.candidates[instance.target])),
        rank=float(ranks(effects.full[None], instance.target)[0]),
        teacher=explained.beside.name,
        teacher_rank=np.nan if alone else float(ranks(explained.beside.full()[None], instance.target)[0]),
        noun=explained.models.prompts().words.noun,
        history=tuple(
            ItemEvidence(title(int(item)), float(value), bool(abs(value) >= needed > 0))
            for item, value in zip(instance.history, values, strict=True)
        ),
        candidates=tuple(title(int(item)) for item in instance.candidates),
        necessity=_necessity(explained, values, needed, search, title),
        is_teacher=explained.other == explained.models.config.teacher.name,
    )


def _necessity(
    explained: Explanandum,
    values: np.ndarray,
    needed: float,
    search: Counterfactual | None,
    title: Callable[[int], str],
) -> Necessity | None:
    instance = explained.instance
    positions = [int(i) for i in np.argsort(-values, kind="stable")[:STRONGEST] if values[i] >= needed > 0]
    removal = search.removal if search else None
    if (
        removal
        and removal.top_before == instance.candidates[instance.target]
        and len(removal.positions) <= STRONGEST + 1
    ):
        positions = sorted(removal.positions, key=lambda i: -values[i])
    if not positions:
        return None
    after = _without(explained.model, positions)
    return Necessity(
        titles=tuple(title(int(instance.history[i])) for i in positions),
        rank_before=float(ranks(explained.model.full()[None], instance.target)[0]),
        rank_after=float(ranks(after[None], instance.target)[0]),
        top_after=title(int(instance.candidates[after.argmax()])),
    )


def _without(predictor: Predictor, positions: list[int]) -> np.ndarray:
    return predictor.fresh(np.delete(predictor.instance.history, positions))
