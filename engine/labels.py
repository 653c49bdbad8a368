"""What people read for the name of a model. Light enough for any page to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.architectures import ARCHITECTURES
from engine.bidi import POP

LABELS: Mapping[str, str] = {
    "popularity": "Popularity",
    "markov": "Markov",
    **{name: architecture.label for name, architecture in ARCHITECTURES.items()},
    "ensemble": "Teacher ensemble",
    "text": "Text recommender",
    "llm-zero-shot": "LLM zero-shot",
    "llm-distilled": "LLM distilled",
    "delrec": "DELRec",
    "delrec-plus": "DELRec-plus",
}


def label(name: str) -> str:
    """What people read for a model's name; copies of a teacher, as ``sasrec-2``, are numbered."""
    model, _, copy = name.rpartition("-")
    return f"{LABELS[model]}, copy {copy}" if model in LABELS and copy.isdigit() else LABELS.get(name, name)


def plural(count: int, one: str, several: str = "") -> str:
    """``1 run``, ``3 runs``; ``several`` where that is more than an s behind ``one``, as of ``item is``."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def listed(titles: Sequence[str], last: str = "and") -> str:
    """``"A, B and C"``."""
    return f" {last} ".join([*([", ".join(titles[:-1])] if titles[:-1] else []), *titles[-1:]])


def ended(text: str) -> str:
    """The text as a sentence, with a full stop unless the title at its end brings one."""
    return text if text.rstrip(POP).endswith(".") else f"{text}."


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]
