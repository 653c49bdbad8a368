"""What is started beside this process runs this program's code, whatever lies in the working directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import hostile
import pytest

from engine import interpreter

MODULE = """
import multiprocessing, os, subprocess, sys

def told(queue):
    queue.put(sys.path)

if __name__ == "__main__":
    import json, jobs
    print(sys.argv[1:], jobs.__file__)
    here = os.path.realpath(os.curdir)
    assert not [entry for entry in sys.path if os.path.realpath(entry or os.curdir) == here], sys.path
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=told, args=(queue,))
    child.start()
    assert not [entry for entry in queue.get() if os.path.realpath(entry or os.curdir) == here]
    child.join()
    assert child.exitcode == 0
    subprocess.run([sys.executable, "-c", "import json, signal, logging"], check=True)
"""


@pytest.mark.parametrize("path", [None, "", ":", ".", "{here}", "{code}::{here}"])
def test_a_module_is_run_from_anywhere_and_so_is_what_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    code, here = tmp_path / "code", hostile.fill(tmp_path / "here", "webapp")
    code.mkdir()
    (code / "started.py").write_text(MODULE)
    monkeypatch.chdir(here)
    monkeypatch.setattr(interpreter, "ROOT", str(code))
    if path is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", path.format(here=here, code=code))
    command = [*interpreter.command("started"), "one", "-m"]
    done = subprocess.run(command, env=interpreter.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['one', '-m']")
    assert str(here) not in done.stdout
    assert hostile.sprung(here) == []


def test_the_traps_are_sprung_by_a_plain_start(tmp_path: Path) -> None:
    here = hostile.fill(tmp_path / "here")
    done = subprocess.run([sys.executable, "-m", "jobs.child"], cwd=here, capture_output=True, timeout=60)
    assert done.returncode != 0
    assert "jobs" in hostile.sprung(here)


def test_a_working_directory_that_was_removed_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", "", str(tmp_path)]))
    gone.rmdir()
    environment = interpreter.environment(MORE="yes")
    assert (environment["PYTHONPATH"], environment["MORE"]) == (str(tmp_path), "yes")
    done = subprocess.run([*interpreter.command("this")], env=environment, capture_output=True, text=True, timeout=60)
    assert "Zen" in done.stdout, done.stderr


@pytest.mark.parametrize("start", ["script", "-m", "PYTHONPATH"])
def test_the_shell_itself_takes_nothing_from_the_working_directory(tmp_path: Path, start: str) -> None:
    here = hostile.fill(tmp_path / "here")
    script = tmp_path / "bin" / "delrec"
    script.parent.mkdir()
    script.write_text("import sys\nfrom webapp.cli import main\nsys.exit(main())\n")
    command = [sys.executable, "-m", "webapp.cli"] if start == "-m" else [sys.executable, str(script)]
    path = os.pathsep.join(["", *sys.path[1:], interpreter.ROOT] if start == "PYTHONPATH" else [interpreter.ROOT])
    done = subprocess.run(
        [*command, "runs"], cwd=here, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert "no runs yet" in done.stderr, done.stderr
    assert hostile.sprung(here) == []


def test_nothing_is_started_by_other_means() -> None:
    """Every place that starts Python goes by this module, so that none can forget."""
    packages = [Path(interpreter.ROOT) / name for name in ("engine", "db", "jobs", "webapp")]
    starting = re.compile(r"(?<!Path\()\bsys\.executable")  # its name alone stands in messages
    modules = [path for package in packages for path in package.rglob("*.py")]
    assert [path.name for path in modules if starting.search(path.read_text("utf-8"))] == ["interpreter.py"]
