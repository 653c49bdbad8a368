"""Presets: a file of settings each, whose head says what it is for. Light enough for any help text to import."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
_QUICKEST_FIRST = ("smoke", "quickstart", "full", "sparse", "published", "paper")


def _place(name: str) -> tuple[int, str]:
    return _QUICKEST_FIRST.index(name) if name in _QUICKEST_FIRST else len(_QUICKEST_FIRST), name


PRESETS = tuple(sorted((path.stem for path in FOLDER.glob("*.yaml")), key=_place))
"""Names of all there are."""
NAMED = f"{', '.join(PRESETS[:-1])} or {PRESETS[-1]}"
