"""The pages, and the shell."""

# ruff: noqa: PTH100, PTH109, PTH119, PTH120
import os  # nothing else yet: the working directory may hold modules of the same names
import sys


def _leave_working_directory() -> None:
    """Take the working directory off the path: a folder ``engine/`` or a file ``json.py`` there would be run as ours.

    ``python -m webapp.cli`` puts it there, and so does an empty entry of PYTHONPATH.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # it was removed
        here = ""
    sys.path[:] = [entry for entry in sys.path if entry not in ("", os.curdir) and os.path.realpath(entry) != here]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if root not in sys.path:
        sys.path.append(root)  # a checkout that is not installed, from within


if sys.argv and (sys.argv[0] == "-m" or os.path.basename(sys.argv[0]).startswith("delrec")):
    _leave_working_directory()  # only as a program: who imports the pages keeps the path
