"""Whose recommendation: a test user's, hers after a change of the history, or after a history of one's own.

:func:`explanandum_of_user` and :func:`explanandum_of_edited` share their candidates, so that a change of the history is
all that makes a difference; :func:`explanandum_of_titles` takes the teacher's best items.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.bidi import isolated
from engine.config import RunConfig
from engine.data import Catalogue, candidate_sets
from engine.data.references import checked_titles, resolve_user
from engine.errors import StudioError
from engine.explain.explanandum import Explanandum, find_item
from engine.explain.predictor import EMPTY, Instance
from engine.explain.report import CandidatePool
from engine.explain.row_predictors import RowPredictors
from engine.labels import label, plural
from engine.models import Models
from engine.recommend import MatchedTitle, ambiguities, understand
from engine.rows import checked_row, comparison_row, method_row


@dataclass(frozen=True)
class ExplanationTarget:
    """What is to be explained, by titles or ids of the data set; each is added to the candidates if it is none."""

    item: str | None = None
    """The language model's first if ``None``."""
    rival: str | None = None
    """The strongest other candidate if ``None``."""
    model: str | None = None
    """The row of the results table that answers; the method's last stage if ``None``."""
    beside: str | None = None
    """The row whose reasons stand beside it; see :func:`engine.rows.comparison_row` if ``None``."""

    def rows(self, config: RunConfig) -> tuple[str, str]:
        """Both rows.

        Raises:
            StudioError: the run has no such row, or the two are the same.
        """
        row = method_row(config) if self.model is None else checked_row(config, self.model)
        other = comparison_row(config, row) if self.beside is None else checked_row(config, self.beside, "beside")
        if self.beside is not None and row == other:
            raise StudioError(f"{label(row)} cannot stand beside itself", where="beside", remedy="choose another row")
        return row, other


ANYTHING = ExplanationTarget()


def explanandum_of_user(
    models: Models, user: str, spec: ExplanationTarget = ANYTHING, candidates: CandidatePool = "sampled"
) -> Explanandum:
    """A test user, by her id in the data set, and her history before the test item.

    Args:
        candidates: those of the evaluation, or the row's own best of the whole catalogue.

    Raises:
        StudioError: no such test user, or no such item.
    """
    history, target, listed = _test_user(models, user, spec, candidates)
    length = models.config.data.history
    entries = understand([int(item) for item in history[-length:]], models.dataset.catalogue)
    whole = candidates == "catalogue"
    catalogue = models.dataset.catalogue
    return _explanandum(models, catalogue, entries, history[:-length], listed, spec, target, (), whole)


def explanandum_of_edited(
    models: Models,
    user: str,
    titles: Sequence[str],
    spec: ExplanationTarget = ANYTHING,
    candidates: CandidatePool = "sampled",
) -> Explanandum:
    """A test user whose read history is changed to ``titles``: the candidates stay those of the history as it was.

    Candidates that stand in the new history leave the list, which is noted. What came before the titles that the
    language model reads stays too; only the teacher sees it.

    Raises:
        StudioError: no such test user, no titles, too many, none that the catalogue knows, or no such item.
    """
    history, target, listed = _test_user(models, user, spec, candidates)
    entries, known = _understood(models, titles)
    length = models.config.data.history
    gone = [models.dataset.catalogue.choice(int(item)).title for item in listed if item in known]
    notes = [f"{isolated(title)} stands in the history now, so it is no candidate any more." for title in gone]
    older = [int(item) for item in history[:-length] if item not in known]
    older += [entry.item for entry in entries[:-length] if entry.item is not None]
    kept = np.array([item for item in listed if item not in known], np.int64)
    whole = candidates == "catalogue"
    return _explanandum_of_entries(models, entries, np.array(older, np.int64), kept, spec, target, notes, whole)


def explanandum_of_titles(models: Models, titles: Sequence[str], spec: ExplanationTarget = ANYTHING) -> Explanandum:
    """A history of one's own, oldest first, and the row's best items of the whole catalogue.

    Titles that the catalogue lacks are kept for the language model.

    Raises:
        StudioError: no titles, too many, none that the catalogue knows, or no such item.
    """
    entries, _ = _understood(models, titles)
    older = [entry.item for entry in entries[: -models.config.data.history] if entry.item is not None]
    return _explanandum_of_entries(models, entries, np.array(older, np.int64), None, spec, None, [], True)


def remembered(models: Models, older: np.ndarray) -> np.ndarray:
    """The ``older`` items that the teacher still sees behind a history as long as is read: a shorter one, after a
    removal or an edit, lets nothing older in."""
    memory = models.config.teacher.max_length - models.config.data.history
    return older[-memory:] if memory > 0 else EMPTY


