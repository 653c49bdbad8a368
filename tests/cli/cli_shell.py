"""Helpers for tests of the shell: call it in this process, or as a process that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from webapp.cli import main

DELREC = [sys.executable, "-m", "webapp.cli"]
PATIENCE = 240.0


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


class Shell:
    """Runs commands in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def __call__(self, *arguments: str) -> Said:
        self.capture.readouterr()
        code = main(arguments)
        return Said(code, *self.capture.readouterr())

    def refuses(self, *arguments: str) -> str:
        """The one line with which bad input is refused."""
        said = self(*arguments)
        assert said.code == 2, said
        lines = said.err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        assert errors == lines[-1:], said.err
        assert "Traceback" not in said.err
        return errors[0]


def start(home: Path, *arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """A command as a process in a session of its own, with the data folder ``home``, started in ``folder``."""
    environment = {**os.environ, "DELREC_HOME": str(home)}
    return subprocess.Popen(
        [*DELREC, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    """Wait until ``condition`` holds; ``process`` must not end before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.2)  # asking costs the processor that the waited-for needs


def listed(shell: Shell) -> list[dict[str, Any]]:
    """What ``delrec runs --json`` tells."""
    said = shell("runs", "--json")
    assert said.code == 0, said
    found: list[dict[str, Any]] = json.loads(said.out)
    return found
