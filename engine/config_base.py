"""What sections of the configuration, reports and records are made of."""

from __future__ import annotations

import json
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


class FrozenModel(BaseModel):
    """Values cannot change; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def to_json(self) -> str:
        """The text of its file; equal models give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


class Section(FrozenModel):
    """Base of every section: infinite and undefined numbers are refused too."""

    model_config = ConfigDict(validate_default=True, allow_inf_nan=False)
