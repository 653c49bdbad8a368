"""What ``import engine`` offers: light, typed, with examples that are run here, on one tiny run."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

import engine

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTED = (
    "engine",
    "engine.curves",
    "engine.evaluate.evaluator",
    "engine.falsify.suite",
    "engine.models",
    "engine.monitor",
    "engine.pipeline",
    "engine.run_folder",
    "engine.settings",
)
"""Modules whose examples are run."""


NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
CELL = re.compile(r"^# %%(?P<text> \[markdown\])?$", re.M)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run for all: where the notebooks look for theirs."""
    home = tmp_path_factory.mktemp("library")
    folder = home / "notebooks" / "smoke"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_HOME", str(home))
        engine.run_pipeline(engine.load_config("smoke"), folder)
    return folder


@pytest.fixture(scope="module")
def known(run_folder: Path) -> dict[str, Any]:
    """What examples know: the run ``folder``, and its ``run`` and ``models``."""
    models = engine.Models.load(run_folder)
    mine = models.ranker("markov")
    return {"engine": engine, "np": np, "folder": run_folder, "models": models, "mine": mine,
            "run": engine.RunFolder.open(run_folder), "answers": run_folder.parent / "answers"}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_say_what_happens(name: str, known: dict[str, Any]) -> None:
    found = doctest.testmod(importlib.import_module(name), extraglobs=known)
    assert found.attempted
    assert not found.failed, f"{name}: see the output above"


def test_every_example_of_the_engine_is_run() -> None:
    with_examples = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "engine").rglob("*.py")
        if ">>> " in path.read_text(encoding="utf-8")
    }
    assert with_examples == set(DOCUMENTED)


@pytest.mark.parametrize("name", engine.__all__)
def test_names_are_there_with_their_docs(name: str) -> None:
    assert getattr(engine, name).__doc__
    assert name in dir(engine)


def test_names_are_those_that_types_know() -> None:
    """What ``__getattr__`` finds is what a type checker reads above it."""
    assert sorted(engine._HOMES) == sorted(engine.__all__)
    imported = {}
    for line in (ROOT / "engine" / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("    from ") and " import " in line:
            module, _, names = line.strip().removeprefix("from ").partition(" import ")
            for name in names.split(", "):
                own, _, known_as = name.partition(" as ")
                imported[known_as or own] = f"{module}:{own}"
    assert imported == engine._HOMES


def test_importing_the_library_is_light_and_unknown_names_are_refused() -> None:
    code = (
        "import sys, engine; engine.load_config; "
        "print(*({'torch', 'transformers', 'pandas', 'numpy'} & set(sys.modules)), hasattr(engine, 'nonsense'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_paths_may_be_texts(run_folder: Path, known: dict[str, Any]) -> None:
    assert engine.RunFolder.open(str(run_folder)).path == run_folder
    assert engine.run_pipeline(known["models"].config, str(run_folder)) == known["run"].report()


def _cells(path: Path) -> list[tuple[bool, str]]:
    """Whether each cell is text, and what stands in it."""
    parts = CELL.split(path.read_text(encoding="utf-8"))
    assert parts[0] == "", f"{path.name}: something stands before the first cell"
    return [(mark is not None, body) for mark, body in zip(parts[1::2], parts[2::2], strict=True)]


def test_there_are_the_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "a_teacher_of_your_own", "delrec_step_by_step", "explain_a_recommendation"]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_and_show_what_they_say(
    path: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Jupyter does: cell after cell, the value of a cell's last expression is what it shows."""
    monkeypatch.setenv("DELREC_HOME", str(run_folder.parents[1]))
    cells, names, shown = _cells(path), {"__name__": "__main__"}, []
    assert cells[0][0], "it says first what it is about"
    for is_text, body in cells:
        if is_text:
            assert all(line.startswith("#") for line in body.strip().splitlines())
            continue
        *before, last = ast.parse(body).body
        exec(compile(ast.Module(before, []), path.name, "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), path.name, "eval"), names))
        else:
            exec(compile(ast.Module([last], []), path.name, "exec"), names)
    figures = [it for it in shown if isinstance(it, go.Figure)]
    assert figures
    for figure in figures:
        assert all(len(trace.y) and np.isfinite(np.asarray(trace.y, float)).all() for trace in figure.data)
    assert capsys.readouterr().out or any(shown)
