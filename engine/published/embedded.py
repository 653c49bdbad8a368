"""A record within an HTML report, from which the report's runs can be made again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.config import RunConfig
from engine.errors import StudioError
from engine.presets import PRESETS
from engine.published.record import PublishedExperiment, PublishedRecord, PublishedRun
from engine.settings import flatten, load_config, overrides

BEGIN, END = '<script type="application/json" id="delrec-record">', "</script>"
APART = ("run.", "explain.")
"""Sections that change nothing of what a run finds."""
SIGNS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def experiment(title: str, config: RunConfig, preset: str | None, runs: list[PublishedRun]) -> PublishedExperiment:
    """A variant with what its runs found; all its settings are written out, since presets change with the program.

    Data that lie in a folder of this machine are named without it: whoever makes the runs again says ``--data``.
    """
    values: Mapping[str, Any] = dict(flatten(config))
    place = values["data.path"]
    kept = {name: value for name, value in values.items() if not name.startswith(APART) and name != "seed"}
    if place is not None:
        del kept["data.path"]
    return PublishedExperiment(
        preset=preset if preset in PRESETS else "quickstart",
        overrides=overrides(kept),
        seeds=[run.seed for run in runs],
        title=title,
        files="" if place is None else Path(place).name,
        runs=runs,
    )


def embed(record: PublishedRecord) -> str:
    """The element with the record; nothing in it can end it."""
    return f"{BEGIN}{record.to_json().translate(SIGNS)}{END}"


def read_report(path: Path) -> PublishedRecord:
    """The record of a report.

    Raises:
        StudioError: there is no such file, it is no report, or it was damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise StudioError(
            "this file cannot be read", where=str(path), remedy="name a report of an experiment"
        ) from None
    found = re.search(f"{re.escape(BEGIN)}(.*?){re.escape(END)}", text, re.DOTALL)
    remedy = "take the file as 'delrec experiment report' wrote it"
    if found is None:
        raise StudioError("this is no report of an experiment", where=str(path), remedy=remedy)
    try:
        record = PublishedRecord.model_validate_json(found[1])
        for it in record.experiments.values():
            load_config(it.preset, overrides=it.overrides)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = f"its record is damaged: {first['msg']}"
        raise StudioError(what, where=str(path), remedy=remedy) from None
    except StudioError as error:
        what = f"its settings mean nothing to this version: {error}"
        raise StudioError(what, where=str(path), remedy="use the version that the report names") from None
    return record
