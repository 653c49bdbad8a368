"""Candidate sets: the true next item among unseen ones, the same for every model."""

from __future__ import annotations

import numpy as np

from engine.config import DataConfig
from engine.data.dataset import Dataset
from engine.data.split import Examples, cold_items, split_dataset
from engine.errors import StudioError
from engine.labels import plural
from engine.seeds import generator


def candidate_sets(dataset: Dataset, examples: Examples, config: DataConfig, seed: int, purpose: str) -> np.ndarray:
    """Draw ``config.candidates`` (m) items per example: its target and m-1 that the user has never seen.

    "Never" is taken over *all* of her interactions, later ones included. No item comes twice, nor two items that are
    displayed alike (:attr:`Catalogue.look_alikes`), nor one displayed like an item she has seen. The order is random,
    so the target's place tells nothing. Each set depends on (seed, purpose, user, target) only: a sample of the users
    gets the same sets as all of them.

    With ``negatives=popularity`` items are drawn without replacement in proportion to their training interactions;
    items without any come last.

    With ``split=cold-items`` those drawn for the purpose ``"test"`` are cold, as the targets are, and those drawn for
    any other are not.

    Args:
        examples: their ``users`` index ``dataset``.
        purpose: names the stream, e.g. ``"test"``.

    Returns:
        int64 ``[n, m]`` item ids.

    Raises:
        StudioError: the catalogue, or what a user has not seen of it, is smaller than m.
    """
    size = config.candidates
    if size > len(dataset.catalogue):
        raise StudioError(
            f"{size} candidates asked for, but the catalogue holds {plural(len(dataset.catalogue), 'item')}",
            where="data.candidates",
            remedy=f"set data.candidates to at most {len(dataset.catalogue)}",
        )
    alike = dataset.catalogue.look_alikes
    weights = _log_weights(dataset, config, seed)
    allowed = _allowed(dataset, config, seed, purpose)
    sets = np.empty((len(examples), size), np.int64)
    for row, (user, target) in enumerate(zip(examples.users, examples.targets, strict=True)):
        random = generator(seed, "candidates", purpose, dataset.user_ids[user], dataset.catalogue.raw_ids[target])
        seen = np.zeros(len(alike), bool)
        seen[alike[dataset.sequences[user]]] = seen[alike[target]] = True
        unseen = np.flatnonzero(allowed & ~seen[alike])
        # Gumbel-top-k: sorting by log-weight plus Gumbel noise draws without replacement in proportion to the weights.
        # Of equal weights it sorts the uniform numbers behind the noise, -log(-log(1 - u)), which fall as it rises.
        keys = random.random(len(unseen)) if weights is None else -(weights[unseen] + random.gumbel(size=len(unseen)))
        count = size
        while True:
            drawn = unseen[_smallest(keys, count)]
            distinct = drawn[np.sort(np.unique(alike[drawn], return_index=True)[1])]
            if len(distinct) >= size - 1 or count >= len(unseen):
                break
            count *= 2  # some were displayed alike
        if len(distinct) < size - 1:
            kind, more = ("", "") if allowed.all() else ("cold ", ", or raise data.cold_share")
            raise StudioError(
                f"user {dataset.user_ids[user]!r} has only {len(distinct)} unseen {kind}items for {size} candidates",
                where="data.candidates",
                remedy=f"set data.candidates to at most {len(distinct) + 1}{more}",
            )
        sets[row] = random.permutation(np.append(distinct[: size - 1], target))
    return sets


def _smallest(keys: np.ndarray, count: int) -> np.ndarray:
    """Places of the ``count`` smallest keys, smallest first; no slower than linear in all."""
    near = np.flatnonzero(keys * len(keys) < 3 * count)  # few and enough where keys are uniform in [0, 1)
    if len(near) < count:
        near = np.arange(len(keys))
    if len(near) > count:
        near = near[np.argpartition(keys[near], count)[:count]]
    return near[np.argsort(keys[near])]


def _allowed(dataset: Dataset, config: DataConfig, seed: int, purpose: str) -> np.ndarray:
    """bool ``[items]``: what may be drawn beside the targets."""
    if config.split != "cold-items":
        return np.ones(len(dataset.catalogue), bool)
    cold = np.isin(np.arange(len(dataset.catalogue)), np.concatenate(cold_items(dataset, config, seed)))
    return cold if purpose == "test" else ~cold


def _log_weights(dataset: Dataset, config: DataConfig, seed: int) -> np.ndarray | None:
    """float64 ``[items]``; ``None`` where all are alike."""
    if config.negatives == "uniform":
        return None
    counts = split_dataset(dataset, config, seed).popularity()
    result: np.ndarray = np.log(np.maximum(counts, 1e-12))
    return result
