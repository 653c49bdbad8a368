"""From interactions as published to those that are used, step by step, each a setting, each counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.config import DataConfig
from engine.data.catalogue import Catalogue
from engine.data.dataset import Rows
from engine.data.item_texts import detail, tidied
from engine.data.raw import Raw, RawIdFilter, RawItem
from engine.data.timestamps import NONE
from engine.errors import StudioError
from engine.labels import plural
from engine.monitor import Monitor

StepKind = Literal["incomplete", "undated", "repeats", "unlisted", "broken", "untitled", "few"]
STEP_NAMES: dict[StepKind, str] = {
    "incomplete": "without a user or an item",
    "undated": "without a time",
    "repeats": "repeats",
    "unlisted": "of items that the items file lacks",
    "broken": "of items with page script for a title",
    "untitled": "without a title",
    "few": "of users or items with few",
}
"""How the log and the pages call what a step took."""
TIES = "equal times keep the order of the file"
BLOCK = 1 << 21
"""Rows looked at together when repeats are looked for."""


@dataclass
class Step:
    """What one step took."""

    interactions: int = 0
    users: int = 0
    items: int = 0


@dataclass
class Cleaning:
    """What became of the rows of the files; those dropped and those kept add up to ``rows``."""

    rows: int = 0
    dropped: dict[StepKind, Step] = field(default_factory=dict)
    """Only steps that took something."""
    untitled: int = 0
    """Items kept although they have no title; their id stands for it."""
    unused: int = 0
    """Rows of the items file that are of no item kept."""
    users_at_least: int = 1
    items_at_least: int = 1
    """Interactions that every user and every item kept has."""
    notes: tuple[str, ...] = ()
    """What was decided: the unit of the times, what breaks ties."""

    def took(self, kind: StepKind, interactions: int, users: int = 0, items: int = 0) -> None:
        """Count what a step took; it may be taken again."""
        if interactions:
            step = self.dropped.setdefault(kind, Step())
            step.interactions += interactions
            step.users += users
            step.items += items

    def summary(self) -> str:
        """In one sentence: ``"dropped: 1,177 repeats, 402 without a title"``."""
        parts = []
        for kind, name in STEP_NAMES.items():
            if step := self.dropped.get(kind):
                few = f" (under {self.users_at_least} a user, {self.items_at_least} an item)" if kind == "few" else ""
                counts = [plural(n, what) for n, what in ((step.users, "user"), (step.items, "item")) if n]
                parts.append(f"{step.interactions:,} {name}{few}" + (f" [{' and '.join(counts)}]" if counts else ""))
        lines = [f"dropped: {', '.join(parts) or 'nothing'}"]
        if self.untitled:
            ids = "its id" if self.untitled == 1 else "their id"
            lines.append(f"{plural(self.untitled, 'item')} without a usable title, shown by {ids}")
        if self.unused:
            lines.append(f"{plural(self.unused, 'row')} of the items file, of no item kept")
        return "; ".join([*lines, *self.notes])


def clean_rows(raw: Raw, config: DataConfig, items_at_least: int, monitor: Monitor) -> tuple[Catalogue, Rows, Cleaning]:
    """All steps. Items are renumbered by their place in the catalogue, which has the order of the items file.

    Titles are read only for the items that are left when users and items with few interactions are gone. Where some
    go for their titles, that step is taken again: the result is the same as if titles had been looked at first.

    Raises:
        StudioError: nothing is left, or no item of the interactions is in the items file.
    """
    record = Cleaning(
        len(raw.log.users), users_at_least=config.min_interactions, items_at_least=items_at_least, notes=raw.notes
    )
    rows = _sorted(raw, record)
    _drop_repeats(rows, config, len(raw.log.item_ids), record, monitor)
    _drop_few(rows, raw, record, monitor)
    _check_left(rows, raw, record)
    items, codes = _listed(raw, rows, config, record, monitor)
    _drop_few(rows, raw, record, monitor)
    _check_left(rows, raw, record)
    occurs = np.bincount(rows.items, minlength=len(raw.log.item_ids)) > 0
    chosen = [place for place, code in enumerate(codes) if config.unused_items or (code >= 0 and occurs[code])]
    numbers = np.full(len(raw.log.item_ids), -1, np.int32)
    numbers[[codes[place] for place in chosen if codes[place] >= 0]] = [
        number for number, place in enumerate(chosen) if codes[place] >= 0
    ]
    rows.items = numbers[rows.items]
    record.notes += (_ties(rows),)
    monitor.message(f"Data: {len(rows.users):,} of {record.rows:,} interactions kept; {record.summary()}")
    return _catalogue([items[place] for place in chosen], config), rows, record


def _sorted(raw: Raw, record: Cleaning) -> Rows:
    """Rows that are complete, in order."""
    log = raw.log
    rows = Rows(log.users, log.items, log.times)
    blank = [np.array([raw == "" for raw in ids], bool) for ids in (log.user_ids, log.item_ids)]
    if any(part.any() for part in blank):
        record.took("incomplete", rows.keep(~(blank[0][rows.users] | blank[1][rows.items])))
    record.took("undated", rows.keep(rows.times != NONE))
    order = np.lexsort((rows.times, rows.users))  # stable: ties keep the file's order
    return Rows(rows.users[order], rows.items[order], rows.times[order])


def _drop_repeats(rows: Rows, config: DataConfig, n_items: int, record: Cleaning, monitor: Monitor) -> None:
    """A user's interactions with one item count once, so that a target never stands in its own history."""
    mask = np.zeros(len(rows.users), bool)
    start = 0
    while start < len(mask):
        monitor.check()
        end = min(start + BLOCK, len(mask))
        end = int(np.searchsorted(rows.users, rows.users[end - 1], side="right"))  # whole users
        pairs = rows.users[start:end].astype(np.int64) * n_items + rows.items[start:end]
        if config.repeats == "first":
            mask[start + np.unique(pairs, return_index=True)[1]] = True
        else:
            mask[end - 1 - np.unique(pairs[::-1], return_index=True)[1]] = True
        start = end
    record.took("repeats", rows.keep(mask))


