"""How people write what varies in the shell and in forms, ``teacher.name=sasrec,gru4rec``, and back."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any

from engine.config import RunConfig
from engine.errors import StudioError
from engine.experiment.plan import Plan, Variant
from engine.experiment.templates import apply, seeds
from engine.fields import Setting
from engine.setting_values import parse, write
from engine.settings import setting_of

LIST = "write NAME=VALUE,VALUE, e.g. teacher.name=sasrec,gru4rec; a value with a comma in double quotes or brackets"


def make_plan(
    preset: str | None,
    base: RunConfig,
    *,
    vary: Iterable[str] = (),
    seed_text: str = "",
    datasets: Iterable[str] = (),
    template: str = "",
    variants: Iterable[Variant] = (),
) -> Plan:
    """A plan of what was written on the command line or in a form.

    Raises:
        StudioError: something in it cannot be understood.
    """
    plan = Plan(
        preset=preset,
        base=base.model_dump(mode="json"),
        vary=read_grid(vary),
        seeds=seeds(seed_text) if seed_text.strip() else [],
        datasets=[name.strip() for name in datasets if name.strip()],
        variants=list(variants),
    )
    if template:
        name, _, values_text = template.partition("=")
        plan = apply(plan, name.strip(), [part.strip() for part in values_text.split(",") if part.strip()])
    return plan


def read_grid(lines: Iterable[str]) -> dict[str, list[Any]]:
    """What was written behind ``--vary``, by setting.

    Raises:
        StudioError: no such setting, no values, or a setting that comes twice.
    """
    grid: dict[str, list[Any]] = {}
    for line in lines:
        name, values = varied(line)
        if name in grid:
            raise StudioError("it is varied twice", where=name, remedy="say all its values in one list")
        grid[name] = values
    return grid


def varied(line: str) -> tuple[str, list[Any]]:
    """``teacher.name=sasrec,gru4rec`` as name and values.

    Raises:
        StudioError: no such setting, or no values.
    """
    name, text = name_and_text(line, LIST)
    return name, values_of(setting_of(name), text)


def name_and_text(line: str, remedy: str) -> tuple[str, str]:
    """What stands before and behind the ``=``; ``remedy`` says how to write what has none."""
    name, equals, text = line.partition("=")
    if not equals:
        raise StudioError(f"{line!r} says no values", where="--vary", remedy=remedy)
    return name.strip(), text


def values_of(setting: Setting, text: str) -> list[Any]:
    """The values in ``a,b,"c,d"``; of settings that are lists, those in ``[a,b],[c]``."""
    return [parse(setting, part) for part in _parts(text, setting)]


def written(name: str, values: Iterable[Any]) -> str:
    """What :func:`varied` reads as these values."""
    parts = [write(value) for value in values]
    return f"{name}=" + ",".join(f'"{it}"' if "," in it and not it.startswith("[") else it for it in parts)


def _parts(text: str, setting: Setting) -> list[str]:
    if setting.kind == "list" and "[" in text:
        parts, depth, begin = [], 0, 0
        for place, letter in enumerate(text):
            depth += (letter == "[") - (letter == "]")
            if letter == "," and depth == 0:
                parts.append(text[begin:place])
                begin = place + 1
        return [part.strip() for part in [*parts, text[begin:]]]
    try:
        parts = next(csv.reader([text], skipinitialspace=True)) if text else [""]
    except (csv.Error, StopIteration):
        raise StudioError(f"{text!r} is not understood", where=setting.name, remedy=LIST) from None
    return [part.strip() if setting.choices or setting.kind != "text" else part for part in parts]
