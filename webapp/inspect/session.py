"""Gets a question's parts answered, one after the other, and reads what is known of them so far."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from engine.data.references import checked_titles, id_in
from engine.errors import StudioError
from engine.explain.report import ExplanationReport
from jobs import api
from jobs.answers import Q
from jobs.failures import ANSWER_STOPPED
from jobs.records import ACTIVE, AnswerProgress, Run, RunState
from webapp.inspect.question import WORDS, Question
from webapp.inspect.subjects import MOST_KEPT, ShownHistory, Subjects, kept, subjects_of
from webapp.measurement_state import TRUST

FIRST = "summary"
"""The part that all others need, and that is told first: without it there is nothing to explain."""
AT_ONCE = 2
"""Parts under way, so that whoever answers never waits for the page; one where titles are edited, because a newer
question has to wait for it."""
KEPT_ANSWERS = 256
SUGGESTED = 10
TO_COME: tuple[RunState, ...] = ("queued", *ACTIVE)
"""Recommendations after titles none of which the catalogue has: no reasons can be measured then."""

NAMES = {
    "ladder": "ranking",
    "summary": "first sentence",
    "effects": "effects of each title",
    "rather": "comparison with the rival",
    "why_not": "why it does not come first",
    "parts": "parts that add up",
    "counterfactual": "smallest change",
    "stability": "stability",
    "rationale": "generated reasoning",
    "reading": "exact prompt",
    "prompt": "soft prompt and adapter",
    "order": "order of the history",
    "gradients": "gradients",
    "free": "words without the grammar",
}
"""What people read for the parts."""


@dataclass(frozen=True)
class QuestionState:
    """How far a question is answered."""

    parts: tuple[str, ...]
    known: Mapping[str, AnswerProgress] = field(default_factory=dict)
    """What was asked so far, by part."""

    @cached_property
    def answer(self) -> ExplanationReport | None:
        """All parts that are there, as one explanation, and the facts before the first; what is written so far."""
        known = [self.known[part] for part in self.parts if part in self.known]
        there = [ExplanationReport.read(it.answer) for it in known if it.answer]
        partial = next((it.partial for it in reversed(known) if it.state == "running" and it.partial), None)
        so_far = ExplanationReport.read(partial) if partial else None
        whole = ExplanationReport.merged([*there, so_far] if so_far and not there else there)
        return whole.model_copy(update={"writing": so_far.writing}) if whole and so_far else whole

    def state(self, part: str) -> str:
        """``absent`` or the state of the question; ``stopped`` for a text that nobody waited for any more."""
        known = self.known.get(part)
        if known is None:
            return "absent"
        if known.state == "failed" and known.error == ANSWER_STOPPED[0]:
            return "stopped" if part == WORDS else "absent"
        return known.state

    def has(self, part: str) -> bool:
        """Whether the part is there."""
        return self.state(part) == "done"

    @property
    def failed(self) -> list[str]:
        return [part for part in self.parts if self.state(part) == "failed"]

    @property
    def stuck(self) -> bool:
        """Whether the first part failed, and the others with it."""
        return self.state(FIRST) == "failed"

    @property
    def under_way(self) -> list[str]:
        return [part for part in self.parts if self.state(part) in ("queued", "running")]

    @property
    def pending(self) -> bool:
        """Whether something is still to come."""
        return not self.stuck and any(self.state(part) not in ("done", "failed", "stopped") for part in self.parts)


@dataclass(frozen=True)
class InspectView:
    """What one look gives."""

    question: Question
    subjects: Subjects
    history: ShownHistory | None
    """``None`` for a user about whom nothing is stored."""
    standing: QuestionState
    before: QuestionState | None
    """The ranking after the history as it was, where it was edited."""
    lists: AnswerProgress | None
    """Recommendations without reasons, where the catalogue has none of the titles."""
    trust: str | None
    """How far this row's reasons are to be trusted, in a sentence; ``None`` where that is not measured."""
    idle: bool
    """Something waits and no worker is there."""

    @property
    def answer(self) -> ExplanationReport | None:
        return self.standing.answer

    @property
    def pending(self) -> bool:
        waits = [self.standing.pending, self.before is not None and self.before.pending]
        return any(waits) or (self.lists is not None and self.lists.state in ("queued", "running"))

    @property
    def shown_parts(self) -> tuple[bool, bool, bool]:
        """Whether the ranking is known, its first sentence, and the ranking of the row beside: while it is answered,
        they come in this order."""
        answer = self.answer
        return answer is not None, bool(answer and answer.summary), bool(answer and answer.beside)

    def states(self, *parts: str) -> tuple[Hashable, ...]:
        """Changes when the question or one of these parts does."""
        return (self.question.address(), *(self.standing.state(part) for part in parts))


