"""What every section of the configuration is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(
    default: Any,
    *,
    unit: str = "",
    advanced: bool = False,
    choices: Callable[[], tuple[str, ...]] | None = None,
    **bounds: Any,
) -> Any:
    """``choices``: the usual answers where they are not fixed; others are taken too."""
    extra: Any = {"unit": unit, "advanced": advanced} | ({"choices": choices} if choices else {})
    return Field(default=default, json_schema_extra=extra, **bounds)


class Section(BaseModel):
    """Base of every section: unknown keys, infinite and undefined numbers are refused, values cannot change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
