"""Evidence as it is stored in a report, and what all parts of one have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Read-only; what a newer version adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class MeasuredItem(Part):
    title: str = ""
    effect: float
    mattered: bool = False


class MeasuredNecessity(Part):
    titles: tuple[str, ...] = ()
    rank_before: float
    rank_after: float
    top_after: str = ""


class MeasuredEvidence(Part):
    """:class:`engine.explain.evidence.Evidence` as it is stored."""

    target: str = ""
    rank: float = 1.0
    teacher: str = ""
    teacher_rank: float | None = None
    """``None`` before the row beside was asked."""
    noun: str = ""
    history: tuple[MeasuredItem, ...]
    candidates: tuple[str, ...] = ()
    necessity: MeasuredNecessity | None = None
    is_teacher: bool = True
