"""How people write what varies: ``teacher.name=sasrec,gru4rec`` in the shell, a YAML file, and back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from engine.config import RunConfig
from engine.errors import StudioError
from engine.experiment.plan import Plan, Variant
from engine.experiment.templates import apply, seeds
from engine.fields import Setting
from engine.setting_values import parse, write
from engine.settings import checked_names, load_config, setting_of

KEYS = ("preset", "base", "vary", "variants", "datasets", "seeds", "template", "name", "question")
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
    grid: dict[str, list[Any]] = {}
    for line in vary:
        name, values = varied(line)
        if name in grid:
            raise StudioError("it is varied twice", where=name, remedy="say all its values in one list")
        grid[name] = values
    plan = Plan(
        preset=preset,
        base=base.model_dump(mode="json"),
        vary=grid,
        seeds=seeds(seed_text) if seed_text.strip() else [],
        datasets=[name.strip() for name in datasets if name.strip()],
        variants=list(variants),
    )
    if template:
        name, _, values_text = template.partition("=")
        plan = apply(plan, name.strip(), [part.strip() for part in values_text.split(",") if part.strip()])
    return plan


def varied(line: str) -> tuple[str, list[Any]]:
    """``teacher.name=sasrec,gru4rec`` as name and values.

    Raises:
        StudioError: no such setting, or no values.
    """
    name, equals, text = line.partition("=")
    name = name.strip()
    if not equals:
        raise StudioError(f"{line!r} says no values", where="--vary", remedy=LIST)
    return name, values_of(setting_of(name), text)


def values_of(setting: Setting, text: str) -> list[Any]:
    """The values in ``a,b,"c,d"``; of settings that are lists, those in ``[a,b],[c]``."""
    return [parse(setting, part) for part in _parts(text, setting)]


def plan_to_yaml(plan: Plan) -> str:
    """The plan as a file that :func:`plan_from_yaml` reads."""
    values = plan.model_dump(mode="json", exclude_defaults=True)
    values["variants"] = {variant.label: variant.settings for variant in plan.variants}
    named = {key: values[key] for key in ("preset", "base", "vary", "variants", "datasets", "seeds") if values.get(key)}
    return yaml.safe_dump(named, sort_keys=False, allow_unicode=True, width=100)


def plan_from_yaml(text: str, where: str) -> tuple[Plan, str, str]:
    """A plan, the experiment's name and its question, of a file such as::

        preset: quickstart
        base: {distill: {steps: 50}}
        vary: {teacher.name: [sasrec, gru4rec]}
        variants: {no prompt: {distill.prompt: none}}
        seeds: 0-2

    Raises:
        StudioError: no YAML, an unknown key, or something in it that cannot be understood.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise StudioError("not valid YAML", where=f"{where}{line}", remedy="check indentation and colons") from None
    if not isinstance(values, Mapping) or (unknown := sorted(map(str, values.keys() - set(KEYS)))):
        what = f"unknown key {unknown[0]!r}" if isinstance(values, Mapping) else "this describes no experiment"
        raise StudioError(what, where=where, remedy=f"use {', '.join(KEYS)}")
    base = load_config(values.get("preset"), text=yaml.safe_dump(values.get("base") or {}), where=where)
    try:
        grid = {str(k): _list(v) for k, v in _mapping(values, "vary").items()}
        variants = [Variant(label=str(k), settings=dict(v or {})) for k, v in _mapping(values, "variants").items()]
    except (ValidationError, TypeError, ValueError, AttributeError):
        remedy = "write variants as NAME: {setting: value}, and vary as setting: [value, value]"
        raise StudioError("what varies is not understood", where=where, remedy=remedy) from None
    checked_names([*grid, *(name for variant in variants for name in variant.settings)])
    given = values.get("seeds", "")
    plan = make_plan(
        values.get("preset"),
        base,
        seed_text=",".join(map(str, given)) if isinstance(given, list) else str(given),
        datasets=map(str, _list(values.get("datasets") or [])),
        variants=variants,
    ).model_copy(update={"vary": grid})
    if template := str(values.get("template") or ""):
        name, _, more = template.partition("=")
        plan = apply(plan, name.strip(), [part.strip() for part in more.split(",") if part.strip()])
    return plan, str(values.get("name") or ""), str(values.get("question") or "")


def written(name: str, values: Iterable[Any]) -> str:
    """What :func:`varied` reads as these values."""
    parts = [write(value) for value in values]
    return f"{name}=" + ",".join(f'"{it}"' if "," in it and not it.startswith("[") else it for it in parts)


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key) or {}
    if not isinstance(found, Mapping):
        raise TypeError(key)
    return found


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


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
