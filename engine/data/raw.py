"""What a reader hands over: interactions as the files have them, coded, and the items' texts on demand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Union

import numpy as np

from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.timestamps import TimestampColumn
from engine.monitor import Monitor

if TYPE_CHECKING:
    import pyarrow


Ids = Union[Sequence[str], "pyarrow.DictionaryArray"]
"""Ids of rows; Arrow has every one once, and its places."""

LogBatch = tuple[Ids, Ids, Sequence[str] | np.ndarray | None]
"""Users, items and times of rows, for :meth:`LogBuilder.add`."""


class RawItem(NamedTuple):
    """One row of an items file; texts may hold HTML entities and outer blanks."""

    raw: str
    """Id in the files."""
    title: str
    """Empty where there is none."""
    year: int | None = None
    genres: tuple[str, ...] = ()
    """Genres or categories, the general ones first."""
    brand: str = ""
    """Brand, author, developer, artist."""
    aliases: tuple[str, ...] = ()


class RawIdFilter:
    """Ids of items whose texts are wanted, as many as interactions name; asked once for every row of an items file.

    Attributes:
        ids: None for all there are.
        passed: rows so far of other items.
    """

    def __init__(self, ids: Collection[str] | None) -> None:
        self.ids = ids
        self.passed = 0

    def __contains__(self, raw: str) -> bool:
        if self.ids is None or raw in self.ids:
            return True
        self.passed += 1
        return False


ItemReader = Callable[[RawIdFilter, Monitor], Iterator[RawItem]]
"""Streams the wanted rows of the items file in their order. An id that comes again may be passed on, and is ignored."""


@dataclass(frozen=True)
class Log:
    """Interactions in file order, the order that breaks ties. ``users``, ``items``, ``times`` have the same length."""

    user_ids: Sequence[str]
    """Distinct ids; an empty one marks rows without a user."""
    item_ids: Sequence[str]
    users: np.ndarray
    """int32 places in ``user_ids``."""
    items: np.ndarray
    """int32 places in ``item_ids``."""
    times: np.ndarray
    """int64, growing with time; :data:`engine.data.timestamps.NONE` where there is none."""


@dataclass(frozen=True)
class Raw:
    """A data set before cleaning."""

    log: Log
    items: ItemReader
    source: str
    """Where it came from, in words."""
    notes: tuple[str, ...] = ()
    """What was decided while reading, e.g. the unit of the times."""
    as_written: bool = False
    """Titles are what somebody wrote: one like code, of punctuation alone or ``None`` is what the item is called."""

    @classmethod
    def of(cls, catalogue: Catalogue, log: Interactions, source: str) -> Raw:
        """From whole tables."""
        users = _codes()
        coded = _coded(users, log.users)

        def items(id_filter: RawIdFilter, _: Monitor) -> Iterator[RawItem]:
            columns = (catalogue.titles, catalogue.years, catalogue.genres, catalogue.brands, catalogue.aliases)
            for raw, *texts in zip(catalogue.raw_ids, *columns, strict=True):
                if raw in id_filter:
                    yield RawItem(raw, *texts)

        log_ = Log(tuple(users), catalogue.raw_ids, coded, log.items.astype(np.int32), log.timestamps)
        return cls(log_, items, source)


class LogBuilder:
    """Collects batches of interactions as codes: 16 bytes each, and every id once."""

    def __init__(self) -> None:
        self.users, self.items = _codes(), _codes()
        self.times = TimestampColumn()
        self._coded: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, users: Ids, items: Ids, times: Sequence[str] | np.ndarray | None) -> None:
        """Rows as columns of equal length; ``times``: cells, int64 values, or None where the order is the time."""
        self.code(users, items)
        self.times.add(len(users) if times is None else times)

    def code(self, users: Ids, items: Ids) -> None:
        """Rows whose times are added to ``times`` later, in the same order."""
        self._coded.append((_coded(self.users, users), _coded(self.items, items)))

    def log(self, monitor: Monitor) -> tuple[Log, str]:
        """The log, and what its times were taken for.

        Raises:
            StudioError: no interactions, or times of several units.
        """
        monitor.check()
        times = self.times.decide()
        coded, self._coded = self._coded, []
        users, items = (_joined([pair[column] for pair in coded]) for column in (0, 1))
        del coded
        return Log(tuple(self.users), tuple(self.items), users, items, times.values), times.note


def _codes() -> defaultdict[str, int]:
    """Numbers for ids, by first appearance."""
    codes: defaultdict[str, int] = defaultdict()
    codes.default_factory = codes.__len__
    return codes


def _coded(codes: defaultdict[str, int], ids: Ids) -> np.ndarray:
    if isinstance(ids, Sequence):
        return np.fromiter(map(codes.__getitem__, ids), np.int32, len(ids))
    coded: np.ndarray = _coded(codes, ids.dictionary.to_pylist())[ids.indices.to_numpy()]
    return coded


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, np.int32)
