"""Waiting, for programs, for what a worker answers about finished runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import StudioError
from jobs import api

ANSWER_SECONDS = 300.0
"""A first question loads the language model."""
MOST_QUESTIONS = 16
"""Calls that wait for answers at a time: each holds one of the forty threads that also serve the pages."""


class Answering:
    """Some calls wait at a time, the others are refused."""

    def __init__(self) -> None:
        self._asking = threading.BoundedSemaphore(MOST_QUESTIONS)

    def wait(self, run: str, kind: str, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Ask one question after the other and return their answers.

        Raises:
            StudioError: nobody is there to answer, too many wait, a question failed or takes too long.
        """
        if not api.workers():
            raise StudioError("no worker is there to answer", remedy="start one: delrec worker")
        if not self._asking.acquire(blocking=False):
            raise StudioError(f"{MOST_QUESTIONS} questions are waiting already", remedy="ask again in a moment")
        try:
            deadline = time.monotonic() + ANSWER_SECONDS
            return [self._answer(run, kind, request, deadline) for request in requests]
        finally:
            self._asking.release()

    def _answer(self, run: str, kind: str, request: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        asked = api.wait_for_answer(api.ask(kind, run, request).id, max(0.0, deadline - time.monotonic()))
        if asked.state == "failed":
            raise StudioError(asked.error or "the question failed", remedy=asked.remedy or "")
        if asked.answer is None:
            raise StudioError("the answer takes too long", remedy="ask again: it is being worked out")
        return asked.answer
