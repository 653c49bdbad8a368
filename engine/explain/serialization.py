"""Measured results as plain JSON values."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from engine.data import Catalogue

DIGITS = 6


def plain(value: Any) -> Any:
    """Models and data classes as objects, arrays as lists, numbers with six significant digits; ids stay whole.

    Raises:
        ValueError: a number is not finite, or something has no plain form.
    """
    if isinstance(value, BaseModel):
        return {name: plain(entry) for name, entry in value}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating) and np.isfinite(value):
        return float(f"{float(value):.{DIGITS}g}")
    raise ValueError(f"{value!r} has no plain form")


def describe(catalogue: Catalogue, item: int) -> dict[str, Any]:
    """An item for readers: dense id, the data set's id, title (with the id where another looks like it), year, genres,
    whether the data set knows it."""
    return {
        "item": item,
        "raw_id": catalogue.raw_ids[item],
        "title": catalogue.choice(item).title,
        "year": catalogue.years[item],
        "genres": list(catalogue.genres[item]),
        "known": item < catalogue.n_known,
    }
