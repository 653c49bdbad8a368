"""Which interactions train, which validate, which test (the protocol of the paper's section V-A)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.config import DataConfig
from engine.data.dataset import Dataset
from engine.errors import StudioError


@dataclass(frozen=True)
class Examples:
    """Next-item questions: after ``histories[i]``, user ``users[i]`` chose ``targets[i]``."""

    users: np.ndarray
    """int64 ``[n]`` indices into the data set's users."""
    histories: tuple[np.ndarray, ...]
    """int64 item ids each, oldest first, full length; models cut them to what they use."""
    targets: np.ndarray
    """int64 ``[n]`` item ids."""

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: Sequence[int] | np.ndarray) -> Examples:
        """The examples at these positions, in this order."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Examples(self.users[chosen], tuple(self.histories[i] for i in chosen), self.targets[chosen])


@dataclass(frozen=True)
class Split:
    """Training sequences and the questions that validate and test."""

    train: tuple[np.ndarray, ...]
    """Per user of the data set, training interactions only, oldest first; may be empty."""
    validation: Examples
    """Histories hold training interactions only."""
    test: Examples
    """Histories hold training and validation interactions."""
    n_items: int

    def popularity(self) -> np.ndarray:
        """int64 ``[n_items]``: training interactions of each item."""
        return np.bincount(np.concatenate(self.train), minlength=self.n_items)


def split_dataset(dataset: Dataset, config: DataConfig) -> Split:
    """Split by ``config.split``; neither way asks a user twice.

    ``leave-one-out``: a user's last item tests, the one before validates, the rest trains; every user is tested.

    ``temporal``: all interactions are cut at the 80 % and 90 % points of time; those before the first cut train.
    Interactions at one moment are never parted, so every training interaction is strictly older than every validation
    interaction, and these than every test interaction. A user's *first* interaction in a period is her question there
    (so that each user counts once in every average and interval); what she did before the period is its history, and
    users without such a history are not asked.

    Raises:
        StudioError: a part would be empty.
    """
    if config.split == "leave-one-out":
        return _leave_one_out(dataset)
    return _temporal(dataset)


def _leave_one_out(dataset: Dataset) -> Split:
    if short := [user for user, items in zip(dataset.user_ids, dataset.sequences, strict=True) if len(items) < 3]:
        raise StudioError(
            f"user {short[0]!r} has fewer than 3 interactions",
            where="data.split=leave-one-out",
            remedy="raise data.min_interactions to 3 or more",
        )
    users = np.arange(len(dataset.sequences), dtype=np.int64)
    sequences = dataset.sequences
    return Split(
        train=tuple(items[:-2] for items in sequences),
        validation=Examples(
            users, tuple(items[:-2] for items in sequences), np.array([items[-2] for items in sequences], np.int64)
        ),
        test=Examples(
            users, tuple(items[:-1] for items in sequences), np.array([items[-1] for items in sequences], np.int64)
        ),
        n_items=len(dataset.catalogue),
    )


def _temporal(dataset: Dataset) -> Split:
    moments = np.sort(np.concatenate(dataset.timestamps))
    validation_from, test_from = (moments[len(moments) * tenths // 10] for tenths in (8, 9))
    cuts = [np.searchsorted(times, (validation_from, test_from)) for times in dataset.timestamps]
    ends = [len(items) for items in dataset.sequences]
    split = Split(
        train=tuple(items[: cut[0]] for items, cut in zip(dataset.sequences, cuts, strict=True)),
        validation=_first_in_period(dataset, [(cut[0], cut[1]) for cut in cuts]),
        test=_first_in_period(dataset, [(cut[1], end) for cut, end in zip(cuts, ends, strict=True)]),
        n_items=len(dataset.catalogue),
    )
    parts = {"validation": len(split.validation), "test": len(split.test)}
    if empty := [name for name, count in parts.items() if not count]:
        raise StudioError(
            f"the temporal split leaves no {' and no '.join(empty)} users with a history",
            where="data.split=temporal",
            remedy="use data.split=leave-one-out, or data whose users are active over a longer time",
        )
    return split


def _first_in_period(dataset: Dataset, periods: Sequence[tuple[int, int]]) -> Examples:
    asked = [(user, begin) for user, (begin, end) in enumerate(periods) if 0 < begin < end]
    return Examples(
        users=np.array([user for user, _ in asked], np.int64),
        histories=tuple(dataset.sequences[user][:begin] for user, begin in asked),
        targets=np.array([dataset.sequences[user][begin] for user, begin in asked], np.int64),
    )
