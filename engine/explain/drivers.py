"""Which kinds of reasons drive each row of a run, and what each stage changed, over a fixed sample of test users.

A row is asked why it puts its own first candidate there: every title of the history is deleted by itself. What deleting
it takes from the lead is its weight; what a kind's titles have of all weight is compared with their share of the
history, which they would have if weights fell on anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from engine import distributed
from engine.data import candidate_sets
from engine.errors import StudioError
from engine.evaluate import sample_users
from engine.explain.effects import leave_one_out
from engine.explain.explananda import remembered
from engine.explain.faithfulness import interval
from engine.explain.predictor import Instance
from engine.explain.reason_kinds import KINDS, ItemRelations, kinds_of
from engine.explain.removal import Delete
from engine.explain.row_predictors import RowPredictors
from engine.labels import capital, listed
from engine.metrics.bootstrap import Bootstrap
from engine.metrics.ranks import hit_rate, target_ranks
from engine.models import Models
from engine.monitor import Monitor
from engine.ranking import Ranker
from engine.rows import LLM_ROWS, all_rows, checked_row, method_row

USERS = 100
STAGE = "drivers"
STAGES = {"llm-zero-shot": "untrained", "llm-distilled": "stage 1", "delrec": "stage 2"}
"""The language model's rows without and after each stage."""


@dataclass(frozen=True)
class UserDrivers:
    """One row about one user."""

    top: int
    """Id of the row's first candidate."""
    place: float
    """Where it puts what the user really chose."""
    right: float
    """The chance that this comes first; equal scores count as if in random order."""
    shares: Mapping[str, float] | None
    """By kind: of all that speaks for the first candidate, what titles of that kind have. ``None``: no title does."""
    control: Mapping[str, float] = field(default_factory=dict)
    """By kind: share of the history's titles."""


def drivers(models: Models, users: int, monitor: Monitor, rows: Sequence[str] | None = None) -> dict[str, object]:
    """Measure ``users`` test users, always the same ones for the run's seed, among the evaluation's candidates.

    Processes that work together share them.

    Args:
        rows: of the results table; all that the run can answer if ``None``.

    Returns:
        ``users``; ``kinds``, name to ``words`` and ``meaning``; ``lacks``, what the data set does not tell.

        ``rows``, by row: ``users`` (those for whom a title speaks for its first candidate), a ``sentence``, and in
        ``kinds`` by kind ``share``, ``control`` and, paired, their ``difference``; ``kinds`` is ``None`` where these
        users are fewer than two.

        ``stages``, of neighbouring rows of the language model: ``before``, ``after`` and ``stage``; ``same_top`` (share
        of the users whose first candidate stays); the changes of ``right`` (the chosen item comes first) and ``place``
        (where it comes); users ``gained`` and ``lost``; and by kind the change of ``share``, of ``users`` who have
        reasons before and after.

        Figures are ``{"value", "low", "high"}`` with the ends of 95 % intervals over users.

    Raises:
        Cancelled: the monitor asked to stop.
        StudioError: not at least two users to measure, or the run has no such row.
    """
    test, config = models.split.test, models.config
    if users < 2 or len(test) < 2:
        raise StudioError("intervals need two users", where="users", remedy="measure more users")
    names = list(all_rows(config)) if rows is None else list(dict.fromkeys(checked_row(config, it) for it in rows))
    there, lacks = kinds_of(models.dataset.catalogue)
    world = ItemRelations(models.dataset.catalogue, models.split.train)
    chosen = sample_users(len(test), users, config.seed)
    examples = test.take(chosen)
    candidates = candidate_sets(models.dataset, examples, config.data, config.seed, "test")
    made: dict[str, Ranker] = {}
    total = len(chosen) * len(names)

    def ask(user: int, about_her: tuple[np.ndarray, int]) -> list[UserDrivers]:
        history, target = about_her
        read = history[-config.data.history :]
        older = remembered(models, history[: -len(read)])
        predictors = RowPredictors(models, models.dataset.catalogue, older, made=made)
        about = Instance(read, candidates[user], int(np.flatnonzero(candidates[user] == target)[0]), older)
        measured = []
        for place, row in enumerate(names):
            monitor.check()
            monitor.progress(STAGE, min((user * len(names) + place) * distributed.world_size(), total), total)
            measured.append(_measure(predictors, row, about, world, list(there)))
        return measured

    each = distributed.map_items(list(zip(examples.histories, examples.targets.tolist(), strict=True)), ask)
    found = {row: [measured[place] for measured in each] for place, row in enumerate(names)}
    monitor.progress(STAGE, total, total)
    return {
        "users": len(chosen),
        "kinds": {name: {"words": kind.words, "meaning": kind.meaning} for name, kind in there.items()},
        "lacks": lacks,
        **summary(found, list(there), config.eval.bootstrap, config.seed, _stage_rows(models, names)),
    }


