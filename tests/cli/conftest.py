"""A smoke run made once for all tests of the shell, and the shell itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_shell import PATIENCE, Shell, start


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="session")
def smoke_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one finished smoke run called "first" and its results in ``results.json``."""
    home = tmp_path_factory.mktemp("smoke") / "home"
    home.mkdir()
    process = start(home, "run", "--preset", "smoke", "--name", "first", "--json", str(home / "results.json"))
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    (home / "said.json").write_text(json.dumps({"out": out, "err": err}))
    return home


@pytest.fixture
def smoke(smoke_home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The finished smoke run's results; ``DELREC_HOME`` is its data folder. Tests leave the run as it is."""
    monkeypatch.setenv("DELREC_HOME", str(smoke_home))
    results: dict[str, Any] = json.loads((smoke_home / "results.json").read_text())
    return results
