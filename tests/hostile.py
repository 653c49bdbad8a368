"""A working directory full of modules that are called like the program's own, like Python's and like libraries'."""

from __future__ import annotations

from pathlib import Path

PACKAGES = ("jobs", "engine", "db", "pip", "multiprocessing")
MODULES = ("torch", "json", "signal", "logging", "typing", "runpy", "click", "sqlalchemy", "psutil")
SPRUNG = "sprung.txt"


def fill(folder: Path, *packages: str) -> Path:
    """Each of them, if imported, leaves a word in ``sprung.txt`` and fails."""
    folder.mkdir()
    trap = f"open({str(folder / SPRUNG)!r}, 'a').write(__name__ + '\\n')\nraise SystemExit('hijacked: ' + __name__)\n"
    for name in (*PACKAGES, *packages):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(trap)
    for name in MODULES:
        (folder / f"{name}.py").write_text(trap)
    return folder


def sprung(folder: Path) -> list[str]:
    """What was imported from there."""
    path = folder / SPRUNG
    return path.read_text().split() if path.exists() else []
