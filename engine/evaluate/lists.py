"""Beyond accuracy: what the lists hold that a model recommends from the full catalogue (``docs/measures.md``)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.evaluate.report import DECIMALS, Estimate, Measure
from engine.evaluate.slices import Context
from engine.metrics.bootstrap import Bootstrap

LENGTH = 10
"""Items of a list that are looked at; all where the lists are shorter."""
ORDER = ("coverage", "popularity", "novelty", "diversity", "gini")
_CHUNK = 512


def list_measures(
    listings: Mapping[str, np.ndarray], about: Context, bootstrap: Bootstrap
) -> dict[str, dict[str, Measure]]:
    """Coverage, popularity, novelty, diversity and concentration of each model's lists, int64 ``[n, K]``, best first.

    Names carry the length, e.g. ``coverage@10``. Without genres there is no diversity. ``bootstrap`` says which
    resamples intervals come from.
    """
    found: dict[str, dict[str, Measure]] = {}
    means: dict[tuple[str, str], np.ndarray] = {}
    chances = np.maximum(about.popularity, 1) / about.train_users
    for model, lists in listings.items():
        items = lists[:, :LENGTH]
        k, users = items.shape[1], len(items)
        counts = np.bincount(items.ravel(), minlength=len(about.popularity))
        diversity = genre_diversity(items, about.genres)
        means[model, f"popularity@{k}"] = about.popularity[items].mean(axis=1)
        means[model, f"novelty@{k}"] = -np.log2(chances)[items].mean(axis=1)
        means[model, f"diversity@{k}"] = diversity[~np.isnan(diversity)]
        found[model] = {
            f"coverage@{k}": Measure(value=round(float((counts > 0).mean()), DECIMALS), users=users),
            f"gini@{k}": Measure(value=round(gini(counts), DECIMALS), users=users),
        }
    for users in {len(values) for values in means.values()} - {0}:  # drawing resamples is what takes time
        columns = {key: values for key, values in means.items() if len(values) == users}
        resamples = Bootstrap(users, bootstrap.samples, bootstrap.seed)
        intervals = resamples.intervals(np.stack([*columns.values()], axis=1))
        for (model, name), interval in zip(columns, intervals, strict=True):
            found[model][name] = Measure(**Estimate.of(interval).model_dump(), users=users)
    return {model: {name: of[name] for name in sorted(of, key=_place)} for model, of in found.items()}


def _place(name: str) -> int:
    return ORDER.index(name.partition("@")[0])


def gini(counts: np.ndarray) -> float:
    """Gini coefficient of ``counts`` ``[items]``: 0 where all are alike, nearly 1 where one item has everything."""
    ascending = np.sort(counts).astype(np.float64)
    places = 2 * np.arange(1, len(ascending) + 1) - len(ascending) - 1
    return float(places @ ascending / (len(ascending) * ascending.sum()))


def genre_diversity(items: np.ndarray, genres: tuple[tuple[str, ...], ...]) -> np.ndarray:
    """float64 ``[n]``: mean over a list's pairs of 1 - Jaccard similarity of their genres; lists ``items`` ``[n, K]``.

    Items without genres make no pairs; a list without any pair has NaN.
    """
    codes: dict[str, int] = {}
    result = np.empty(len(items))
    for begin in range(0, len(items), _CHUNK):
        listed, places = np.unique(items[begin : begin + _CHUNK], return_inverse=True)
        named = [[codes.setdefault(genre, len(codes)) for genre in set(genres[item])] for item in listed]
        has = np.zeros((len(listed), len(codes)), np.float32)
        for row, columns in zip(has, named, strict=True):
            row[columns] = 1
        sizes = has.sum(axis=1)
        of_list = has[places.reshape(-1, items.shape[1])]  # [chunk, K, genres]
        common = of_list @ of_list.transpose(0, 2, 1)
        size = sizes[places.reshape(-1, items.shape[1])]
        union = size[:, :, None] + size[:, None, :] - common
        pairs = (size[:, :, None] > 0) & (size[:, None, :] > 0) & ~np.eye(items.shape[1], dtype=bool)
        distance = np.where(pairs, 1 - common / np.maximum(union, 1), 0.0).sum(axis=(1, 2))
        with np.errstate(invalid="ignore"):
            result[begin : begin + _CHUNK] = distance / pairs.sum(axis=(1, 2))
    return result