def load(question: Question, parts: Sequence[str] | None = None) -> QuestionState:
    """What is known, without asking."""
    return _load({question: question.parts if parts is None else parts})[0][question]


def _load(requested: Mapping[Question, Sequence[str]]) -> tuple[dict[Question, QuestionState], bool]:
    """How these parts of questions about one run stand, in one read, and whether a worker is there to answer."""
    asked = {(q, part): ("explain", q.request(part)) for q, parts in requested.items() for part in parts}
    found, worker = _read(next(iter(requested)).run, asked)
    known = {q: {part: found[q, part] for part in parts if (q, part) in found} for q, parts in requested.items()}
    return {q: QuestionState(tuple(parts), known[q]) for q, parts in requested.items()}, worker


def _read(run_id: str, questions: Mapping[Q, tuple[str, Mapping[str, Any]]]) -> tuple[dict[Q, AnswerProgress], bool]:
    """See :func:`jobs.answers.progress`; answers are read once and kept."""
    with _KEEPING:
        known = {asked: answer for (run, asked), answer in _KEPT.items() if run == run_id}
    found, worker = api.progress(run_id, questions, list(known))
    done = {name: replace(it, answer=known.get(it.id, it.answer)) for name, it in found.items() if it.state == "done"}
    with _KEEPING:
        for it in done.values():
            _KEPT.pop((run_id, it.id), None)  # comes to the end: the oldest come first
            _KEPT[run_id, it.id] = it.answer
        while len(_KEPT) > KEPT_ANSWERS:
            del _KEPT[next(iter(_KEPT))]
    return {**found, **done}, worker


_KEPT: dict[tuple[str, int], dict[str, Any] | None] = {}
"""Answers by run and id of the question, for the next look; of all visitors, each of whom is a thread."""
_KEEPING = threading.Lock()


def leave(question: Question, now: Question) -> None:
    """Stop what is still to come for a question that its reader has left: what waits, and a text being written."""
    requests = [now.request(part) for part in now.parts] if now.run == question.run else []
    for part, known in load(question).known.items():
        stoppable = known.state == "queued" or (part == WORDS and known.state == "running")
        if stoppable and question.request(part) not in requests:
            api.stop_answer(known.id)


def advance(question: Question, parts: Sequence[str] | None = None, *, again: bool = False) -> QuestionState:
    """Ask for the next parts, cheap ones first, and say what is known.

    Args:
        again: ask for those that failed once more.

    Raises:
        StudioError: the run is gone or not done, or the question is too long.
    """
    return _advanced(question, load(question, parts), again)


def _advanced(question: Question, standing: QuestionState, again: bool = False) -> QuestionState:
    most = 1 if question.titles is not None else AT_ONCE
    free = most - len(standing.under_way)
    states = ("absent", "failed", "stopped") if again else ("absent",)
    due = [part for part in standing.parts if standing.state(part) in states]
    if not due or free <= 0 or (standing.stuck and not again):
        return standing
    known = dict(standing.known)
    for part in due[: free if FIRST not in due else 1]:  # the others would fail like the first
        known[part] = _asked(question.run, "explain", question.request(part))
    return replace(standing, known=known)


def _asked(run_id: str, kind: str, request: Mapping[str, Any]) -> AnswerProgress:
    """Ask, and say how the question stands then."""
    asked = api.ask(kind, run_id, request)
    return AnswerProgress(asked.id, asked.state, asked.partial, asked.error, asked.remedy, asked.answer)


