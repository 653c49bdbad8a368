"""What people need to know about each setting, read off the configuration models: for forms, help and documentation."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from engine.config import RunConfig

SettingKind = Literal["number", "whole", "switch", "text", "list"]


@dataclass(frozen=True)
class Setting:
    """One setting of a run."""

    name: str
    """Dotted name, e.g. ``distill.steps``."""
    default: Any
    """A JSON value; ``None`` for empty."""
    optional: bool
    """It may be left empty."""
    kind: SettingKind
    choices: tuple[str, ...]
    """The words allowed, where they are few: of the value, or of each entry of a list."""
    open: bool
    """The choices are the usual ones; others may be taken too."""
    unit: str
    help: str
    advanced: bool


def describe(model: type[BaseModel] = RunConfig, prefix: str = "") -> Iterator[Setting]:
    """All settings under ``model`` in the order of declaration."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from describe(annotation, f"{prefix}{name}.")
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        kind, choices = _kind(annotation)
        unit, advanced = str(extra.get("unit", "")), bool(extra.get("advanced", False))
        usual: Any = extra.get("choices")
        if usual:
            choices = usual()
        optional = type(None) in get_args(annotation)
        words = " ".join((field.description or "").split())  # Markdown would break lines where the source does
        yield Setting(f"{prefix}{name}", default, optional, kind, choices, bool(usual), unit, words, advanced)


def _kind(annotation: Any) -> tuple[SettingKind, tuple[str, ...]]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin in (types.UnionType, Union):
        return _kind(next(part for part in inner if part is not type(None)))
    if origin is Literal:
        return "text", tuple(inner)
    if origin is tuple:
        return "list", _kind(inner[0])[1]
    plain: dict[Any, SettingKind] = {bool: "switch", int: "whole", float: "number"}
    return plain.get(annotation, "text"), ()
