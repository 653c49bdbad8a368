"""House rules: which package may import which, how large a module may grow, what must stay light, what must be said."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from engine.fields import describe
from jobs import records

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "engine": {"engine"},
    "db": {"db", "engine"},
    "jobs": {"jobs", "db", "engine"},
    "webapp": {"webapp", "jobs", "engine"},  # the database's one door is jobs
}
MODULES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
MOST_LINES = 350


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imported_packages(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_flow_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        upwards = (_imported_packages(path) & set(MAY_IMPORT)) - MAY_IMPORT[package]
        assert not upwards, f"{path.relative_to(ROOT)} imports {upwards}"


def test_what_jobs_hand_on_of_the_database_only_reads() -> None:
    """What changes something is an action of ``jobs``, which knows who works on a run."""
    handed = [getattr(records, name) for name in records.__all__]
    queries = [it for it in handed if inspect.isfunction(it)]
    assert {"curves", "table"} <= {it.__name__ for it in queries}
    writers = [
        it for it in queries if "writing" in it.__code__.co_names or "session" in inspect.signature(it).parameters
    ]
    assert writers == []


def _uses(module: str, tree: ast.Module) -> set[str]:
    """Dotted names of what a module takes from others or calls of its own."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    known = {it.asname or it.name: f"{node.module}.{it.name}" for node in imports for it in node.names}
    used = {f"{node.module}.{it.name}" for node in imports for it in node.names}
    for statement in tree.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used.add(f"{known.get(node.value.id)}.{node.attr}")
            elif isinstance(node, ast.Name) and node.id != getattr(statement, "name", ""):
                used.add(f"{module}.{node.id}")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # as in jobs.requests: "module:name"
                used.add(node.value.replace(":", "."))
    return used


def test_no_function_of_pages_jobs_or_database_is_without_a_caller() -> None:
    defined, used = set(), set()
    for path in MODULES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree = _tree(path)
        used |= _uses(module, tree)
        if not module.startswith(("engine", "db.migrations")):  # the library's are called by its users
            functions = [it for it in tree.body if isinstance(it, ast.FunctionDef) and not it.decorator_list]
            defined |= {f"{module}.{it.name}" for it in functions}
    assert {"jobs.api.launch", "db.runs.find", "webapp.charts.panels"} <= defined & used
    assert sorted(defined - used) == []


def test_no_module_is_without_a_caller() -> None:
    """One imports or names it, as the registers do; the shell finds its commands, Alembic its migrations by folder."""
    called: set[str] = set()
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}
    for module, path in modules.items():
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ImportFrom):
                called |= {str(node.module), *(f"{node.module}.{it.name}" for it in node.names)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and module != node.value:
                called.add(node.value.partition(":")[0])
    assert {"engine.teachers.caser", "jobs.child"} <= called
    folders = ("db.migrations.", "webapp.commands.", "webapp.cli")  # the last is pyproject.toml's script
    idle = {it for it in modules if not it.startswith(folders) and not it.endswith("__init__")} - called
    assert sorted(idle) == [], "needs a line in its register, or a caller"


def test_only_the_engine_puts_names_of_curves_together() -> None:
    """Elsewhere they are an ``engine.curves.CurveName``."""
    words = [
        f"{path.relative_to(ROOT)}: {node.value}"
        for path in MODULES
        if path.relative_to(ROOT).parts[0] != "engine"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Constant) and re.match(r"(\w+ )?(validation|loss|rank|weight)\.\w*$", str(node.value))
    ]
    assert words == []


def _types(tree: ast.Module) -> set[str]:
    """Classes, and names of what annotations may say: ``Kind = Literal[…]``."""
    classes = {it.name for it in tree.body if isinstance(it, ast.ClassDef)}
    aliases = [it.targets[0] for it in tree.body if isinstance(it, ast.Assign) and isinstance(it.targets[0], ast.Name)]
    return {name for name in classes | {it.id for it in aliases} if re.fullmatch(r"_?[A-Z]\w*[a-z]\w*", name)}