def _test_user(
    models: Models, user: str, spec: ExplanationTarget, candidates: CandidatePool
) -> tuple[np.ndarray, int, np.ndarray]:
    """History, true next item and candidates of a test user.

    Raises:
        StudioError: there is none of this id.
    """
    dataset, examples = models.dataset, models.split.test
    meant = resolve_user((dataset.user_ids[index] for index in examples.users), user)
    found = [i for i, index in enumerate(examples.users) if dataset.user_ids[index] == meant]
    if not found:
        first, last = (dataset.user_ids[examples.users[i]] for i in (0, -1))
        raise StudioError(
            f"no test user {user!r}", where="user", remedy=f"there are {len(examples)}, from {first!r} to {last!r}"
        )
    example = examples.take(found)
    history = example.histories[0]
    if candidates == "sampled":
        listed = candidate_sets(dataset, example, models.config.data, models.config.seed, "test")[0]
    else:
        length = models.config.data.history
        read = history[-length:]
        rows = RowPredictors(models, models.dataset.catalogue, remembered(models, history[:-length]))
        listed = rows.best(spec.rows(models.config)[0], read, history)
    return history, int(example.targets[0]), listed


def _understood(models: Models, titles: Sequence[str]) -> tuple[tuple[MatchedTitle, ...], np.ndarray]:
    """Titles as they were understood, and the ids of those that the catalogue has: int64, not empty.

    Raises:
        StudioError: no titles, too many, or none that the catalogue knows.
    """
    entries = understand(checked_titles(titles), models.dataset.catalogue)
    known = np.array([entry.item for entry in entries if entry.item is not None], np.int64)
    if not len(known):
        close = [choice.title for entry in entries for choice in entry.suggestions]
        raise StudioError(
            f"none of these titles is known: {'; '.join(entry.title[:60] for entry in entries[:5])}",
            where="titles",
            remedy=f"did you mean {'; '.join(close[:3])}?" if close else "write titles as the data set has them",
        )
    return entries, known


def _explanandum_of_entries(
    models: Models,
    entries: tuple[MatchedTitle, ...],
    older: np.ndarray,
    candidates: np.ndarray | None,
    spec: ExplanationTarget,
    true_item: int | None,
    notes: list[str],
    whole: bool,
) -> Explanandum:
    """That of typed titles, unknown ones among them, of which the last are read."""
    length = models.config.data.history
    read = entries[-length:]
    notes += ambiguities(entries)
    own = [isolated(entry.title) for entry in read if entry.item is None]
    notes += [f"Not in the catalogue, only what reads titles sees “{title}”." for title in own]
    if len(entries) > length:
        notes.append(f"The language model reads the last {length} of {len(entries)} titles.")
    catalogue = models.dataset.catalogue.extended([entry.title for entry in read if entry.item is None])
    return _explanandum(models, catalogue, read, older, candidates, spec, true_item, tuple(notes), whole)


def _explanandum(
    models: Models,
    catalogue: Catalogue,
    entries: tuple[MatchedTitle, ...],
    older: np.ndarray,
    candidates: np.ndarray | None,
    spec: ExplanationTarget,
    true_item: int | None,
    notes: tuple[str, ...],
    whole: bool,
) -> Explanandum:
    """``candidates``: the row's best of the whole catalogue after these entries if ``None``."""
    row, other = spec.rows(models.config)
    if models.dataset.note:
        notes = (models.dataset.note, *notes)
    own = iter(range(catalogue.n_known, len(catalogue)))
    history = np.array([next(own) if entry.item is None else entry.item for entry in entries], np.int64)
    taken = {*history.tolist(), *older.tolist()}
    item, rival = (
        None if text is None else _free_item(models.dataset.catalogue, text, taken, where)
        for where, text in (("item", spec.item), ("rival", spec.rival))
    )
    catalogue = catalogue.extended([f"an unknown {models.prompts().words.noun}"])
    rows = RowPredictors(models, catalogue, remembered(models, older), whole=whole)
    listed = rows.best(row, history, [*taken]) if candidates is None else candidates
    for extra in dict.fromkeys(it for it in (item, rival) if it is not None and it not in listed):
        listed = np.append(listed, extra)
        notes = (*notes, f"{isolated(catalogue.choice(extra).title)} was added to the candidates.")
    if len(listed) < 2:
        fault = f"{plural(len(listed), 'candidate is', 'candidates are')} left outside the history: a ranking needs two"
        raise StudioError(fault, where="titles", remedy="shorten the history")
    instance = Instance(history, listed, 0, rows.older)
    places = listed.tolist()
    target = places.index(item) if item is not None else int(rows.of(row, instance).full().argmax())
    instance = replace(instance, target=target)
    found = Explanandum(models, catalogue, entries, rows, row, other, instance, true_item, notes, frozenset(taken))
    return found if rival is None else found.against(places.index(rival))


def _free_item(catalogue: Catalogue, text: str, taken: Collection[int], where: str) -> int:
    """The item meant by a title or an id, which must not be one of ``taken``."""
    item = find_item(catalogue, text, where)
    if item in taken:
        raise StudioError(f"{catalogue.choice(item).title} stands in the history", where=where, remedy="choose another")
    return item
