"""An experiment or a search as a YAML file, and back: the same words as in the shell, checked alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from engine.config import RunConfig
from engine.errors import StudioError
from engine.experiment.parsing import make_plan, read_grid, written
from engine.experiment.plan import Plan, Variant, refuse_unknown
from engine.experiment.search import DEFAULT, USUAL_TRIALS, Search, make_search
from engine.experiment.space import Range, firsts, read_space
from engine.setting_values import SWITCHES, load_yaml, parse, write
from engine.settings import load_config, setting_of

SHARED_KEYS = ("preset", "base", "vary", "name", "question")
PLAN_KEYS = (*SHARED_KEYS, "variants", "left_out", "datasets", "seeds", "template")
SEARCH_KEYS = (*SHARED_KEYS, "metric", "trials", "pruning")


def plan_to_yaml(plan: Plan) -> str:
    """The plan as a file that :func:`plan_from_yaml` reads."""
    values = plan.model_dump(mode="json", exclude_defaults=True)
    values["variants"] = {variant.label: variant.settings for variant in plan.variants}
    return _dump(values, ("preset", "base", "vary", "variants", "left_out", "datasets", "seeds"))


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
    values = _read(text, where, PLAN_KEYS, "experiment")
    try:
        given = {name: dict(settings or {}) for name, settings in (values.get("variants") or {}).items()}
        variants = [Variant(label=name, settings=_typed(settings)) for name, settings in given.items()]
    except (ValidationError, TypeError, ValueError, AttributeError):
        remedy = "write them as NAME: {setting: value}"
        raise StudioError("the variants are not understood", where=where, remedy=remedy) from None
    vary = _vary(values, where)
    left_out = values.get("left_out") or {}
    if not isinstance(left_out, Mapping):
        raise StudioError("what is left out is not understood", where=where, remedy="write left_out as NAME: REASON")
    left_out = {name: str(why) for name, why in left_out.items()}
    first = next((variant.settings for variant in variants if variant.label not in left_out), {})
    plan = make_plan(
        values.get("preset"),
        _base(values, where, first | firsts(read_grid(vary))),
        vary=vary,
        seed_text=",".join(map(str, _list(values.get("seeds", "")))),
        datasets=map(str, _list(values.get("datasets") or [])),
        template=str(values.get("template") or ""),
        variants=variants,
    )
    plan = plan.model_copy(update={"left_out": plan.left_out | left_out})
    refuse_unknown(plan)
    return plan, *_named(values)


def search_to_yaml(search: Search) -> str:
    """The search as a file that :func:`search_from_yaml` reads."""
    values = search.model_dump(mode="json")
    values["vary"] = {
        name: f"{write(it.low)}..{write(it.high)}" if isinstance(it, Range) else it for name, it in search.space.items()
    }
    return _dump(values, ("preset", "base", "vary", "metric", "trials", "pruning"))


def search_from_yaml(text: str, where: str) -> tuple[Search, str, str]:
    """A search, its name and its question, of a file such as::

        preset: quickstart
        vary: {finetune.lr: 1e-4..1e-2, teacher.name: [sasrec, gru4rec]}
        trials: 30

    Raises:
        StudioError: no YAML, an unknown key, or something in it that cannot be understood or searched.
    """
    values = _read(text, where, SEARCH_KEYS, "search")
    trials, pruning = str(values.get("trials", USUAL_TRIALS)), SWITCHES.get(str(values.get("pruning", "true")).lower())
    if not trials.isdecimal() or pruning is None:
        remedy = "write e.g. 'trials: 30' and 'pruning: false'"
        raise StudioError("trials are a number, and pruning is true or false", where=where, remedy=remedy)
    space = read_space(_vary(values, where))
    search = make_search(
        values.get("preset"),
        _base(values, where, firsts(space)),
        space,
        metric=str(values.get("metric") or DEFAULT),
        trials=int(trials),
        pruning=pruning,
    )
    return search, *_named(values)


def _read(text: str, where: str, keys: tuple[str, ...], what: str) -> Mapping[str, Any]:
    """What stands in the file."""
    values = load_yaml(text, where)
    if not isinstance(values, Mapping):
        raise StudioError(f"this describes no {what}", where=where, remedy=f"use {', '.join(keys)}")
    if unknown := sorted(values.keys() - set(keys)):
        fault = f"unknown key {unknown[0]!r} in the file of {'an' if what[0] in 'aeiou' else 'a'} {what}"
        raise StudioError(fault, where=where, remedy=f"use {', '.join(keys)}")
    for name in ("name", "question"):
        if isinstance(values.get(name), Mapping | list):
            raise StudioError(f"the {name} is no text", where=where, remedy=f"write {name}: and a line of text")
    return values


def _base(values: Mapping[str, Any], where: str, varied: Mapping[str, Any]) -> RunConfig:
    """The configuration from which it starts."""
    text = yaml.safe_dump(values.get("base") or {})
    return load_config(values.get("preset"), text=text, where=where, varied=varied)


def _typed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the kinds of their settings."""
    kinds = {name: setting_of(name) for name in settings}
    return {name: parse(kinds[name], it) if isinstance(it, str) else it for name, it in settings.items()}


def _vary(values: Mapping[str, Any], where: str) -> list[str]:
    """What varies, as it is written in the shell; texts stand for themselves."""
    found = values.get("vary") or {}
    remedy = "write vary as NAME: [VALUE, VALUE]"
    if not isinstance(found, Mapping):
        raise StudioError("what varies is not understood", where=where, remedy=remedy)
    if empty := [name for name, given in found.items() if given == []]:
        raise StudioError("no value to vary over", where=empty[0], remedy=remedy)
    return [
        f"{name}={given}" if isinstance(given, str) else written(name, _list(given)) for name, given in found.items()
    ]


def _named(values: Mapping[str, Any]) -> tuple[str, str]:
    return str(values.get("name") or ""), str(values.get("question") or "")


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _dump(values: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Those of the keys that say something; ``False`` does."""
    kept = {key: values[key] for key in keys if values.get(key) not in (None, [], {})}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=100)
