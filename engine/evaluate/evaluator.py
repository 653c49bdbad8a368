"""Asks every model about the same test users and keeps the raw answers; tables are made from them elsewhere.

Models are built only when something is left to ask them, and let go of afterwards; the LLM rows share one backbone.
Users are taken in chunks: progress, cancellation and checkpoints fall between chunks, and a resumed evaluation asks
exactly the chunks that are missing. Several processes share each chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np

from engine import distributed
from engine.data.split import Examples
from engine.errors import Cancelled
from engine.evaluate.rows import Evaluation, Row, RowFile, Shapes, fingerprint
from engine.metrics.full import (
    Listing,
    catalogue_listing,
    catalogue_ranks,
    list_length,
    rerank_scores,
    reranked_ranks,
    sort_listing,
)
from engine.metrics.ranks import Ranks, checked_scores, target_columns, target_ranks
from engine.monitor import SILENT, Monitor
from engine.ranking import CatalogueRanker, Ranker, TwoScoresRanker
from engine.rows import KINDS, RowKind
from engine.seeds import generator

STAGE = "evaluate"
CHUNK = 32
CHECKPOINT_SECONDS = 10.0


@dataclass(frozen=True)
class RowEntry:
    """A model to be asked: a row of the table.

    ``build`` returns the ranker. ``version`` says which weights it has: answers stored under another version are not
    used. ``whole``: an LLM row that scores the whole catalogue itself, as baselines and teachers do, instead of
    re-ranking a teacher's list; its ranker must be a :class:`~engine.ranking.CatalogueRanker`, as theirs.
    """

    name: str
    kind: RowKind
    build: Callable[[], Ranker]
    version: str = ""
    whole: bool = False
    group: str = ""
    """Consecutive entries of one group are asked about a chunk of users one after another, before the next chunk: what
    they compute alike they can share."""


class RowStore(Protocol):
    """Finished rows of earlier runs, by keys that tell questions and models apart."""

    def take(self, row: str, key: str, path: Path) -> bool:
        """Put the file of such a row at ``path``; ``False`` where there is none."""
        ...

    def keep(self, row: str, key: str, path: Path, seconds: float) -> None:
        """Keep a finished one, which took so many ``seconds``, for later runs."""
        ...


def sample_users(n: int, users: int | None, seed: int) -> np.ndarray:
    """int64, ascending: which of ``n`` test examples are asked. Depends on nothing but these three; None takes all."""
    if users is None or users >= n:
        return np.arange(n)
    return np.sort(generator(seed, "evaluate", "users").choice(n, size=users, replace=False))


def evaluate(
    entries: Sequence[RowEntry],
    teacher: str,
    examples: Examples,
    candidates: np.ndarray,
    *,
    n_items: int,
    top: int,
    folder: Path,
    monitor: Monitor = SILENT,
    warm: np.ndarray | None = None,
    store: RowStore | None = None,
) -> Evaluation:
    """Rank the candidates and the full catalogue with every model.

    >>> from engine.data import candidate_sets
    >>> examples = models.split.test.take(np.arange(8))
    >>> found = engine.evaluate_rankers(
    ...     [
    ...         engine.RowEntry("sasrec", "teacher", lambda: models.teacher),
    ...         engine.RowEntry("own", "baseline", lambda: mine),
    ...     ],
    ...     "sasrec",
    ...     examples,
    ...     candidate_sets(models.dataset, examples, models.config.data, seed=0, purpose="test"),
    ...     n_items=models.split.n_items,
    ...     top=10,
    ...     folder=answers,
    ... )
    >>> list(found.rows), found.rows["own"].ranks.better.shape  # how many candidates are ahead of the true item
    (['own', 'sasrec'], (8,))

    Args:
        entries: the models; rows come out as baselines, teachers, LLMs, each kind in the order given here.
        teacher: name of the entry whose best ``top`` items LLM rows re-rank on the full catalogue.
        examples: test users with histories and true items.
        candidates: int64 ``[n, m]`` ids, the true item once in each line.
        n_items: size of the catalogue that teachers know.
        folder: of this run alone; answers are kept here until the caller removes it.
        warm: further candidates to be ranked, as ``candidates``: the true item, cold, among warm ones.
        store: where answers of earlier runs may be found, and these are kept for later ones.

    Raises:
        Cancelled: the monitor asked to stop; what was scored is kept.
        StudioError: scores that are not numbers, histories that leave nothing to recommend.
        ValueError: repeated names, no such teacher, or candidates that do not fit the examples.
    """
    entries = sorted(entries, key=lambda entry: KINDS.index(entry.kind))
    kinds = {entry.name: entry.kind for entry in entries}
    if len(kinds) < len(entries) or kinds.get(teacher, "llm") == "llm":
        raise ValueError(f"entries need different names and the teacher {teacher!r} among them, got {list(kinds)}")
    sets = {"candidates": candidates} | ({"warm": warm} if warm is not None else {})
    task = _Task(examples, sets, n_items, list_length(examples.histories, n_items, top), folder, monitor, store)
    # A catalogue model answers a chunk of users in about the time that an LLM takes for one.
    units = {name: len(examples) if kind == "llm" else -(-len(examples) // CHUNK) for name, kind in kinds.items()}
    report = _EvaluationProgress(monitor, units, len(examples))
    rows: dict[str, Row] = {}
    for _, group in groupby(entries, lambda entry: entry.group or entry.name):
        questions = [
            task.rerank(entry, rows[teacher]) if entry.kind == "llm" and not entry.whole else task.rank_all(entry)
            for entry in group
        ]
        task.ask(questions, report)
        rows |= {question.entry.name: question.row() for question in questions}
    whole = tuple(entry.name for entry in entries if entry.kind == "llm" and entry.whole)
    return Evaluation(examples, candidates, teacher, n_items, rows, whole)


class _EvaluationProgress:
    """Turns finished shares of rows into the stage's progress."""

    def __init__(self, monitor: Monitor, units: Mapping[str, int], users: int) -> None:
        """``units``: of work, by row."""
        self._monitor, self._units, self._users = monitor, units, users
        self._done = dict.fromkeys(units, 0)

    def __call__(self, row: str, users: int) -> None:
        """``users`` of a row are done."""
        self._done[row] = self._units[row] * users // self._users
        self._monitor.progress(STAGE, sum(self._done.values()), sum(self._units.values()))


