"""Questions that behave like explanations: quick, slow, failing, deadly."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import StudioError
from jobs import kinds


def echo(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answers with the request, its own process and the run's id; the request says how long it takes, how it fails."""
    with (folder.parent / "asked.txt").open("a") as file:
        file.write(f"{request.get('number', 0)}\n")
    time.sleep(request.get("seconds", 0))
    if request.get("way") == "bad-input":
        raise StudioError("no such user", where="user", remedy="choose another")
    if request.get("way") == "bug":
        raise KeyError("effect")
    if request.get("way") == "not-json":
        return {"items": {1, 2}}
    if request.get("way") == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"said": dict(request), "run": folder.name, "pid": os.getpid(), "parent": os.getppid()}


def register() -> None:
    """Make ``echo`` a kind in this process."""
    kinds.KINDS["echo"] = "fake_kinds:echo"
