"""On a terminal of any encoding every command answers; letters that it lacks are written with those that it has."""

from __future__ import annotations

import os
import subprocess
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


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_commands_answer_whatever_the_terminal_can_show(encoding: str, tmp_path: Path) -> None:
    environment = os.environ | {"DELREC_HOME": str(tmp_path / "Ménage")} | ENCODINGS[encoding]
    for arguments, code, said in (
        (["launch", "--preset", "smoke", "--name", NAME], 0, ""),
        (["runs"], 0, "P"),
        (["recommend", "--run", "Gönül", "--titles", "Amélie"], 2, "error"),
    ):
        done = subprocess.run(
            [*DELREC, *arguments], env=environment, cwd=tmp_path, capture_output=True, timeout=120, check=False
        )
        text = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert done.returncode == code, text
        assert said in text
        assert "Traceback" not in text
    if encoding in ("ascii", "C-kept"):
        assert text.isascii()
        listed = subprocess.run([*DELREC, "runs"], env=environment, capture_output=True, timeout=120, check=False)
        assert b"Peche - " in listed.stdout
        assert listed.stdout.isascii()


def test_an_argument_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DELREC, "runs", b"caf\xe9"], env=os.environ | {"DELREC_HOME": str(tmp_path)}, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert "no UTF-8" in done.stderr.decode()
