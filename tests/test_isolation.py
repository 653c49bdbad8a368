"""What runs on the machine, and how it is set up, has no say in the tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

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
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:]
