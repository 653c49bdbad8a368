"""What changes something, and who gets there without asking whether this visitor may: read off the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from webapp.endpoints import ENDPOINTS, Endpoints

ROOT = Path(__file__).resolve().parents[2]
CHANGES = {
    *("db.store.writing", "engine.data.imported.rename", "engine.data.imported.delete", "engine.stage_cache.clean"),
    *("jobs.data_work.bring", "jobs.data_work.fetch"),
}
"""The database's one way to write, and what changes files beside it."""
FREE = {"jobs.recovery.settle", "jobs.api.ask", "jobs.api.stop_answer"}
"""Whoever looks has states made true, and may ask questions."""
CHANGING = frozenset(name for name in ENDPOINTS if "require_change" in getattr(Endpoints, name).__code__.co_names)
"""The endpoints that ask first."""
Uses = dict[str, set[str]]


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, without the functions in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from _own(child)


def collect(
    scope: ast.Module | ast.ClassDef | ast.FunctionDef, name: str, known: Mapping[str, str], found: Uses
) -> None:
    """Dotted names of what a module, and each function in it, calls before it asks for the right to change something,
    and of functions of pages that it hands on; those of jobs are handed to what asks."""
    own = list(_own(scope))
    inner = [node for node in own if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    seen = known if isinstance(scope, ast.ClassDef) else {**known, **{it.name: f"{name}.{it.name}" for it in inner}}
    asked = [node.lineno for node in own if isinstance(node, ast.Attribute) and node.attr == "require_change"]
    called = [node.func for node in own if isinstance(node, ast.Call)]
    used = found[name] = set()
    for node in own:
        if isinstance(node, ast.Name | ast.Attribute) and not (asked and node.lineno > min(asked)):
            owner, dot, attribute = ast.unparse(node).partition(".")
            told = f"{seen.get(owner, owner)}{dot}{attribute}"
            used |= {told} if node in called or told.startswith("webapp.") else set()
    for node in inner:
        collect(node, f"{name}.{node.name}", seen, found)
    if isinstance(scope, ast.ClassDef):
        used |= {f"{name}.{node.name}" for node in inner}


@cache
def uses() -> Uses:
    """By the dotted name of each function, class and module."""
    found: Uses = {}
    for path in (path for package in ("engine", "db", "jobs", "webapp") for path in (ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        known = {it.asname or it.name: f"{node.module}.{it.name}" for node in imports for it in node.names}
        collect(tree, ".".join(path.relative_to(ROOT).with_suffix("").parts), known, found)
    return found


def way_to_a_change(name: str, seen: set[str] | None = None) -> list[str]:
    """What calls what, from ``name`` to what changes something; nothing where nothing does, or it asks first."""
    seen = set() if seen is None else seen
    if name in CHANGES:
        return [name]
    seen.add(name)
    for other in sorted(uses().get(name, set()) - FREE):
        if other not in seen and (way := way_to_a_change(other, seen)):
            return [name, *way]
    return []
