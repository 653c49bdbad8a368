"""Questions about finished runs: asked here, answered by a process beside the one that trains.

They have a queue of their own, so that a training of hours does not hold up an answer of seconds. As with runs, the
database is the truth and a message only wakes the process that answers.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from db import asked as asked_store
from db import explanations, runs
from db.asked import AnswerProgress
from db.explanations import Explanation
from db.runs import Run
from engine.environment import code_version
from engine.errors import StudioError
from engine.settings import stored_config
from jobs import failures, heartbeat, process, process_group, queues, requests
from jobs.workers import lives

LONGEST_REQUEST = 64 * 1024
MOST_ATTEMPTS = 2
POLL_SECONDS = 0.1
PROGRESS_SECONDS = 0.2
"""Answers under way are stored no more often than that."""

AnyQuestion = TypeVar("AnyQuestion", Explanation, AnswerProgress)
Q = TypeVar("Q", bound=Hashable)
"""What a caller knows a question by."""

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """Nobody wants the answer any more."""


def stamped(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request as it is stored: with the code that answers it, so that changed code is asked anew."""
    return {**request, "code": code_version()}


def ask(kind: str, run: Run, request: Mapping[str, Any], *, again: bool = False) -> Explanation:
    """See :func:`jobs.api.ask`."""
    asked = _stored(kind, run, request, again=again)
    if asked.state == "queued":
        queues.answers().add(str(asked.id))
    return asked


def progress(
    run_id: str, questions: Mapping[Q, tuple[str, Mapping[str, Any]]], read: Collection[int] = ()
) -> tuple[dict[Q, AnswerProgress], bool]:
    """How questions stand that were asked about a run, each a kind and a request, in one read; none is asked.

    Args:
        read: ids of questions whose answers are known; they are not read again.

    Returns:
        those that were asked, and whether a worker is there to answer.
    """
    digests = {explanations.digest(kind, stamped(request)): key for key, (kind, request) in questions.items()}
    found, workers = asked_store.progress(run_id, list(digests), read)
    known = {digests[digest]: it for digest, it in found.items()}
    told = {key: it if it.id in read else _readable(it, questions[key][0]) for key, it in known.items()}
    return told, any(map(lives, workers))


def of(run: Run, kind: str | None = None) -> list[Explanation]:
    """See :func:`jobs.api.explanations`."""
    return [_readable(asked, asked.kind) for asked in explanations.of(run.id, kind)]


def _readable(asked: AnyQuestion, kind: str) -> AnyQuestion:
    """The question; one whose answer cannot be read has failed, so that it can be asked again."""
    if asked.state != "done":
        return asked
    try:
        return replace(asked, answer=requests.read_answer(kind, asked.answer))
    except StudioError as error:
        told = f"{error.what} ({error.where})" if error.where else error.what
        return replace(asked, state="failed", answer=None, error=told, remedy=error.remedy)


def here(
    kind: str,
    run: Run,
    request: Mapping[str, Any],
    on_progress: requests.OnProgress = lambda _: None,
    processes: int = 1,
) -> dict[str, Any]:
    """The answer, from the store or else found in this process and stored; another process at work is waited for.

    Args:
        on_progress: called with what is known so far, where this process works on it.
        processes: how many share the users then, of a kind that is about many.

    Raises:
        StudioError: as :func:`jobs.api.ask`, or the question has no answer.
    """
    asked = _stored(kind, run, request)
    while not (found := explanations.get(asked.id)).settled:
        if explanations.claim(asked.id, process.owner()):
            _find(explanations.get(asked.id), on_progress, processes)
        else:
            settle()
            time.sleep(POLL_SECONDS)
    if (found := _readable(found, kind)).answer is None:
        raise StudioError(found.error or "it failed", where=kind, remedy=found.remedy or "")
    return found.answer


def _stored(kind: str, run: Run, request: Mapping[str, Any], *, again: bool = False) -> Explanation:
    if kind not in requests.KINDS:
        remedy = f"choose one of {', '.join(requests.KINDS)}"
        raise StudioError(f"nothing of the kind {kind!r} can be asked", where="kind", remedy=remedy)
    if run.state != "done":
        raise StudioError(f"run {run.name!r} is {run.state}", where=run.id, remedy="ask about a finished run")
    if len(json.dumps(request, default=str)) > LONGEST_REQUEST:
        raise StudioError("the question is too long", where=kind, remedy="ask about fewer items")
    wanted = stamped(request)
    asked = _readable(explanations.ask(run.id, kind, wanted, again=again), kind)
    return explanations.ask(run.id, kind, wanted, again=True) if asked.state == "failed" else asked


