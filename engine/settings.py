"""Reads a :class:`RunConfig` from presets, YAML and dotted overrides; every fault is one clear line."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from engine.compatibility import modernised
from engine.config import RunConfig
from engine.errors import StudioError
from engine.fields import Setting, describe
from engine.presets import FOLDER, PRESETS
from engine.setting_values import parse, read_yaml, sections, write


def preset_values(name: str) -> dict[str, Any]:
    """The settings in which a preset departs from the defaults, nested by section."""
    if name not in PRESETS:
        raise StudioError(f"unknown preset {name!r}", where="--preset", remedy=f"choose one of {', '.join(PRESETS)}")
    path = FOLDER / f"{name}.yaml"
    return nest(read_yaml(path.read_text(encoding="utf-8"), path.name, _known()))


def preset_help(name: str) -> str:
    """The comment at the head of a preset's file."""
    preset_values(name)
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def load_config(
    preset: str | None = None,
    *,
    text: str | None = None,
    where: str = "YAML",
    overrides: Iterable[str] = (),
    varied: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Defaults, then a preset, then YAML ``text``, then ``a.b=c`` overrides; later ones win.

    What stands behind an override's first ``=`` is taken literally where the setting is a text, see
    :func:`engine.setting_values.parse`. ``varied`` is as in :func:`make_config`.

    >>> config = engine.load_config("smoke", overrides=["teacher.name=gru4rec", "distill.steps=3"])
    >>> config.teacher.name, config.distill.steps, config.data.dataset
    ('gru4rec', 3, 'synthetic')

    Raises:
        StudioError: an unknown preset or key, a value of the wrong kind or out of range, settings that contradict.
    """
    values: dict[str, Any] = {}
    if preset is not None:
        _merge(values, preset_values(preset))
    if text is not None:
        _merge(values, nest(read_yaml(text, where, _known())))
    for override in overrides:
        name, separator, value = override.partition("=")
        if not separator:
            raise StudioError(f"{override!r} is not a setting", where="--set", remedy="write it as distill.steps=50")
        name = name.strip()
        if setting := _known().get(name):
            _assign(values, name, parse(setting, value))
        elif name in sections(_known()):
            _merge(values, nest(read_yaml(f"{name}: {value}", f"--set {name}", _known())))
        else:
            raise _unknown(name)
    return make_config(values, varied)


def make_config(values: Mapping[str, Any], varied: Mapping[str, Any] | None = None) -> RunConfig:
    """Validate nested values; pydantic's report becomes one line naming setting, value and remedy.

    Args:
        varied: the first value, by dotted name, of whatever changes from run to run of an experiment. Where the others
            are not usable without it, it is part of what all runs start from.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        if not varied:
            raise _explain(error) from None
    together: dict[str, Any] = {}
    _merge(together, values)
    _merge(together, nest(varied))
    return make_config(together)


def stored_config(values: Mapping[str, Any]) -> RunConfig:
    """The configuration that was kept with a run, perhaps by an earlier version."""
    return make_config(modernised(values))


def to_yaml(config: RunConfig) -> str:
    """The configuration as YAML that :func:`load_config` reads back to an equal object."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def flatten(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names with their values, in the order of declaration."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", list(value) if isinstance(value, tuple) else value


def changes(config: RunConfig, base: RunConfig | None = None) -> dict[str, Any]:
    """Dotted settings whose values differ from ``base`` (by default: from the defaults)."""
    reference = dict(flatten(base or RunConfig()))
    return {name: value for name, value in flatten(config) if reference[name] != value}


def command_line(config: RunConfig, preset: str | None = None) -> str:
    """The shell command that runs this configuration."""
    import shlex

    base = load_config(preset) if preset else None
    words = ["delrec", "run"] + (["--preset", preset] if preset else [])
    for override in overrides(changes(config, base)):
        words += ["--set", override]
    return shlex.join(words)


def overrides(changed: Mapping[str, Any]) -> list[str]:
    """Changes the way the shell and addresses write them: ``a.b=c``."""
    return [f"{name}={write(value)}" for name, value in changed.items()]


def nest(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as sections within sections."""
    values: dict[str, Any] = {}
    for name, value in dotted.items():
        _assign(values, name, value)
    return values


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = into.get(key)
            into[key] = dict(inner) if isinstance(inner, dict) else {}
            _merge(into[key], value)
        else:
            into[key] = value


def _assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    *path, field = dotted.split(".")
    for section in path:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise _unknown(dotted)
        values = inner
    values[field] = value


def setting_of(name: str) -> Setting:
    """The setting of that dotted name. Raises :class:`StudioError`, with what may be meant, if there is none."""
    checked_names([name])
    return _known()[name]


def checked_names(names: Iterable[str]) -> None:
    """Raise :class:`StudioError` for the first of the dotted ``names`` that is no setting's."""
    for name in names:
        if name not in _known():
            raise _unknown(name)


@functools.cache
def _known() -> dict[str, Setting]:
    return {setting.name: setting for setting in describe()}


def _unknown(dotted: str) -> StudioError:
    close = difflib.get_close_matches(dotted, _known(), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else "'delrec run --help' lists the settings"
    return StudioError(f"unknown setting {dotted!r}", where=dotted, remedy=hint)


def _explain(error: ValidationError) -> StudioError:
    first = error.errors(include_url=False)[0]
    dotted = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown(dotted)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return StudioError(message, where=dotted or "settings", remedy="change one of the settings named")
    remedy = message.lower().replace("valid tuple", "list")  # what it is in YAML
    return StudioError(f"{dotted}={first['input']!r} is not usable", where=dotted, remedy=remedy)
