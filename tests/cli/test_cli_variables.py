"""An environment variable that cannot be read is told before anything begins, in one line with what to write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_shell import Shell

from jobs import api

ROOT = Path(__file__).parents[2]
FREE = {"DELREC_PASSWORD"}
"""Any text is one."""
UNREADABLE = {
    "DELREC_DATABASE_URL": ("studio.db", "sqlite:////path/file.db"),
    "DELREC_HOME": ("/tmp/\udcff", "folder with another name"),
    "DELREC_IMPORT_MB": ("lots", "megabytes"),
    "DELREC_IMPORT_SECONDS": ("-1", "seconds"),
    "DELREC_LOG": ("xml", "text or json"),
    "DELREC_MCP": ("ja", "1 or 0"),
    "DELREC_OPEN": ("ture", "1 or 0"),
    "DELREC_QUEUE_URL": ("carrier-pigeon://loft", "redis://"),
    "DELREC_READ_ONLY": ("2", "1 or 0"),
    "DELREC_ROOT_PATH": ("/a/../b", "/studio"),
    "DELREC_RUNS_AT_ONCE": ("1.5", "1 to 64"),
    "DELREC_SHARED_MB": ("abc", "megabytes"),
    "DELREC_STOP_GRACE": ("long", "seconds"),
    "DELREC_TRACKERS": ("tensorboard,pigeons", "tensorboard, mlflow"),
    "DELREC_WORKER_ADDRESS": ("here:there", "host:port"),
    "DELREC_WRITER_KEY": ("naïve", "copy it again"),
}


def test_every_variable_of_the_code_is_tried_here() -> None:
    texts = [path.read_text(encoding="utf-8") for name in ("engine", "db", "jobs", "webapp")
             for path in (ROOT / name).rglob("*.py")]  # fmt: skip
    assert {name for text in texts for name in re.findall(r"\bDELREC_[A-Z_]+\b", text)} == FREE | set(UNREADABLE)


@pytest.mark.parametrize("command", [("run", "--preset", "smoke"), ("launch", "--preset", "smoke"), ("worker",)])
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_before_anything_begins(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, delrec_home: Path, name: str, command: tuple[str, ...]
) -> None:
    value, remedy = UNREADABLE[name]
    monkeypatch.setenv(name, value)
    said = shell.refuses(*command)
    assert f"({name}" in said
    assert remedy in said.partition(" — ")[2]
    assert not (delrec_home / "runs").exists()
    monkeypatch.delenv(name)
    monkeypatch.setenv("DELREC_HOME", str(delrec_home))
    assert api.runs() == []


@pytest.mark.parametrize("given", ["1", "true", "YES", " on ", "", "0", "false", "No", "off"])
def test_what_says_yes_or_no_can_be_read(shell: Shell, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DELREC_READ_ONLY", given)
    assert shell("runs").code == 0


def test_help_is_given_all_the_same(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_SHARED_MB", "abc")
    assert shell("run", "--help").code == shell("--help").code == 0


@pytest.mark.parametrize(("told", "counts"), [(None, "1000"), ("0", "0")])
def test_what_is_started_spins_briefly_unless_one_says_otherwise(told: str | None, counts: str) -> None:
    """The shell says so before torch is there, and worker and runs inherit it."""
    begun = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    if told is not None:
        begun["GOMP_SPINCOUNT"] = told
    code = "import webapp.cli, os, sys; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], env=begun, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == [counts, "False"]