def load_view(question: Question, *, again: bool = False, fresh: bool = True) -> InspectView:
    """Ask for what is due, and gather what is known: one read of the database where nothing is to be asked.

    Args:
        again: ask once more for what failed.
        fresh: look the run up, too; else what is known of it since the last look will do.

    Raises:
        StudioError: no such run, it is not done, or the question makes no sense.
    """
    subjects = (None if fresh else kept(question.run)) or subjects_of(finished_run(question.run))
    for row in filter(None, (question.model, question.beside)):
        subjects.row_of(row)
    question = _begun(replace(question, run=subjects.run.id), subjects)
    checked_titles(question.titles or ())
    history = subjects.history_of(question.user) if question.titles is None else subjects.history(question.titles)
    standing, before, lists = QuestionState(()), None, None
    if question.titles and history and not history.any_known:
        asked = "recommend", {"titles": list(question.titles), "k": SUGGESTED}
        found, worker = _read(question.run, {"": asked})
        lists = found.get("") or _asked(question.run, *asked)
    else:
        requested: dict[Question, Sequence[str]] = {question: question.parts if question.complete else ()}
        # The same candidates after the history as it was: only the edit makes the difference.
        was = replace(question, titles=None, item="", rival="") if question.edited else question
        standings, worker = _load({was: (FIRST,)} | requested)
        unsent = standings[question].state(WORDS) in ("absent", "failed", "stopped")
        if question.words == "elsewhere" and not question.pressed and unsent:  # an address sends nothing anywhere
            return load_view(replace(question, words="", attempt=1), again=again, fresh=fresh)
        standing = _advanced(question, standings[question], again)
        if was != question:
            before = _advanced(was, standings[was]) if standing.has(FIRST) else standings[was]
    trust = _trust(question.run, subjects.row_of(question.model), fresh)
    view = InspectView(question, subjects, history, standing, before, lists, trust, False)
    return replace(view, idle=view.pending and not worker)


def _trust(run_id: str, row: str, fresh: bool) -> str | None:
    """The verdict of the latest trust figures about a row's reasons; read again where ``fresh``."""
    if fresh:
        answers = [asked.answer for asked in api.explanations(run_id, TRUST.kind) if asked.answer]
        _TRUST[run_id] = {str(it.get("model")): str(it["verdict"]) for it in answers if "verdict" in it}
        for old in list(_TRUST)[:-MOST_KEPT]:
            del _TRUST[old]
    return _TRUST.get(run_id, {}).get(row)


_TRUST: dict[str, dict[str, str]] = {}
"""Verdicts by run and row."""


def in_run(question: Question, run_id: str) -> Question:
    """The question put to another run. What refers to an item goes along where the item is the same there; in other
    data its title is asked for.

    Raises:
        StudioError: there is no such run, it is not done, or its predictions cannot be read.
    """
    fresh = question.changed({"run": run_id})
    if question.model or question.beside:
        rows = subjects_of(api.status(run_id)).rows
        model, beside = (row if row in rows else "" for row in (fresh.model, fresh.beside))
        fresh = replace(fresh, model=model, beside=beside)
    if not any(id_in(entry) is not None for entry in fresh.titles or ()):
        return fresh
    here, there = (subjects_of(api.status(run)) for run in (question.run, run_id))
    return replace(fresh, titles=tuple(here.told_to(there, entry) for entry in fresh.titles or ()))


def finished_run(reference: str) -> Run:
    """The run that is named, or else the one that was finished last.

    Raises:
        StudioError: no such run, or none at all.
    """
    if reference:
        return api.status(reference)
    finished = api.runs(states=["done"], limit=1)
    if not finished:
        raise StudioError("there is no finished run yet", remedy="launch one: the preset smoke takes a minute")
    return finished[0]


def to_come(reference: str) -> bool:
    """Whether the run that is named, or else any, is queued or under way: soon there is something to look at."""
    try:
        runs = [api.status(reference)] if reference else api.runs(states=TO_COME, limit=1)
    except StudioError:
        return False
    return any(run.state in TO_COME for run in runs)


def _begun(question: Question, subjects: Subjects) -> Question:
    """Where nobody is chosen, a user whom both models get right, or else the first."""
    if question.user or question.titles is not None:
        return question
    both = subjects.groups(question.model)["both"]
    user, group = (subjects.user_at(int(both[0])), "both") if len(both) else (subjects.user_at(0), "")
    return replace(question, user=user, group=group)
