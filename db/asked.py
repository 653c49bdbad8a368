"""Questions looked up without asking them, several at once: for pages that wait for answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, null, select

from db import workers
from db.explanations import ExplanationState
from db.schema import ExplanationRow
from db.store import reading
from db.workers import Worker


@dataclass(frozen=True)
class AnswerProgress:
    """How a question stands."""

    id: int
    state: ExplanationState
    partial: dict[str, Any] | None
    error: str | None
    remedy: str | None
    answer: dict[str, Any] | None = None
    """Where it is done, and not known already."""


def progress(
    run_id: str, digests: Collection[str], read: Collection[int] = ()
) -> tuple[dict[str, AnswerProgress], list[Worker]]:
    """By digest, those of these questions that were asked about the run; and the workers that might answer them, as
    :func:`db.workers.known` tells them. One moment of the database.

    Args:
        read: ids of questions whose answers are known; they are not read again.
    """
    row = ExplanationRow
    answer = case((row.id.in_(read), null()), else_=row.answer)
    columns = (row.digest, row.id, row.state, row.partial, row.error, row.remedy, answer)
    query = select(*columns).where(row.run_id == run_id, row.digest.in_(digests))
    with reading() as session:
        found = {digest: AnswerProgress(*values) for digest, *values in session.execute(query)}
        return found, workers.known(session)
