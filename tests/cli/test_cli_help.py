"""Help answers at once, because nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_shell import Shell

from engine.presets import FOLDER, NAMED, PRESETS
from webapp import commands
from webapp.cli import COMMANDS
from webapp.endpoints import Endpoints

SHELL = Path(__file__).parents[2] / "docs" / "shell.md"

HEAVY = {"torch", "transformers", "gradio", "pydantic", "pandas", "numpy", "sqlalchemy", "huey", "rich", "yaml"}


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from webapp.cli import COMMANDS, main
assert main(["--help"]) == 0
for name in COMMANDS:
    assert main([name, "--help"]) == 0
print("imported:", *sorted({HEAVY} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported:"


def test_help_lists_every_command_with_its_purpose(shell: Shell) -> None:
    said = shell("--help")
    assert said.code == 0
    flat = " ".join(said.out.split())
    for name, purpose in COMMANDS.items():
        assert f"{name} {purpose.split()[0]}" in flat


def test_every_command_file_is_a_command() -> None:
    folder = Path(str(commands.__file__)).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files == set(COMMANDS)


@pytest.mark.parametrize("command", ["run", "launch"])
def test_help_names_every_preset(shell: Shell, command: str) -> None:
    assert f"Start from {NAMED}." in " ".join(shell(command, "--help").out.split())
    assert {*PRESETS} == {path.stem for path in FOLDER.iterdir() if path.suffix == ".yaml"}
    assert NAMED in " ".join(str(Endpoints.launch.__doc__).split())  # what programs read
    assert all(f"`{name}`" in SHELL.read_text(encoding="utf-8") for name in PRESETS)


def test_version(shell: Shell) -> None:
    said = shell("--version")
    assert (said.code, said.out.split()[0]) == (0, "delrec,")
