"""Which interactions train, which validate, which test (the protocol of the paper's section V-A)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.config import DataConfig
from engine.data.dataset import Dataset
from engine.errors import StudioError
from engine.labels import plural
from engine.seeds import generator


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
    cold: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """int64 ids that no training interaction, label or candidate of a training prompt may be; empty in most splits."""
    weighing: Examples | None = None
    """Questions about cold items that are not tested, from which weights between models are learned; ``None`` where
    ``validation`` serves that too."""

    @property
    def warm(self) -> np.ndarray:
        """int64: all other ids, ascending."""
        return np.setdiff1d(np.arange(self.n_items), self.cold)

    def popularity(self) -> np.ndarray:
        """int64 ``[n_items]``: training interactions of each item."""
        return np.bincount(np.concatenate(self.train), minlength=self.n_items)


def split_dataset(dataset: Dataset, config: DataConfig, seed: int = 0) -> Split:
    """Split by ``config.split``; no way asks a user twice. ``seed`` matters to ``cold-items`` only.

    ``leave-one-out``: a user's last item tests, the one before validates, the rest trains; every user is tested.

    ``temporal``: all interactions are cut at the 80 % and 90 % points of time; those before the first cut train.
    Interactions at one moment are never parted, so every training interaction is strictly older than every validation
    interaction, and these than every test interaction. A user's *first* interaction in a period is her question there
    (so that each user counts once in every average and interval); what she did before the period is its history, and
    users without such a history are not asked.

    ``cold-items``: the items of :func:`cold_items` stand in no history, no training sequence and no validation label. A
    user's last choice of a tested one is her question, the items without the cold ones before it are its history: the
    last of them validates, the rest trains, and nothing of hers after it is used. Who chose no tested item, or nothing
    before it, trains and validates in the same way with all that is left. Choices of the other cold items, before the
    question, make :attr:`Split.weighing`.

    Raises:
        StudioError: a part would be empty.
    """
    if config.split == "leave-one-out":
        return _leave_one_out(dataset)
    return _temporal(dataset) if config.split == "temporal" else _cold(dataset, config, seed)


def cold_items(dataset: Dataset, config: DataConfig, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cold items that are tested, and others whose choices teach weights between models: int64 each, ascending.

    Together they are ``config.cold_share`` of the items that occur, drawn with ``seed``; every fifth is not tested.
    Items that are displayed alike are drawn together, so that none of them is known by another's title.
    """
    occurring = np.bincount(np.concatenate(dataset.sequences), minlength=len(dataset.catalogue)) > 0
    alike = dataset.catalogue.look_alikes
    order = generator(seed, "cold items").permutation(np.unique(alike[occurring]))
    sizes = np.bincount(alike[occurring], minlength=len(alike))[order].cumsum()
    n_cold = max(2, round(config.cold_share * int(occurring.sum())))
    drawn = order[: np.searchsorted(sizes, n_cold) + 1]
    apart = drawn[4::5] if len(drawn) > 4 else drawn[-1:]
    tested = np.flatnonzero(occurring & np.isin(alike, np.setdiff1d(drawn, apart)))
    return tested, np.flatnonzero(occurring & np.isin(alike, apart))


def _cold(dataset: Dataset, config: DataConfig, seed: int) -> Split:
    tested, apart = cold_items(dataset, config, seed)
    kind = np.zeros(len(dataset.catalogue), np.int8)
    kind[tested], kind[apart] = 1, 2
    train: list[np.ndarray] = []
    asked: dict[str, list[tuple[int, np.ndarray, int]]] = {"validation": [], "test": [], "weighing": []}
    for user, items in enumerate(dataset.sequences):
        of = kind[items]
        question = _last(of, 1)
        before = items[:question] if question else items
        warm = before[kind[before] == 0]
        if question:
            asked["test"].append((user, warm, int(items[question])))
        if aside := _last(kind[before], 2):
            asked["weighing"].append((user, before[:aside][kind[before[:aside]] == 0], int(before[aside])))
        if len(warm) > 1:
            asked["validation"].append((user, warm[:-1], int(warm[-1])))
        train.append(warm[: max(1, len(warm) - 1)])
    for name in ("validation", "test"):
        if not asked[name]:
            raise StudioError(
                f"{plural(len(tested), 'cold item leaves', 'cold items leave')} no {name} users with a history",
                where=f"data.split=cold-items, data.cold_share={config.cold_share:g}",
                remedy="choose another data.cold_share, or bring data with more interactions for each user",
            )
    return Split(
        train=tuple(train),
        validation=_examples(asked["validation"]),
        test=_examples(asked["test"]),
        n_items=len(dataset.catalogue),
        cold=np.sort(np.concatenate([tested, apart])),
        weighing=_examples(asked["weighing"]) if asked["weighing"] else None,
    )


def _last(kinds: np.ndarray, kind: int) -> int:
    """The last place of ``kind`` with a warm item before it; 0 where there is none."""
    places = np.flatnonzero(kinds == kind)
    return int(places[-1]) if len(places) and (kinds[: places[-1]] == 0).any() else 0


def _examples(asked: Sequence[tuple[int, np.ndarray, int]]) -> Examples:
    """Of user, history and target each."""
    return Examples(
        users=np.array([user for user, _, _ in asked], np.int64),
        histories=tuple(history for _, history, _ in asked),
        targets=np.array([target for _, _, target in asked], np.int64),
    )


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
    _demand_overlap(dataset)
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


def _demand_overlap(dataset: Dataset) -> None:
    """Where users come one after the other, a moment parts users from users and no history from what follows it.

    So it is with a log without times whose rows lie user by user: their order is taken for the time.
    """
    starts, ends = (np.array([times[at] for times in dataset.timestamps]) for at in (0, -1))
    order = np.lexsort((ends, starts))
    if len(order) > 1 and (starts[order][1:] > ends[order][:-1]).all():
        raise StudioError(
            "no two users are active at the same time, so a cut in time would part users from each other",
            where="data.split=temporal",
            remedy="use data.split=leave-one-out; rows without times must lie in order of time, not user by user",
        )


def _first_in_period(dataset: Dataset, periods: Sequence[tuple[int, int]]) -> Examples:
    asked = [(user, begin) for user, (begin, end) in enumerate(periods) if 0 < begin < end]
    sequences = dataset.sequences
    return _examples([(user, sequences[user][:begin], int(sequences[user][begin])) for user, begin in asked])