def stop(explanation_id: int) -> None:
    """Ask nobody to answer this any more; a text that is being written ends, and nothing of it is kept."""
    explanations.stop(explanation_id, *failures.ANSWER_STOPPED)


def wait(explanation_id: int, seconds: float = 60.0) -> Explanation:
    """The question once it is answered or has failed, or as it stands after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := explanations.get(explanation_id)).settled and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return _readable(found, found.kind)


def answer(explanation_id: int) -> None:
    """Answer a question in this process, unless another one does already."""
    if not explanations.claim(explanation_id, process.owner()):
        return
    asked = explanations.get(explanation_id)
    try:
        _find(asked, _partial_saver(asked))
    except StudioError:
        pass
    except Exception:
        logger.exception("question %s of run %s", explanation_id, asked.run_id)


def _find(asked: Explanation, on_progress: requests.OnProgress, processes: int = 1) -> None:
    """Answer a question that was claimed. What goes wrong is stored and then raised; a stopped one just ends."""
    request = dict(asked.request)
    try:
        if request.pop("code", None) != code_version():
            raise StudioError(failures.OTHER_CODE[0], remedy=failures.OTHER_CODE[1])
        me = process.owner()
        folder, config = runs.run_folder(asked.run_id), stored_config(runs.get(asked.run_id).config)
        task = "jobs.process_group:answer", (asked.kind, str(folder), request)
        with (
            heartbeat.given(lambda: explanations.beat(asked.id, me)),
            process_group.working(config, folder, processes, partial(_give_up, asked.id), task=task),
        ):
            found = requests.load(asked.kind)(folder, request, on_progress)
        explanations.finish(asked.id, json.loads(json.dumps(found, allow_nan=False)))
    except Stopped:
        pass
    except Exception as error:
        explanations.fail(asked.id, *failures.explain_answer(error))
        raise
    except BaseException:  # Ctrl-C
        stop(asked.id)
        raise


def _give_up(explanation_id: int, reason: str, remedy: str) -> None:
    """Before this process is ended from another thread."""
    explanations.fail(explanation_id, reason, remedy)
    print(f"{reason} — {remedy}", file=sys.stderr, flush=True)  # noqa: T201 - the last word in a shell


def _partial_saver(asked: Explanation) -> requests.OnProgress:
    """Stores what is known of the answer so far, and ends one that was stopped.

    In a long one, and while the model writes, questions that take seconds are answered in between.
    """
    saved_at = -PROGRESS_SECONDS

    def save(partial: Mapping[str, Any]) -> None:
        nonlocal saved_at
        if asked.kind in requests.LONG or requests.WRITING in partial:
            for other in explanations.unsettled():
                if other.state == "queued" and other.kind not in requests.LONG:
                    answer(other.id)
        if time.monotonic() - saved_at >= PROGRESS_SECONDS:
            if not explanations.save_partial(asked.id, json.loads(json.dumps(partial, allow_nan=False))):
                raise Stopped
            saved_at = time.monotonic()

    return save


def settle() -> None:
    """Questions whose process died, or whose message was lost, are put into the queue again; the former once."""
    waiting = explanations.unsettled()
    if not waiting:
        return
    queue = queues.answers()
    pending = queue.pending()
    lost = _lost([asked for asked in waiting if asked.state == "running"])
    for asked in waiting:
        if asked.state == "running":
            if asked.id not in lost or not explanations.release(asked.id, asked.heartbeat):
                continue
            if asked.attempts >= MOST_ATTEMPTS:
                explanations.stop(asked.id, *failures.ANSWER_KILLED)
                continue
        if str(asked.id) not in pending:
            queue.add(str(asked.id))


def _lost(running: Sequence[Explanation]) -> set[int]:
    """Ids of those that nobody works on: the process is dead or, on another machine, gives no sign of life."""
    here = {asked.id for asked in running if process.here(asked.host, asked.boot)}
    silent = {asked.id for asked in running if asked.id not in here and heartbeat.silent(asked.heartbeat)}
    if silent:
        heartbeat.confirm()
    return silent | {asked.id for asked in running if asked.id in here and not process.alive(asked.process)}
