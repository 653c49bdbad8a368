"""A smoke run made once for all tests of the shell, and the shell itself."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from cli_shell import Shell

from jobs import api
from webapp.cli import main


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="session")
def smoke_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one finished smoke run called "first" and its results in ``results.json``.

    It runs in this process, which has loaded torch already: a process of its own would take five times as long.
    """
    home = tmp_path_factory.mktemp("smoke") / "home"
    home.mkdir()
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("DELREC_HOME", str(home))
        code = main(("run", "--preset", "smoke", "--name", "first", "--json", str(home / "results.json")))
    assert code == 0, err.getvalue()
    (home / "said.json").write_text(json.dumps({"out": out.getvalue(), "err": err.getvalue()}))
    return home


@pytest.fixture
def smoke(smoke_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The finished smoke run's results; ``DELREC_HOME`` is its data folder. Tests leave the run as it is.

    Runs that a test adds are deleted after it: others count those of this data folder.
    """
    monkeypatch.setenv("DELREC_HOME", str(smoke_home))
    results: dict[str, Any] = json.loads((smoke_home / "results.json").read_text())
    yield results
    monkeypatch.setenv("DELREC_HOME", str(smoke_home))
    for run in api.runs():
        if run.id != results["run_id"]:
            api.delete(run.id)
