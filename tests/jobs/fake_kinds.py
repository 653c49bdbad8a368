"""Questions that behave like explanations: quick, slow, failing, deadly."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import StudioError
from jobs import requests


def echo(folder: Path, request: Mapping[str, Any], tell: requests.OnProgress) -> dict[str, Any]:
    """Answers with the request, its own process and the run's id; the request says how long it takes, how it fails."""
    with (folder.parent / "asked.txt").open("a") as file:
        file.write(f"{request.get('number', 0)}\n")
    if "half" in request:
        tell({"half": request["half"]})
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


def measure(folder: Path, request: Mapping[str, Any], tell: requests.OnProgress) -> dict[str, Any]:
    """A long answer in steps, which ends when a question about the same run was answered meanwhile."""
    for step in range(1000):
        tell({"done": step})
        if (folder.parent / "asked.txt").exists():
            return {"steps": step}
        time.sleep(0.05)
    raise TimeoutError


def write(folder: Path, request: Mapping[str, Any], tell: requests.OnProgress) -> dict[str, Any]:
    """A text of as many words as the request says."""
    text = ""
    for _ in range(request["words"]):
        text += "word "
        tell({requests.WRITING: text})
        time.sleep(0.05)
    return {"text": text}


def register() -> None:
    """Make ``echo``, the long ``measure`` and ``write`` kinds in this process."""
    requests.KINDS |= {name: f"fake_kinds:{name}" for name in ("echo", "measure", "write")}
    requests.ANSWERS |= dict.fromkeys(("echo", "measure", "write"), "builtins:dict")
    requests.LONG = requests.LONG | {"measure"}
