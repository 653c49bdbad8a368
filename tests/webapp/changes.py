"""What changes something, and who gets there without asking whether this visitor may: read off the code."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
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


def _own(node: ast.AST, tables: Collection[ast.AST] = ()) -> Iterator[ast.AST]:
    """What stands in a function or module, without what stands in its functions and ``tables``."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.ClassDef) and child not in tables:
            yield from _own(child, tables)


def _named(scope: ast.AST) -> dict[str, ast.AST]:
    """The functions and classes of a scope by their names, and the tables of a module, which may hold functions."""
    own = [node for node in _own(scope) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    tables = [node for node in ast.iter_child_nodes(scope) if isinstance(node, ast.Assign | ast.AnnAssign)]
    targets = [(node.targets[0] if isinstance(node, ast.Assign) else node.target, node) for node in tables]
    held = [(target.id, node) for target, node in targets if isinstance(target, ast.Name)]
    return {node.name: node for node in own} | (dict(held) if isinstance(scope, ast.Module) else {})


def collect(scope: ast.AST, name: str, known: Mapping[str, str], found: Uses) -> None:
    """Dotted names of what a module, and each function and table in it, calls or hands on before it asks for the right
    to change something: whoever holds a function may call it."""
    inner = _named(scope)
    own = list(_own(scope, inner.values()))
    seen = known if isinstance(scope, ast.ClassDef) else {**known, **{it: f"{name}.{it}" for it in inner}}
    asked = [node.lineno for node in own if isinstance(node, ast.Attribute) and node.attr == "require_change"]
    used = found[name] = set()
    for node in own:
        if isinstance(node, ast.Name | ast.Attribute) and not (asked and node.lineno > min(asked)):
            owner, dot, attribute = ast.unparse(node).partition(".")
            used.add(f"{seen.get(owner, owner)}{dot}{attribute}")
    for own_name, node in inner.items():
        collect(node, f"{name}.{own_name}", seen, found)
    if isinstance(scope, ast.ClassDef):
        used |= {f"{name}.{it}" for it in inner}


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


def way_to_a_change(name: str, used: Uses, seen: set[str] | None = None) -> list[str]:
    """What calls what, from ``name`` to what changes something; nothing where nothing does, or it asks first."""
    seen = set() if seen is None else seen
    if name in CHANGES:
        return [name]
    seen.add(name)
    for other in sorted(used.get(name, set()) - FREE):
        if other not in seen and (way := way_to_a_change(other, used, seen)):
            return [name, *way]
    return []
