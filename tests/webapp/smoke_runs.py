"""What browser tests share: a run of tiny models, finished before the page is opened."""

from __future__ import annotations

from collections.abc import Sequence

from engine.settings import load_config
from jobs import api


def finished_run(overrides: Sequence[str], name: str) -> str:
    """The smoke preset with changes, run in this process, which has loaded torch already; the run's id."""
    api.run_in_foreground(load_config("smoke", overrides=overrides), "smoke", name)
    return api.runs()[0].id