def test_a_name_of_a_type_means_one_type() -> None:
    """Also those known to their module alone: what a reader searches for is found in one place."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for name in _types(ast.parse(path.read_text(encoding="utf-8"))):
            places.setdefault(name.lstrip("_"), []).append(str(path.relative_to(ROOT)))
    assert {"RunState", "ExplanationReport"} <= places.keys()
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert twice == {}, "call the new one otherwise, or import the old one"


LATE = {"engine.config", "engine.config_data", "engine.data", "engine.datasets", "engine.locations"}
"""May reach each other by imports within functions: names of imported data sets are answers to a setting."""


def _part(name: str) -> str:
    """The package of the engine, or its single module, that a dotted name lies in."""
    return ".".join(name.split(".")[:2])


def test_no_two_parts_of_the_engine_need_each_other() -> None:
    """Imports for types alone do not count."""
    needs: dict[str, set[str]] = {}
    for path in (ROOT / "engine").rglob("*.py"):
        own = _part(".".join(path.relative_to(ROOT).with_suffix("").parts))
        tree = ast.parse(path.read_text(encoding="utf-8"))  # of its own: it is changed
        for branch in [node for node in ast.walk(tree) if isinstance(node, ast.If)]:
            if ast.unparse(branch.test) == "TYPE_CHECKING":
                branch.body = []
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "engine":
                names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "engine" else []
                needs.setdefault(own, set()).update({_part(name) for name in names or [str(node.module)]} - {own})
    assert {"engine.metrics", "engine.teachers", "engine.evaluate", "engine.models", "engine.falsify"} <= needs.keys()
    for part in needs:
        reached, waiting = set(), set(needs[part])
        while waiting:
            found = waiting.pop()
            reached.add(found)
            waiting |= needs.get(found, set()) - reached
        assert part not in reached or part in LATE, f"{part} is needed by what it needs"


NOUNS = "cell column configuration core date departure file interaction item model problem question row run stage step"
NOUNS += " thread title trial user vector"
NEVER_ONE = {
    **dict.fromkeys(("name", "part.name", "' and no '.join(empty)"), "a word"),
    "len(removal.positions)": "where one is not enough",
    "details.items": "of a catalogue that holds the candidates",
    "details.cold_items": "as it is recorded",
    "details.full_top": "as it is recorded",
    "tested": "as it is recorded",
    "run.users": "as it is recorded",
    "run.users_available": "as it is recorded",
    "plan.size": "too many, or to be confirmed",
    "record.rows": "some of which were kept",
    "len(entries)": "more than are read or allowed",
    "len(alike)": "that are alike",
    "len(exact)": "that are called alike",
    "record.users_available": "of a test that needs many",
    "history['most']": "behind the least",
    "n": "that are shuffled",
}
"""What stands before a noun and is never one, or goes into records word for word."""


def test_what_is_counted_is_said_by_plural() -> None:
    """``1 runs`` is what everybody meets who begins with one."""
    counted = re.compile(rf" (?:(?:test|validation|cold|held-out) )?({'|'.join(NOUNS.split())})s\b")
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(value.value)}{text.value[:24]}"
        for path in MODULES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.JoinedStr)
        for value, text in itertools.pairwise(node.values)
        if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)
        if counted.match(str(text.value)) and (name := ast.unparse(value.value)) not in NEVER_ONE and not name.isupper()
    ]
    assert found == []


def test_modules_stay_small() -> None:
    files = [*MODULES, *(ROOT / "tests").rglob("*.py")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(lines) > len(MODULES)
    too_long = {name: count for name, count in lines.items() if count >= MOST_LINES}
    assert not too_long, f"{too_long}: {MOST_LINES} lines or more; move a part into a module of its own"


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(_tree(path))
    ]
    assert silent == []


def test_every_setting_is_documented() -> None:
    settings = list(describe())
    assert len(settings) > 40
    assert [setting.name for setting in settings if not setting.help.endswith(".")] == []
    assert [setting.name for setting in settings if "\n" in setting.help] == [], "pages would break lines there"


@pytest.mark.parametrize("module", ["engine.config", "engine.settings", "engine.fields", "engine.stages"])
def test_configuration_imports_no_model_library(module: str) -> None:
    code = f"import sys, {module}; print(*({{'torch', 'transformers', 'gradio', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_no_two_files_of_tests_have_one_name() -> None:
    """Pytest imports them by name alone, where folders of tests are no packages: it would refuse the second one."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, number in names.items() if number > 1] == []


def test_tests_assert_no_timings() -> None:
    """A busy machine is slower than any bound: speeds are measured in tests/benchmarks, tests wait for what ends."""
    clocks = ("process_time", "perf_counter", "monotonic", "thread_time", "time.time()", "timeit")
    bounds = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node.test)}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Assert)
        for part in ast.walk(node.test)
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) and any(c in ast.unparse(part) for c in clocks)
    ]
    assert bounds == []