def _drop_few(rows: Rows, raw: Raw, record: Cleaning, monitor: Monitor) -> None:
    """Users and items with few interactions go, again and again, until all left have enough (a k-core)."""
    sizes = len(raw.log.user_ids), len(raw.log.item_ids)
    while len(rows.users):
        monitor.check()
        users, items = np.bincount(rows.users, minlength=sizes[0]), np.bincount(rows.items, minlength=sizes[1])
        few_users = (users > 0) & (users < record.users_at_least)
        few_items = (items > 0) & (items < record.items_at_least)
        gone = rows.keep(~(few_users[rows.users] | few_items[rows.items]))
        if not gone:
            return
        record.took("few", gone, int(few_users.sum()), int(few_items.sum()))


def _listed(
    raw: Raw, rows: Rows, config: DataConfig, record: Cleaning, monitor: Monitor
) -> tuple[list[RawItem], list[int]]:
    """Texts of the items left, each with its number in the log (-1 for those that nobody chose); rows of items whose
    title does not do go."""
    ids = raw.log.item_ids
    counts = np.bincount(rows.items, minlength=len(ids))
    numbers = {ids[code]: code for code in np.flatnonzero(counts).tolist()}
    id_filter = RawIdFilter(None if config.unused_items else numbers.keys())
    faults: dict[StepKind, list[int]] = {"unlisted": [], "broken": [], "untitled": []}
    found: dict[str, RawItem] = {}
    for number, item in enumerate(raw.items(id_filter, monitor)):
        if not number & 0xFFF:
            monitor.check()
        if item.raw in found:
            continue
        tidy, fault = tidied(item, config.unescape, raw.as_written)
        if fault and item.raw in numbers:
            faults[fault].append(numbers[item.raw])
        elif fault:
            id_filter.passed += 1
            continue
        found[item.raw] = tidy._replace(title=tidy.title if fault is None else item.raw)
    if config.unlisted == "drop" and not any(known in found for known in numbers):
        raise StudioError(
            f"none of the {plural(len(numbers), 'item')} of the interactions is in the items file",
            where=raw.source,
            remedy="bring the items file of the same data set: this seems to be another category's or another year's",
        )
    for known, code in numbers.items():
        if known not in found:
            found[known] = RawItem(known, known)
            faults["unlisted"].append(code)
    record.unused = id_filter.passed
    choices = {"unlisted": config.unlisted, "broken": config.broken_titles, "untitled": config.untitled}
    for kind, codes in faults.items():
        if choices[kind] == "id":
            record.untitled += len(codes)
            continue
        record.took(kind, rows.keep(~np.isin(rows.items, codes)), items=len(codes))
        for code in codes:
            del found[ids[code]]
    return list(found.values()), [numbers.get(known, -1) for known in found]


def _catalogue(items: list[RawItem], config: DataConfig) -> Catalogue:
    return Catalogue(
        titles=tuple(item.title for item in items),
        years=tuple(item.year for item in items),
        genres=tuple(item.genres for item in items),
        raw_ids=tuple(item.raw for item in items),
        aliases=tuple(item.aliases for item in items),
        brands=tuple(item.brand for item in items),
        details=tuple(detail(item, config.text) for item in items),
    )


def _ties(rows: Rows) -> str:
    if len(rows.times) > 1 and rows.times.min() == rows.times.max():
        return f"all times are equal ({rows.times[0]}), so the order of the file is taken for the time"
    return TIES


def _check_left(rows: Rows, raw: Raw, record: Cleaning) -> None:
    if len(rows.users):
        return
    if not record.rows:
        raise StudioError("no interactions", where=raw.source, remedy="bring the file that was published")
    few = f"no user has {plural(record.users_at_least, 'interaction')} or more"
    if record.items_at_least > 1:
        few += f" with items that have {record.items_at_least} or more"
    raise StudioError(
        f"{few}; {record.summary()}",
        where=raw.source,
        remedy="lower data.min_interactions or data.min_item_interactions, or bring more data",
    )
