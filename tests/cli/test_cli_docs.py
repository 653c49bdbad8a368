"""README and documentation are checked: commands parse, settings, variables, targets and files exist."""

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
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
}
TEXT = "\n".join(PAGES.values())
COMMANDS = [
    words
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    for line in block.splitlines()
    if (words := shlex.split(line, comments=True))
]
DELREC = {" ".join(words): words for words in COMMANDS if words[0] == "delrec"}
NAMES = {name for name, _ in flatten(RunConfig())}
SECTIONS = sections(NAMES)


@pytest.mark.parametrize("words", DELREC.values(), ids=" ".join)
def test_commands_parse(words: list[str]) -> None:
    with delrec.make_context("delrec", words[1:2]) as outer:
        name, command, _ = delrec.resolve_command(outer, words[1:2])
        assert command is not None
        inner: click.Context = command.make_context(str(name), words[2:], parent=outer)
    if "overrides" in inner.params:
        load_config(inner.params["preset"], overrides=inner.params["overrides"])


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    mentioned = set(re.findall(r"\bmake ([a-z]+)\b(?=[ `\n])", " ".join(re.findall(r"`(make [^`]*)`", TEXT)) + "\n"))
    mentioned |= {words[1] for words in COMMANDS if words[0] == "make"}
    assert {"setup", "demo", "test", "lint", "docs"} <= mentioned <= targets


@pytest.mark.parametrize("page", PAGES)
def test_settings_exist(page: str) -> None:
    outer = "|".join(name for name in SECTIONS if "." not in name)
    text = re.sub(r"\]\([^)]*\)", "", PAGES[page])  # files are no settings
    mentioned = set(re.findall(rf"(?<![\w./])((?:{outer})(?:\.[a-z0-9_]+)+)\b(?!/)", text))
    assert mentioned - NAMES - SECTIONS == set()


def test_environment_variables_are_those_of_the_code() -> None:
    pattern = re.compile(r"\bDELREC_[A-Z_]+\b")
    code = {
        name
        for package in ("engine", "db", "jobs", "webapp")
        for path in (ROOT / package).rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    }
    assert {name for name in pattern.findall(TEXT) if name != "DELREC_TEST_HOME"} == code
    assert {name for name in re.findall(r"^\| `(DELREC_[A-Z_]+)`", TEXT, re.M) if name != "DELREC_TEST_HOME"} == code


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page: str) -> None:
    """Links are seen from the page, names in code from the root. Pages that are made by the site's build count."""
    made = {"settings.md", "commands.md", "engine.md", "architecture.md", "contributing.md", "changelog.md"}
    made |= {f"notebooks/{path.stem}.md" for path in (ROOT / "docs/notebooks").glob("*.py")}
    beside = (ROOT / page).parent
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", PAGES[page])
    linked = [beside / (a or b) for a, b in links]
    there = {(ROOT / "docs" / name).resolve() for name in made}
    named = re.findall(r"`((?:engine|db|jobs|webapp|tests|docs)/[\w/.-]*)`", PAGES[page])
    wrong = [str(path) for path in linked if not path.exists() and path.resolve() not in there]
    assert wrong + [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    waiting, reached = ["README.md"], set()
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+\.md)", PAGES[page]):
            place = ((ROOT / page).parent / link).resolve().relative_to(ROOT).as_posix()
            waiting += [place] if place in PAGES and place not in reached else []
    assert PAGES.keys() - reached == set()


def test_the_readme_stays_short() -> None:
    assert len(PAGES["README.md"].splitlines()) < 110