@dataclass
class _RowProgress:
    """A row that is being filled.

    ``ask`` puts a ranker's answers about some users into the file's arrays; ``row`` is the finished row.
    """

    entry: RowEntry
    file: RowFile
    ask: Callable[[Ranker, slice], None]
    row: Callable[[], Row]
    ranker: Ranker | None = None
    """While it has users left to be asked about."""


class _Task:
    """The question put to every model, and the loop over users that asks it."""

    def __init__(
        self,
        examples: Examples,
        sets: Mapping[str, np.ndarray],
        n_items: int,
        k: int,
        folder: Path,
        monitor: Monitor,
        store: RowStore | None,
    ) -> None:
        """``sets``: one or more candidate sets, int64 ``[n, m]`` each."""
        self.examples, self.sets, self.n_items = examples, sets, n_items
        self.k, self.folder, self.monitor, self.store = k, folder, monitor, store
        self.columns = {name: target_columns(candidates, examples.targets) for name, candidates in sets.items()}
        about = [np.asarray(examples.users), examples.targets, *sets.values()]
        self.key = fingerprint([*about, f"{n_items}/{k}", *map(_ids, examples.histories)])

    def rank_all(self, entry: RowEntry) -> _RowProgress:
        """A model that scores the catalogue."""
        n = len(self.examples)
        shapes: Shapes = {
            "listed": ((n, self.k), np.int64),
            "scores": ((n, self.k), np.float32),
            "better": ((n,), np.int64),
            "tied": ((n,), np.int64),
        }
        file = self._file(entry, self.key, shapes)

        def ask(ranker: Ranker, part: slice) -> None:
            if not isinstance(ranker, CatalogueRanker):
                raise ValueError(f"{entry.name} cannot score the catalogue")
            histories = self.examples.histories[part]
            sets = [candidates[part] for candidates in self.sets.values()]
            asked, ends = np.concatenate(sets, axis=1), np.cumsum([candidates.shape[1] for candidates in sets])
            both = ranker.both_scores(histories, asked) if isinstance(ranker, TwoScoresRanker) else None
            scores = both[0] if both else ranker.catalogue_scores(histories)
            scores = checked_scores(entry.name, scores, (len(histories), self.n_items))
            listed = both[1] if both else np.take_along_axis(scores, asked, axis=1)
            listed = checked_scores(entry.name, listed, asked.shape)
            for name, found in zip(self.sets, np.split(listed, ends[:-1], axis=1), strict=True):
                file.arrays[name][part] = found
            listing = catalogue_listing(scores, histories, self.k)
            file.arrays["listed"][part], file.arrays["scores"][part] = listing.items, listing.scores
            ranks = catalogue_ranks(scores, histories, self.examples.targets[part])
            file.arrays["better"][part], file.arrays["tied"][part] = ranks.better, ranks.tied

        def row() -> Row:
            arrays = file.arrays
            full = Ranks(arrays["better"], arrays["tied"])
            return self._row(entry, file, full, Listing(arrays["listed"], arrays["scores"]))

        return _RowProgress(entry, file, ask, row)

    def rerank(self, entry: RowEntry, teacher: Row) -> _RowProgress:
        """An LLM, which orders the candidates and the best items of the teacher."""
        listed = teacher.listing.items
        file = self._file(entry, fingerprint([self.key, listed]), {"scores": (listed.shape, np.float32)})

        def ask(ranker: Ranker, part: slice) -> None:
            histories = self.examples.histories[part]
            scores = rerank_scores(ranker, histories, listed[part], self.sets["candidates"][part])
            file.arrays["scores"][part], file.arrays["candidates"][part] = scores
            if "warm" in self.sets:
                asked = self.sets["warm"][part]
                file.arrays["warm"][part] = checked_scores(entry.name, ranker.scores(histories, asked), asked.shape)

        def row() -> Row:
            scores = file.arrays["scores"]
            full = reranked_ranks(listed, scores, self.examples.targets, teacher.full)
            return self._row(entry, file, full, sort_listing(listed, scores))

        return _RowProgress(entry, file, ask, row)

    def _file(self, entry: RowEntry, key: str, shapes: Shapes) -> RowFile:
        path = self.folder / f"{entry.name}.safetensors"
        key = fingerprint([key, entry.kind, entry.version])
        shapes = {**shapes, **{name: (it.shape, np.float32) for name, it in self.sets.items()}}
        file = RowFile(path, key, shapes)
        if self.store and file.done < len(self.examples) and self.store.take(entry.name, key, path):
            file = RowFile(path, key, shapes)
        return file

    def _row(self, entry: RowEntry, file: RowFile, full: Ranks, listing: Listing) -> Row:
        ranks = {name: target_ranks(file.arrays[name], columns) for name, columns in self.columns.items()}
        scores = file.arrays["candidates"]
        return Row(entry.name, entry.kind, scores, ranks["candidates"], full, listing, ranks.get("warm"))

    def ask(self, questions: Sequence[_RowProgress], report: _EvaluationProgress) -> None:
        """Fill rows: each chunk of users is asked of all of them before the next one."""
        n = len(self.examples)
        for question in questions:
            report(question.entry.name, question.file.done)
        saved = time.monotonic()
        while (start := min(question.file.done for question in questions)) < n:
            if self.monitor.should_stop():
                for question in questions:
                    question.file.save()
                raise Cancelled
            ahead = [question.file.done for question in questions if question.file.done > start]
            part = slice(start, min([start + CHUNK * distributed.world_size(), n, *ahead]))
            due = time.monotonic() - saved >= CHECKPOINT_SECONDS
            for question in questions:
                if question.file.done == start:
                    self._ask_part(question, part)
                    report(question.entry.name, part.stop)
                    if due and part.stop < n:
                        question.file.save()
            saved = time.monotonic() if due else saved

    def _ask_part(self, question: _RowProgress, part: slice) -> None:
        file, entry = question.file, question.entry
        own = distributed.own_rows(part.stop - part.start)
        began = time.monotonic()
        question.ranker = question.ranker or entry.build()
        question.ask(question.ranker, slice(part.start + own.start, part.start + own.stop))
        self._share(file, part, own)
        file.seconds += time.monotonic() - began
        file.done = part.stop
        if file.done == len(self.examples):
            question.ranker = None
            file.save()
            if self.store:
                self.store.keep(entry.name, file.key, file.path, round(file.seconds, 3))

    def _share(self, file: RowFile, part: slice, own: slice) -> None:
        """Give all processes what each has found out about its own rows of a ``part``."""
        if distributed.world_size() > 1:
            found = {name: array[part][own] for name, array in file.arrays.items()}
            for rows, answers in distributed.all_gather((own, found)):
                for name, answer in answers.items():
                    file.arrays[name][part][rows] = answer


def _ids(history: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.asarray(history, dtype=np.int64)
