"""Settings of earlier versions: what a configuration that was kept with a run says, and what it means now.

Whoever writes them today is told that there are none such; a run that was made with them still opens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import yaml

from engine.errors import StudioError

RETIRED: Mapping[str, tuple[str, ...]] = {
    "llm": ("normalise",),
    "plus": (
        *("prior", "behaviour", "soft_prompt", "reading", "window", "layers", "top_layers", "targets", "rank", "width"),
        *("dropout", "soft_labels", "steps", "batch_size", "lr", "weight_decay", "warmup", "clip", "optimizer"),
        *("validate_every", "validation_users"),
    ),
}
"""By section. Until format 3 of run folders DELRec-plus was a reader with a training of its own."""
PRIORS = {"sum": 0.0, "prior": 1.0}
"""What ``llm.normalise`` was is ``llm.prior``; the mean over tokens is gone."""

SINCE_BOOKS = "item_embeddings"
"""A setting of ``distill`` as old as the domain of books; before, books of goodbooks-10k were "items" to a prompt."""


def modernised(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings without the retired ones; those of today come back as they are.

    A DELRec-plus that was a reader is none any more: it is switched off. Where no text recommender is spoken of, there
    was none.
    """
    found = {section: dict(held) if isinstance(held, Mapping) else held for section, held in values.items()}
    if reads_for_itself(values):
        found["plus"]["enabled"] = False
    if isinstance(found.get("plus"), dict):
        found["plus"].setdefault("text", False)
    if _held(values, "llm"):
        found["llm"]["prior"] = PRIORS.get(str(values["llm"]["normalise"]), 0.0)
    match found:
        case {"data": {"dataset": "goodbooks-10k", "domain": "auto"} as data, "distill": dict(distill)} if (
            SINCE_BOOKS not in distill
        ):
            data["domain"] = "item"
    for section, names in RETIRED.items():
        for name in names if isinstance(found.get(section), dict) else ():
            found[section].pop(name, None)
    return found


def reads_for_itself(values: Mapping[str, Any]) -> bool:
    """Whether these settings are of a run whose DELRec-plus was a reader."""
    return bool(_held(values, "plus")) and bool(values["plus"].get("enabled"))


def check_parts(values: Mapping[str, Any], run: str) -> None:
    """Raises StudioError where a ``run`` with these settings has parts that this version does not know."""
    llm = values.get("llm", {})
    if reads_for_itself(values):
        made = "DELRec-plus was a reader of its own then"
    elif llm.get("verbalizer") == "title-likelihood" and llm.get("normalise") == "mean":
        made = "it ranked titles by the mean over their tokens"
    else:
        return
    raise StudioError(
        f"an earlier version made this run, and {made}: its results can be shown, its models cannot be asked",
        where=run,
        remedy="run it anew with today's settings",
    )


def earlier(text: str, where: str) -> dict[str, Any]:
    """Nested settings from the YAML ``text`` that an earlier version wrote; ``StudioError`` where it is damaged."""
    with contextlib.suppress(yaml.YAMLError):
        values = yaml.safe_load(text)
        if isinstance(values, dict) and all(isinstance(values.get(part, {}), dict) for part in RETIRED):
            return values
    raise StudioError("config.yaml is damaged", where=where, remedy="restore it or start the run anew")


def _held(values: Mapping[str, Any], section: str) -> list[str]:
    held = values.get(section)
    return [name for name in RETIRED[section] if name in held] if isinstance(held, Mapping) else []
