"""Answers that were read once are kept for all visitors, whose looks go on at the same time."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from db.asked import AnswerProgress
from jobs import api
from webapp.inspect import session

MANY = 3 * session.KEPT_ANSWERS


@pytest.fixture(autouse=True)
def _often() -> Iterator[None]:
    session._KEPT.clear()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
    session._KEPT.clear()


def progress(_run: str, questions: Mapping[int, Any], read: Collection[int]) -> tuple[dict[int, AnswerProgress], bool]:
    """All are answered; what is said to be known is not read again."""
    known = set(read)
    return {
        key: AnswerProgress(key, "done", None, None, None, None if key in known else {"said": key}) for key in questions
    }, True


def looked(*keys: int) -> dict[int, dict[str, Any] | None]:
    found, _ = session._read("r-aaaaaa", {key: ("explain", {}) for key in keys})
    return {key: it.answer for key, it in found.items()}


def test_an_answer_that_is_dropped_while_it_is_looked_for_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "progress", progress)
    assert looked(1, 2) == {1: {"said": 1}, 2: {"said": 2}}

    def meanwhile(*asked: Any) -> Any:
        session._KEPT.clear()
        return progress(*asked)

    monkeypatch.setattr(api, "progress", meanwhile)
    assert looked(1, 2) == {1: {"said": 1}, 2: {"said": 2}}


def test_looks_at_the_same_time_lose_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "progress", progress)

    def visitor(number: int) -> None:
        for step in range(150):
            keys = [(number * 31 + step * 7 + n) % MANY for n in range(9)]
            assert looked(*keys) == {key: {"said": key} for key in keys}

    with ThreadPoolExecutor(8) as visitors:
        list(visitors.map(visitor, range(8)))
    assert len(session._KEPT) <= session.KEPT_ANSWERS
