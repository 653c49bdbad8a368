"""Questions looked up without asking them, several at once: for pages that wait for answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from db.explanations import State
from db.schema import ExplanationRow
from db.store import reading


@dataclass(frozen=True)
class Progress:
    """How a question stands; its answer is read by :func:`db.explanations.get`."""

    id: int
    state: State
    partial: dict[str, Any] | None
    error: str | None
    remedy: str | None


def progress(run_id: str, digests: Collection[str]) -> dict[str, Progress]:
    """By digest, those of these questions that were asked about the run."""
    row = ExplanationRow
    columns = (row.digest, row.id, row.state, row.partial, row.error, row.remedy)
    query = select(*columns).where(row.run_id == run_id, row.digest.in_(digests))
    with reading() as session:
        return {digest: Progress(*values) for digest, *values in session.execute(query)}
