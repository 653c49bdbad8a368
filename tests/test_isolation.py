"""What runs on the machine, and how it is set up, has no say in the tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHEAP = ("tests/cli/test_cli_settings.py", "tests/db/test_address.py", "-k", "not doctor_reports")  # that loads torch
HOSTILE = {
    "DELREC_HOME": "/nonexistent",
    "DELREC_DATABASE_URL": "postgresql+psycopg://nobody@localhost:1/none",
    "DELREC_QUEUE_URL": "redis://localhost:1/0",
    "DELREC_PASSWORD": "secret",
    "DELREC_READ_ONLY": "1",
    "DELREC_OPEN": "1",
    "DELREC_ROOT_PATH": "/elsewhere",
    "DELREC_TRACKERS": "wandb",
    "DELREC_STOP_GRACE": "soon",
    "DELREC_RUNS_AT_ONCE": "some",
    "GRADIO_ROOT_PATH": "/elsewhere",
    "FORWARDED_ALLOW_IPS": "*",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "COLUMNS": "20",
    "PYTHONIOENCODING": "ascii",
    "TZ": "Asia/Kathmandu",
}


def test_tests_pass_on_a_machine_that_is_set_up_otherwise_and_where_the_usual_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 7860))
            taken.listen()
        except OSError:  # by something that runs here, which is as good
            pass
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", *CHEAP],
            env=os.environ | HOSTILE,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:]


def test_files_that_take_longest_begin_first_where_processes_share_them(tmp_path: Path) -> None:
    """Of one test each, but for the last; which of them are slow is known by their marks."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    for name, mark in (("a", ""), ("b", "browser"), ("c", "real"), ("d", "")):
        marked = f"import pytest\npytestmark = pytest.mark.{mark}\n" if mark else ""
        tests = "".join(f"def test_{number}(): print('{name}', end='')\n" for number in range(1 + (name == "d")))
        (tmp_path / f"test_{name}.py").write_text(marked + tests)
    options = ("-p", "no:cacheprovider", "-W", "ignore", "-rP", "--timeout=60")
    shared = ("--numprocesses=1", "--dist=loadfile", "--no-loadscope-reorder")
    for further, order in ((), "abcdd"), (shared, "cbdda"):
        command = [sys.executable, "-m", "pytest", *options, *further, str(tmp_path)]
        said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True).stdout
        assert "".join(line for line in said.splitlines() if len(line) == 1) == order
