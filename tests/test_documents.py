"""What the documents for those who change the code name is there: files, folders, names within modules, settings."""

from __future__ import annotations

import ast
import re
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from engine.architectures import ARCHITECTURES
from engine.backbones import BACKBONES
from engine.config import RunConfig
from engine.datasets import READERS, reader
from engine.settings import setting_of
from engine.verbalizers import VERBALIZERS
from webapp.pages import PAGES as PAGES_OF_APP

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/glossary.md")
PAGES = tuple(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
WIDTH = int(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["line-length"])
PACKAGES = ("engine", "db", "jobs", "webapp")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/([\w-]+\.\w+)?|[A-Z]+\.md")
DOTTED = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+")
PIECE = re.compile(r"^<!-- code: ([\w.]+) -->$", re.M)
"""Where the site's build puts a piece of the code."""
SETTING = re.compile(rf"({'|'.join(RunConfig.model_fields)})(\.[a-z]\w*)+")
IN_CODE = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)}|tests|docs)(?:/[a-z0-9_-]+)+(?:\.[a-z]+)?(?![\w{{*/-])")
CODE_FILES = [it for folder in (*PACKAGES, "tests", "docs") for it in sorted((ROOT / folder).rglob("*.py"))]
LINK = re.compile(r"\]\(([^)#:]+)\)")


def _spans(document: str) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.M | re.S)
    for match in CODE.finditer(text):
        yield match.group(1).split("=")[0].strip()


@cache
def _names(path: Path) -> frozenset[str]:
    """What a module defines, ``Class.member`` and what it imports among it."""
    found: set[str] = set()

    def of(body: list[ast.stmt], within: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.add(within + node.name)
            if isinstance(node, ast.ClassDef):
                of(node.body, f"{node.name}.")
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(within + name.id for target in targets for name in ast.walk(target)
                             if isinstance(name, ast.Name))  # fmt: skip

    of(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return frozenset(found)


def missing(name: str) -> bool:
    """Whether a dotted name is neither a module nor something that one defines."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        module = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
        if module.is_file():
            return length < len(parts) and ".".join(parts[length:]) not in _names(module)
    return True


def test_missing_names_are_found() -> None:
    assert not missing("engine.training.fit")
    assert not missing("engine.models.Models.ranker")
    assert not missing("engine.llm.verbalizers.make_verbalizer")
    assert not missing("engine.distill")
    for wrong in ("engine.trainings.fit", "engine.training.fitted", "engine.models.Models.rankers", "jobs.nothing"):
        assert missing(wrong)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_named_is_there(document: str) -> None:
    wrong, looked = [], 0
    for span in _spans(document):
        if PATH.fullmatch(span) and "NAME" not in span:
            looked += 1
            wrong += [span] if not (ROOT / span).exists() else []
        elif DOTTED.fullmatch(span):
            looked += 1
            wrong += [span] if missing(span) else []
        elif SETTING.fullmatch(span):
            looked += 1
            setting_of(span)
    for target in LINK.findall((ROOT / document).read_text(encoding="utf-8")):
        looked += 1
        wrong += [target] if not ((ROOT / document).parent / target).exists() else []
    assert looked > (2 if document == "CHANGELOG.md" else 20)
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_lines_are_as_short_as_those_of_the_code(document: str) -> None:
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    long = [number for number, line in enumerate(lines, 1) if len(line) > WIDTH and not line.startswith("|")]
    assert long == [], f"{document} has lines of more than {WIDTH} characters that are no rows of a table"


def _told_paths(path: Path) -> set[str]:
    """Paths of this repository that comments, docstrings and other texts of a module name."""
    with path.open("rb") as file:
        kinds = (tokenize.COMMENT, tokenize.STRING)
        text = "\n".join(token.string for token in tokenize.tokenize(file.readline) if token.type in kinds)
    return set(IN_CODE.findall(text))


def test_paths_that_code_names_are_there() -> None:
    told = {(path, name) for path in CODE_FILES for name in _told_paths(path)}
    assert {"tests/test_memory_estimate.py", "engine/llm/verbalizers"} <= {name for _, name in told}
    wrong = [f"{path.relative_to(ROOT)}: {name}" for path, name in sorted(told) if not (ROOT / name).exists()]
    assert wrong == []


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/glossary.md"])
def test_readers_find_it(document: str) -> None:
    assert f"]({document})" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "register"),
    [
        ("docs/models.md", ARCHITECTURES),
        ("docs/models.md", [name for kind in BACKBONES.values() for name in kind.types]),
        ("docs/concepts/method.md", VERBALIZERS),
        ("docs/data.md", READERS),
        ("NOTICE", [name for name in READERS if reader(name).fetchable]),  # whose they are, and the terms
    ],
)
def test_what_can_be_chosen_is_described(page: str, register: Iterable[str]) -> None:
    words = set(re.findall(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", (ROOT / page).read_text(encoding="utf-8").lower()))
    assert sorted(set(register) - words) == [], f"{page} names each of them"


@pytest.mark.parametrize("page", PAGES)
def test_pieces_of_code_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    pieces = PIECE.findall(text)
    assert len(pieces) == text.count("<!-- code")
    assert [name for name in pieces if missing(name)] == []


def test_every_page_of_the_app_is_told_and_has_its_picture_taken() -> None:
    told, taken = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("pages.md", "screenshots.py"))
    for page in PAGES_OF_APP:
        row = re.search(rf"^\| \[(.+)\]\(#(.+)\) \| `/{page.address}[`?]", told, re.M)
        assert row, f"{page.name} has no row in docs/pages.md"
        section = re.search(rf"^## {re.escape(row[1])}\n(.*?)(?=^## |\Z)", told, re.M | re.S)
        assert section, f"{page.name} has no section in docs/pages.md"
        entry = re.search(rf'"(\w+)": \("/{page.address}["?]', taken)
        assert entry, f"{page.name} is not in PAGES of docs/screenshots.py"
        for scheme in ("light", "dark"):
            picture = f"pictures/{entry[1]}-{scheme}.webp"
            assert f"]({picture}#only-{scheme})" in section[1], f"{picture} is not in the section of {page.name}"
            assert (ROOT / "docs" / picture).is_file(), f"{picture}: take it by docs/screenshots.py"
