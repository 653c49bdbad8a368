"""The README is checked: its commands parse, its settings, variables, targets and files exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from engine.config import RunConfig
from engine.setting_values import sections
from engine.settings import flatten, load_config
from webapp.cli import delrec

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    words
    for block in re.findall(r"```sh\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if (words := shlex.split(line, comments=True))
]
NAMES = {name for name, _ in flatten(RunConfig())}
SECTIONS = sections(NAMES)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "delrec"], ids=" ".join)
def test_commands_parse(words: list[str]) -> None:
    with delrec.make_context("delrec", words[1:2]) as outer:
        name, command, _ = delrec.resolve_command(outer, words[1:2])
        assert command is not None
        inner: click.Context = command.make_context(str(name), words[2:], parent=outer)
    if "overrides" in inner.params:
        load_config(inner.params["preset"], overrides=inner.params["overrides"])


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    mentioned = set(re.findall(r"\bmake ([a-z]+)\b(?=[ `\n])", " ".join(re.findall(r"`(make [^`]*)`", README)) + "\n"))
    mentioned |= {words[1] for words in COMMANDS if words[0] == "make"}
    assert {"setup", "demo", "test", "lint"} <= mentioned <= targets


def test_settings_exist() -> None:
    outer = "|".join(name for name in SECTIONS if "." not in name)
    text = re.sub(r"\]\([^)]*\)", "", README)  # files are no settings
    mentioned = set(re.findall(rf"\b((?:{outer})(?:\.[a-z0-9_]+)+)\b", text))
    assert mentioned
    assert mentioned - NAMES - SECTIONS == set()


def test_environment_variables_are_those_of_the_code() -> None:
    pattern = re.compile(r"\bDELREC_[A-Z_]+\b")
    code = {
        name
        for package in ("engine", "db", "jobs", "webapp")
        for path in (ROOT / package).rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    }
    assert {name for name in pattern.findall(README) if name != "DELREC_TEST_HOME"} == code


def test_files_exist() -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    named = re.findall(r"`((?:engine|db|jobs|webapp|tests|docs)/[\w/.-]*)`", README)
    assert [name for name in linked + named if not (ROOT / name).exists()] == []
