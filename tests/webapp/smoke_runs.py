"""What browser tests share: a run of tiny models, finished before the page is opened."""

from __future__ import annotations

import time
from collections.abc import Sequence

from engine.settings import load_config
from jobs import api

PATIENCE = 300.0


def finished_run(overrides: Sequence[str], name: str) -> str:
    """Launch the smoke preset with changes and wait until it is done; the run's id."""
    run_id = api.launch(load_config("smoke", overrides=overrides), "smoke", name)
    deadline = time.monotonic() + PATIENCE
    while (state := api.status(run_id).state) != "done":
        assert state in ("queued", "starting", "running"), api.status(run_id).reason
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return run_id
