"""On a terminal of any encoding every command answers; letters that it lacks are written with those that it has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_shell import DELREC

ENCODINGS = {
    "C-kept": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
}
NAME = "Péché – “文” 🎬"


SEVERAL = """
import sys
from webapp.cli import main

given = sys.argv[1:]
while given:
    end = given.index("then")
    sys.argv[1:], given = given[:end], given[end + 1 :]
    print("exit status", main(), flush=True)
"""
"""One process for several commands as it would be called with each, since starting takes longest."""


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_commands_answer_whatever_the_terminal_can_show(encoding: str, tmp_path: Path) -> None:
    environment = os.environ | {"DELREC_HOME": str(tmp_path / "Ménage")} | ENCODINGS[encoding]
    commands = (
        (["launch", "--preset", "smoke", "--name", NAME], 0, ""),
        (["runs"], 0, "P"),
        (["recommend", "--run", "Gönül", "--titles", "Amélie"], 2, "error"),
    )
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, *(word for arguments, _, _ in commands for word in (*arguments, "then"))],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=240,
        check=False,
    )
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, output
    assert "Traceback" not in output
    answers = re.split(r"exit status (\d+)\n", output)
    assert answers[1::2] == [str(code) for _, code, _ in commands], output
    for text, (_, _, said) in zip(answers[::2], commands, strict=False):
        assert said in text
    if encoding in ("ascii", "C-kept"):
        assert output.isascii()
        assert "Peche - " in answers[2]


def test_an_argument_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DELREC, "runs", b"caf\xe9"], env=os.environ | {"DELREC_HOME": str(tmp_path)}, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert "no UTF-8" in done.stderr.decode()
