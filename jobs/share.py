"""Several runs at once on one machine, where its memory allows another; the cores they share as processes do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psutil

from engine.errors import StudioError
from engine.settings import stored_config
from jobs import api, process
from jobs.settings import job_settings

WAIT_SECONDS = 1.0


class Share:
    """What a worker's runs have of its machine."""

    def __init__(self) -> None:
        self.at_once = job_settings().at_once
        self._taken: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of those at work, the first to begin first."""
        return tuple(self._taken)

    @contextlib.contextmanager
    def taken(self, run_id: str, stopping: process.Flag) -> Iterator[None]:
        """Within, the run has its share. It waits before for memory that it would take beside the others; not once
        ``stopping`` is set."""
        needed_mb = expected_mb(run_id) if self.at_once > 1 else 0.0
        while not self._take(run_id, needed_mb) and not stopping.wait(WAIT_SECONDS):
            pass
        try:
            yield
        finally:
            self._taken.pop(run_id, None)

    def _take(self, run_id: str, needed_mb: float) -> bool:
        memory = psutil.virtual_memory()
        with self._lock:
            expected = sum(self._taken.values()) + needed_mb
            if self._taken and (expected > memory.total / 1e6 or needed_mb > memory.available / 1e6):
                return False
            self._taken[run_id] = needed_mb
            return True


def expected_mb(run_id: str) -> float:
    """Peak memory in MB by a run alike, or by the model's size; 0 where neither is known."""
    from jobs.forecast import forecast
    from jobs.preflight import weights_mb

    try:
        config = stored_config(api.status(run_id).config)
    except StudioError:  # deleted meanwhile, or of another version: it says so itself
        return 0.0
    return forecast(config).memory_mb or weights_mb(config) or 0.0
