"""Whose recommendations of a run can be looked at: its test users by what became of them, and anybody's own titles.

Known from the stored predictions and the data set; no model is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine.config import RunConfig
from engine.data import Dataset
from engine.data.catalogue import ItemLabel
from engine.data.references import UserLabels, id_in
from engine.data.search import TitleSearch
from engine.default_row import ChosenRow, chosen_row
from engine.errors import StudioError
from engine.evaluate import Predictions
from engine.evaluate.user_groups import UserGroup, slices_of, user_groups
from engine.evaluate.users import UserRow, user_rows
from engine.recommend import MatchedTitle, understand
from engine.rows import all_rows, checked_row
from engine.run_folder import RunFolder
from engine.settings import make_config
from jobs.records import Run
from webapp import previews
from webapp.predictions import predictions_of

EXAMPLE = 5
"""Titles of the example history."""
MOST_KEPT = 4


@dataclass(frozen=True)
class HistoryEntry:
    """One title of a history as it was understood."""

    asked: str
    """What asks for it again: a reference to the very item, or what was typed."""
    query: str
    """As it was typed."""
    title: str
    year: int | None = None
    genres: tuple[str, ...] = ()
    known: bool = True
    """Whether the catalogue has it; other titles only the language model reads."""
    suggestions: tuple[ItemLabel, ...] = ()
    alike: bool = False
    """Whether a suggestion is exactly what was typed, as this one is."""


@dataclass(frozen=True)
class ShownHistory:
    """A history, oldest first: what only the teacher sees, and what the language model reads too."""

    older: tuple[HistoryEntry, ...]
    read: tuple[HistoryEntry, ...]
    hidden: int = 0
    """Titles before both that are not listed; the teacher may see them."""

    @property
    def any_known(self) -> bool:
        return any(entry.known for entry in (*self.older, *self.read))


class Subjects:
    """What can be looked at in one finished run."""

    def __init__(self, run: Run, predictions: Predictions, dataset: Dataset | None, problem: str) -> None:
        """``dataset``: the run's own, or ``None`` and why it is not here."""
        self.run = run
        self.predictions = predictions
        self.config: RunConfig = make_config(run.config)
        self.teacher = predictions.teacher
        self.rows = list(all_rows(self.config))
        """Rows that can be explained, in the order of the table."""
        self.dataset, self.problem = dataset, problem
        self._groups: dict[str, Mapping[UserGroup, np.ndarray]] = {}
        self._histories: dict[tuple[str, ...], ShownHistory] = {}
        self._places = {str(user): place for place, user in enumerate(predictions.table["user_id"])}

    @cached_property
    def chosen(self) -> ChosenRow:
        """The row that is explained where nobody asks for another, and why it is this one."""
        return chosen_row(RunFolder(self.run.folder))

    def row_of(self, model: str) -> str:
        """The row that is explained: the one that is named, or else the one that answers for the run by default.

        Raises:
            StudioError: the run has no such row.
        """
        return checked_row(self.config, model) if model else self.chosen.row

    def told_row(self, model: str) -> str:
        """The row whose outcomes tell the users apart: the one explained, where its predictions are stored."""
        row = self.row_of(model)
        there = [name for name in self.predictions.models if name != self.teacher]
        return row if row in there else there[-1]

    def groups(self, model: str = "") -> Mapping[UserGroup, np.ndarray]:
        """Lines of the table by group, the row of :meth:`told_row` beside the teacher."""
        row = self.told_row(model)
        if row not in self._groups:
            lengths = None
            if self.dataset is not None:
                users = self.predictions.table["user"]
                lengths = np.array([len(self.dataset.sequences[user]) for user in users])
            self._groups[row] = user_groups(self.predictions, row, lengths)
        return self._groups[row]

    @cached_property
    def slices(self) -> Mapping[str, np.ndarray]:
        """Lines of the table by slice, its kind and name joined by a colon; none where the data set is not here."""
        if self.dataset is None:
            return {}
        return {f"{by}:{name}": places for (by, name), places in
                slices_of(self.predictions, self.dataset, self.config).items()}  # fmt: skip

    @property
    def users(self) -> list[str]:
        """Ids of the users whose predictions are stored."""
        return list(self._places)

    @cached_property
    def user_labels(self) -> UserLabels:
        """How users are shown."""
        return UserLabels(self._places)

    def user_at(self, place: int) -> str:
        """The id in a line of the table."""
        return str(self.predictions.table["user_id"].iloc[place])

    def row(self, user: str) -> UserRow | None:
        """What is stored about a user; ``None`` for users whom the evaluation left out."""
        place = self._places.get(user)
        return None if place is None else user_rows(self.predictions, [place])[0]

    def place_in(self, group: UserGroup, user: str, model: str = "") -> int | None:
        """Where a user stands in a group, from 0."""
        place = self._places.get(user)
        if place is None:
            return None
        found = np.flatnonzero(self.groups(model)[group] == place)
        return int(found[0]) if len(found) else None

    def title(self, item: int) -> str:
        """How an item is called; by number where the data set is not here."""
        return self.dataset.catalogue.display(item) if self.dataset else f"item {item}"

    def choice(self, item: int) -> ItemLabel:
        """An item as something to choose; it cannot be asked for where the data set is not here."""
        return self.dataset.catalogue.choice(item) if self.dataset else ItemLabel("", self.title(item))

    def history_of(self, user: str) -> ShownHistory | None:
        """The history of a test user; ``None`` if nothing is known about the user."""
        row = self.row(user)
        if row is None:
            return None
        hidden = 0
        if self.dataset is not None:
            sequence = self.dataset.sequences[self.dataset.user_ids.index(user)].tolist()
            hidden = max(0, sequence.index(row.target) - len(row.history)) if row.target in sequence else 0
        return ShownHistory((), tuple(map(self._item, row.history)), hidden)

    def history(self, titles: Sequence[str]) -> ShownHistory:
        """One's own titles and references, see :func:`engine.recommend.understand`; what comes twice counts once.

        Raises:
            StudioError: the data set is not on this machine.
        """
        if not titles:
            return ShownHistory((), ())
        key = tuple(titles)
        if key not in self._histories:  # the page asks again and again while answers come
            entries = self._understood(key)
            length = self.config.data.history
            self._histories[key] = ShownHistory(entries[:-length], entries[-length:])
            for old in list(self._histories)[:-MOST_KEPT]:
                self._histories.pop(old, None)
        return self._histories[key]

    def example(self) -> tuple[HistoryEntry, ...]:
        """A history to begin with: the latest titles of a test user."""
        history = self.history_of(self.user_at(0))
        return history.read[-EXAMPLE:] if history else ()

    def told_to(self, other: Subjects, entry: str) -> str:
        """What asks in another run for the item that ``entry`` refers to here: a reference if the same item has the
        same id there, else its title; titles stay as they are.

        Raises:
            StudioError: a data set is not on this machine.
        """
        raw_id, ours, theirs = id_in(entry), self._required().catalogue, other._required().catalogue
        item = None if raw_id is None else ours.item_of(raw_id)
        if raw_id is None or item is None:
            return entry
        twin, title = theirs.item_of(raw_id), ours.display(item)
        return entry if twin is not None and theirs.display(twin) == title else title

    @cached_property
    def search(self) -> TitleSearch:
        """Finds titles while they are typed.

        Raises:
            StudioError: the data set is not on this machine.
        """
        dataset = self._required()
        counts = np.bincount(np.concatenate(dataset.sequences), minlength=len(dataset.catalogue))
        return TitleSearch(dataset.catalogue, counts.tolist())

    def _understood(self, titles: tuple[str, ...]) -> tuple[HistoryEntry, ...]:
        return tuple(map(self._entry, understand(titles, self._required().catalogue)))

    def _entry(self, entry: MatchedTitle) -> HistoryEntry:
        if entry.item is None:
            return HistoryEntry(entry.query, entry.query, entry.title, known=False, suggestions=entry.suggestions)
        item = self._item(entry.item)
        chosen = entry.query == self.title(entry.item) and not entry.alike
        return replace(
            item,
            asked=item.asked if chosen else entry.query,
            query=entry.query,
            suggestions=entry.suggestions,
            alike=bool(entry.alike),
        )

    def _item(self, item: int) -> HistoryEntry:
        title = self.title(item)
        if self.dataset is None:
            return HistoryEntry(title, title, title)
        catalogue = self.dataset.catalogue
        found = self.choice(item)
        return HistoryEntry(found.reference, title, found.title, catalogue.years[item], catalogue.genres[item])

    def _required(self) -> Dataset:
        if self.dataset is None:
            raise StudioError("titles cannot be looked up", where=self.problem, remedy="fetch the data set by a run")
        return self.dataset


_KEPT: dict[str, Subjects] = {}


def subjects_of(run: Run) -> Subjects:
    """Those of a run, kept for the next look.

    Raises:
        StudioError: the run is not done, or its predictions cannot be read.
    """
    predictions = predictions_of(run)
    dataset, problem = _dataset(run)
    found = _KEPT.get(run.id)
    same = found and found.predictions is predictions and found.dataset is dataset and found.problem == problem
    if found is None or not same:
        found = _KEPT[run.id] = Subjects(run, predictions, dataset, problem)
        for run_id in list(_KEPT)[:-MOST_KEPT]:
            _KEPT.pop(run_id, None)
    return found


def kept(run_id: str) -> Subjects | None:
    """Those of a run that was looked at before, if its files are as they were.

    Raises:
        StudioError: its predictions cannot be read any more.
    """
    return subjects_of(_KEPT[run_id].run) if run_id in _KEPT else None


def _dataset(run: Run) -> tuple[Dataset | None, str]:
    """The data set of a run, or why it is not here."""
    try:
        return previews.dataset_of_run(run), ""
    except StudioError as error:
        return None, str(error)
