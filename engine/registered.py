"""What registers name as ``module:name``, so that nothing of it is imported before it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def registered(place: str) -> Any:
    """The object of that name in that module."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
