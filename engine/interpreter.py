"""Starts Python beside this process: with this program's code, never with what lies in the user's working directory.

``python -m`` and ``python -c`` put the working directory first on the path. A folder ``jobs/`` or a file ``json.py``
there would be run in the place of what was meant.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

ROOT = str(Path(__file__).resolve().parents[1])
"""The folder of this program's packages: of a checkout, or the interpreter's own folder of packages."""

_BEGIN = (
    "import runpy, sys; root, module, *sys.argv[1:] = sys.argv[1:]; root in sys.path or sys.path.append(root); "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def command(module: str) -> tuple[str, ...]:
    """Runs a module as ``python -m`` does, of a checkout that is not installed as well; arguments may follow.

    :func:`environment` belongs to it.
    """
    return sys.executable, "-P", "-c", _BEGIN, ROOT, module


def environment(**more: str) -> dict[str, str]:
    """This process's environment with ``more``, made safe for Python and for whatever Python starts in turn.

    The working directory is not on the path, and files are UTF-8 whatever the terminal speaks.
    """
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in path if entry and not _is_working_directory(entry)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(kept), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"} | more


def restart(*options: str) -> NoReturn:
    """Begin this process anew, as it was called, with further ``options`` of Python's."""
    os.execv(sys.executable, [sys.executable, *options, *sys.orig_argv[1:]])  # noqa: S606


def _is_working_directory(entry: str) -> bool:
    try:
        return Path(entry).samefile(os.curdir)
    except OSError:  # one of them is not there
        return entry == os.curdir
