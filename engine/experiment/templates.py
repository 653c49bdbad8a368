"""Questions that are asked of every method, as plans ready to run: what varies follows from the base configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.architectures import ARCHITECTURES
from engine.config import RunConfig
from engine.errors import StudioError
from engine.experiment.plan import BASE, Plan, Variant, expand
from engine.labels import label


@dataclass(frozen=True)
class Template:
    """``fill`` changes a plan by the values that were named behind the template's name, if any."""

    title: str
    help: str
    fill: Callable[[Plan, RunConfig, Sequence[str]], Plan]


def apply(plan: Plan, name: str, values: Sequence[str] = ()) -> Plan:
    """The plan with a template filled in; what it varied before stays.

    Raises:
        StudioError: no such template, values that it cannot use, or a base that makes it meaningless.
    """
    if name not in TEMPLATES:
        remedy = f"choose one of {', '.join(TEMPLATES)}"
        raise StudioError(f"unknown template {name!r}", where="--template", remedy=remedy)
    base = RunConfig.model_validate(plan.base)
    filled = TEMPLATES[name].fill(plan, base, values)
    try:
        expand(filled.model_copy(update={"vary": {}, "datasets": [], "seeds": []}))
    except StudioError as error:
        what = f"the template {name!r} says nothing of this configuration: {error.what}"
        raise StudioError(what, where="--template", remedy=error.remedy) from None
    return filled


def _seeds(plan: Plan, base: RunConfig, values: Sequence[str]) -> Plan:
    return plan.model_copy(update={"seeds": seeds(",".join(values)) if values else [base.seed + n for n in range(3)]})


def _ablations(plan: Plan, base: RunConfig, values: Sequence[str]) -> Plan:
    """One part of the method left out at a time; ``values``: the teacher whose prompt is tried instead."""
    own, what = base.distill, ""
    if own.prompt != "distilled":
        what = f"distill.prompt={own.prompt} distils nothing"
    elif not (own.ta and own.rps):
        what = "TA or RPS is left out already"
    elif not base.finetune.enabled:
        what = "stage 2 is left out already"
    elif own.teacher not in (None, base.teacher.name):
        what = "another teacher's prompt is used already"
    if what:
        remedy = "start from distill.prompt=distilled with TA, RPS and stage 2"
        raise StudioError(
            f"the template 'ablations' says nothing of this configuration: {what}", where="--template", remedy=remedy
        )
    others = values or [next(name for name in (*base.teacher.also, *ARCHITECTURES) if name != base.teacher.name)]
    also = list(dict.fromkeys([*base.teacher.also, others[0]]))
    changes: dict[str, dict[str, Any]] = {
        "DELRec": {},
        "no prompt": {"distill.prompt": "none"},
        "untrained prompt": {"distill.prompt": "random"},
        "prompt trained on LSR": {"distill.prompt": "lsr"},
        "without TA": {"distill.ta": False},
        "without RPS": {"distill.rps": False},
        "without stage 2": {"finetune.enabled": False},
        f"prompt of {label(others[0])}": {"teacher.also": also, "distill.teacher": others[0]},
    }
    return _variants(plan, changes)


def _teachers(plan: Plan, _: RunConfig, values: Sequence[str]) -> Plan:
    return _variants(plan, {label(name): {"teacher.name": name} for name in values or ARCHITECTURES})


def _backbones(plan: Plan, _: RunConfig, values: Sequence[str]) -> Plan:
    if len(values) < 2:
        remedy = "write --template backbones=smollm2-135m-instruct,my-models/qwen"
        raise StudioError("which language models?", where="--template", remedy=remedy)
    return _variants(plan, {name: {"llm.name": name} for name in values})


def _numbers(plan: Plan, base: RunConfig, values: Sequence[str]) -> Plan:
    """Half and twice as many items of the history and candidates."""
    if values:
        remedy = "vary data.history and data.candidates yourself"
        raise StudioError("the template 'numbers' takes no values", where="--template", remedy=remedy)
    changes: dict[str, dict[str, Any]] = {BASE: {}}
    for name, now, least in (
        ("history", base.data.history, 1),
        ("candidates", base.data.candidates, max(2, base.distill.teacher_top)),
    ):
        for number in (max(least, now // 2), 2 * now):
            if number != now:
                changes[f"{name} of {number}" if name == "history" else f"{number} {name}"] = {f"data.{name}": number}
    return _variants(plan, changes)


TEMPLATES = {
    "seeds": Template("Seeds", "The same with several seeds; seeds=0-4 says which.", _seeds),
    "ablations": Template(
        "The paper's ablations",
        "No prompt, an untrained one, one trained on LSR, without TA, without RPS, without stage 2, another teacher's"
        " prompt; ablations=caser says which teacher.",
        _ablations,
    ),
    "teachers": Template("Teachers", "Every teacher in turn; teachers=sasrec,caser says which.", _teachers),
    "backbones": Template("Backbones", "Language models; backbones=NAME,NAME says which.", _backbones),
    "numbers": Template(
        "History and candidates", "Half and twice as many items of the history, and candidates.", _numbers
    ),
}
"""By the name in the shell."""


def _variants(plan: Plan, changes: dict[str, dict[str, Any]]) -> Plan:
    if plan.variants:
        raise StudioError("variants are listed already", where="--template", remedy="take one template at a time")
    return plan.model_copy(
        update={"variants": [Variant(label=name, settings=settings) for name, settings in changes.items()]}
    )


def seeds(text: str) -> list[int]:
    """``0-2,5`` as numbers.

    Raises:
        StudioError: it is no such list.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last) if dash else int(first)
        except ValueError:
            low, high = 1, 0
        if not 0 <= low <= high < 2**31 or high - low >= 1000:
            raise StudioError(f"{text!r} names no seeds", where="--seeds", remedy="write e.g. 0-2 or 0,3,7")
        found += range(low, high + 1)
    return found