def _measure(
    predictors: RowPredictors, row: str, about: Instance, world: ItemRelations, kinds: Sequence[str]
) -> UserDrivers:
    """``about``: the user's history and candidates, with what was really chosen for the target."""
    asked = predictors.of(row, about)
    scores = asked.full()
    ranks = target_ranks(scores[None], np.array([about.target]))
    top = int(scores.argmax())
    effects = leave_one_out(asked.about(top), [Delete()])["delete"].margin
    first = int(about.candidates[top])
    held = {name: KINDS[name].holds(world, about.history, first) for name in kinds}
    return UserDrivers(
        top=first,
        place=float(ranks.expected[0]),
        right=float(hit_rate(ranks, 1)[0]),
        shares=shares(effects, held),
        control={name: float(of.mean()) for name, of in held.items()},
    )


def shares(effects: np.ndarray, held: Mapping[str, np.ndarray]) -> dict[str, float] | None:
    """What the titles of each kind, bool ``[n]``, have of all positive effects ``[n]``; ``None`` where none is."""
    weight = np.maximum(effects, 0.0)
    whole = float(weight.sum())
    return {name: float(weight[of].sum()) / whole for name, of in held.items()} if whole > 0 else None


def summary(
    found: Mapping[str, Sequence[UserDrivers]],
    kinds: Sequence[str],
    samples: int,
    seed: int,
    stages: Sequence[str] = (),
) -> dict[str, object]:
    """The users' figures as means with intervals; see :func:`drivers`.

    Args:
        found: by row, the same users in the same order.
        stages: rows of the language model, stage after stage.
    """
    changes = [
        _change(before, after, found[before], found[after], kinds, samples, seed) for before, after in pairwise(stages)
    ]
    return {"rows": {row: _row(each, kinds, samples, seed) for row, each in found.items()}, "stages": changes}


def _row(each: Sequence[UserDrivers], kinds: Sequence[str], samples: int, seed: int) -> dict[str, object]:
    figures = [(it.shares, it.control) for it in each if it.shares is not None]
    share, control = (np.array([[it[side][name] for name in kinds] for it in figures]) for side in (0, 1))
    columns = {"share": share, "control": control, "difference": share - control} if len(figures) > 1 else {}
    by_kind = _by_kind(columns, kinds, samples, seed) if columns else None
    return {"users": len(figures), "sentence": _sentence(by_kind), "kinds": by_kind}


def _by_kind(
    columns: Mapping[str, np.ndarray], kinds: Sequence[str], samples: int, seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Intervals by kind and column of values ``[users, kinds]``."""
    whole = np.concatenate(list(columns.values()), axis=1)
    figures = iter(map(interval, Bootstrap(len(whole), samples, seed).intervals(whole)))
    by_column = {column: {name: next(figures) for name in kinds} for column in columns}
    return {name: {column: by_column[column][name] for column in columns} for name in kinds}


def _change(
    before: str,
    after: str,
    old: Sequence[UserDrivers],
    new: Sequence[UserDrivers],
    kinds: Sequence[str],
    samples: int,
    seed: int,
) -> dict[str, object]:
    """What a stage changed for the same users."""
    boot = Bootstrap(len(old), samples, seed)

    def changed(name: str) -> dict[str, float]:
        values = [np.array([getattr(it, name) for it in side]) for side in (new, old)]
        return interval(boot.paired_difference(*values))

    pairs = [(a.shares, b.shares) for a, b in zip(old, new, strict=True)]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    moved = np.array([[b[name] - a[name] for name in kinds] for a, b in both])
    return {
        "before": before,
        "after": after,
        "stage": STAGES.get(after, after),
        "same_top": interval(boot.interval(np.array([float(a.top == b.top) for a, b in zip(old, new, strict=True)]))),
        "right": changed("right"),
        "place": changed("place"),
        "gained": sum(a.right < 1 <= b.right for a, b in zip(old, new, strict=True)),
        "lost": sum(b.right < 1 <= a.right for a, b in zip(old, new, strict=True)),
        "users": len(both),
        "kinds": _by_kind({"share": moved}, kinds, samples, seed) if len(both) > 1 else None,
    }


def _stage_rows(models: Models, rows: Sequence[str]) -> list[str]:
    """Of these rows, the language model's without and after each stage, in their order."""
    method = [row.name for row in LLM_ROWS if not row.mixed]
    return [row for row in method[: method.index(method_row(models.config)) + 1] if row in rows]


def _sentence(by_kind: Mapping[str, Mapping[str, Mapping[str, float]]] | None) -> str:
    """What drives a row: kinds that have clearly more, and clearly less, of its reasons than of the history."""
    if by_kind is None:
        return "For fewer than two of these users a title of the history speaks for what it recommends."

    def named(side: int, end: str) -> list[str]:
        apart = {name: figures["difference"] for name, figures in by_kind.items()}
        clear = [name for name in apart if side * apart[name][end] > 0]
        return [KINDS[name].words for name in sorted(clear, key=lambda name: -side * apart[name]["value"])]

    more, less = named(1, "low"), named(-1, "high")
    if not more and not less:
        return "No kind of titles counts for more or less than its share of the history."
    if not more:
        return capital(f"{listed(less)} count for less than their share of the history.")
    also = f", {listed(less)} for less" if less else ""
    return capital(f"{listed(more)} count for more than their share of the history{also}.")
