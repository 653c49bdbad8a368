"""How long it will take: by the speed of the current stage and, for later ones, by an equal run measured here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence


class TimeEstimate:
    """Time left of the current stage and of the whole run."""

    def __init__(self, order: Sequence[str], measured: Mapping[str, float]) -> None:
        """``order`` names the run's stages; ``measured`` holds the seconds of each in an equal run, or nothing."""
        self.order = list(order)
        self.measured = measured
        self._stage = ""
        self._began = 0.0
        self._first: tuple[float, int] | None = None
        self._rate = 0.0
        self._last = (0.0, 0, 0)

    def begin(self, stage: str) -> None:
        self._stage, self._began, self._first, self._rate = stage, time.monotonic(), None, 0.0

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        elif done > self._first[1]:
            self._rate = (done - self._first[1]) / (now - self._first[0])
        self._last = (now, done, total)

    def stage_seconds(self) -> float | None:
        """Seconds left of the current stage; ``None`` before its speed is known."""
        if not self._rate:
            return None
        now, done, total = self._last
        return max(0.0, (total - done) / self._rate - (time.monotonic() - now))

    def run_seconds(self) -> float | None:
        """Seconds left of the run; ``None`` if a later stage was never measured with these settings."""
        if self._stage not in self.order:
            return None
        later = self.order[self.order.index(self._stage) + 1 :]
        if any(stage not in self.measured for stage in later):
            return None
        current = self.stage_seconds()
        if current is None:
            if self._stage not in self.measured:
                return None
            current = max(0.0, self.measured[self._stage] - (time.monotonic() - self._began))
        return current + sum(self.measured[stage] for stage in later)
