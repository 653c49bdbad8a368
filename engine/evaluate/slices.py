"""Where figures come from: test users told apart by how rare their target is, how long their history, and by ties.

A model that reads titles can know something of an item that hardly anybody has chosen; one that sees ids cannot. A mean
over all users hides that where rare targets are few.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.data.dataset import Dataset
from engine.data.split import Examples, Split
from engine.data.statistics import RARITIES, between
from engine.evaluate.report import By, Estimate, Slice
from engine.metrics.bootstrap import Bootstrap, Interval

LENGTHS = (1, 5, 10, 20, 50, 100)
"""Fewest items of the history in each slice."""
SLICED: Mapping[str, tuple[str, ...]] = {
    "candidates": ("HR@1", "HR@5", "NDCG@5"),
    "full": ("HR@10", "NDCG@10"),
    "warm_candidates": ("HR@1", "HR@5", "NDCG@5"),
}
"""Metrics of each section that are told by slice."""

MetricColumns = Mapping[tuple[str, str, str], np.ndarray]
"""Per-example values ``[n]`` by (model, section, metric)."""


@dataclass(frozen=True)
class Context:
    """What is known of the test users' questions beside the answers; the examples have ``n`` rows."""

    popularity: np.ndarray
    """int64 ``[items]``: training interactions of each item."""
    train_users: int
    """Users in the training data."""
    genres: tuple[tuple[str, ...], ...]
    """Of each item."""
    rarity: np.ndarray
    """int64 ``[n]``: training interactions of the target."""
    lengths: np.ndarray
    """int64 ``[n]``: items of the history."""
    tied: np.ndarray
    """bool ``[n]``: the target has the timestamp of the history's last item, so that the file's order decided."""
    cold_items: int = 0
    """Items that were kept out of all training."""

    def take(self, places: np.ndarray) -> Context:
        """The same of these examples, in this order."""
        rows = {name: getattr(self, name)[places] for name in ("rarity", "lengths", "tied")}
        return replace(self, **rows)


def context(dataset: Dataset, split: Split, examples: Examples) -> Context:
    """Look everything up; ``examples`` are those of ``split``, or some of them."""
    popularity = split.popularity()
    return Context(
        popularity=popularity,
        train_users=sum(len(items) > 0 for items in split.train),
        genres=dataset.catalogue.genres,
        rarity=popularity[examples.targets],
        lengths=np.array([len(history) for history in examples.histories], np.int64),
        tied=_tied(dataset, examples),
        cold_items=len(split.cold),
    )


def _tied(dataset: Dataset, examples: Examples) -> np.ndarray:
    """bool ``[n]``, see :attr:`Context.tied`."""
    n = len(dataset.catalogue)
    users = np.repeat(np.arange(dataset.n_users), [len(items) for items in dataset.sequences])
    choices = users * n + np.concatenate(dataset.sequences)  # no user has an item twice
    order = np.argsort(choices)
    choices, times = choices[order], np.concatenate(dataset.timestamps)[order]
    last = np.array([history[-1] if len(history) else -1 for history in examples.histories], np.int64)
    asked = np.stack([examples.users * n + last, examples.users * n + examples.targets])
    places = np.minimum(np.searchsorted(choices, asked), len(choices) - 1)
    before, now = times[places]
    tied: np.ndarray = (last >= 0) & (choices[places] == asked).all(axis=0) & (before == now)
    return tied


def slices(columns: MetricColumns, about: Context, teacher: str, bootstrap: Bootstrap) -> list[Slice]:
    """Every slice, those without users too, so that all runs have the same.

    Args:
        columns: values of all models, in the order of the examples in ``about``.
        teacher: with whom the other models are compared.
        bootstrap: whose samples and seed each slice's own resamples have.
    """
    return [
        _slice(by, name, columns, chosen, teacher, Bootstrap(len(chosen), bootstrap.samples, bootstrap.seed))
        for by, name, chosen in members(about)
    ]


def members(about: Context) -> Iterator[tuple[By, str, np.ndarray]]:
    """Kind, name and places of the examples of every slice."""
    for name, chosen in between(about.rarity, RARITIES):
        yield "rarity", name, chosen
    for name, chosen in between(about.lengths, LENGTHS):
        yield "history", name, chosen
    yield "ties", "untied", np.flatnonzero(~about.tied)
    yield "ties", "tied", np.flatnonzero(about.tied)


def _slice(by: By, name: str, columns: MetricColumns, chosen: np.ndarray, teacher: str, bootstrap: Bootstrap) -> Slice:
    sliced = {key: values[chosen] for key, values in columns.items() if key[2] in SLICED.get(key[1], ())}
    apart = {key: values - sliced[teacher, *key[1:]] for key, values in sliced.items() if key[0] != teacher}
    intervals: list[Interval] = []
    if len(chosen):
        intervals = bootstrap.intervals(np.stack([*sliced.values(), *apart.values()], axis=1))
    figures, differences = intervals[: len(sliced)], intervals[len(sliced) :]
    return Slice(
        by=by,
        name=name,
        users=len(chosen),
        models=_by_model(dict(zip(sliced, figures, strict=False))),
        differences=_by_model(dict(zip(apart, differences, strict=False))),
    )


def _by_model(intervals: Mapping[tuple[str, str, str], Interval]) -> dict[str, dict[str, Estimate]]:
    found: dict[str, dict[str, Estimate]] = {}
    for (model, section, metric), interval in intervals.items():
        found.setdefault(model, {})[f"{section}.{metric}"] = Estimate.of(interval)
    return found
