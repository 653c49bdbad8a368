"""Questions that are asked of every method, as plans ready to run: what varies follows from the base configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.architectures import ARCHITECTURES
from engine.config import RunConfig
from engine.errors import StudioError
from engine.experiment.plan import BASE, REMEDY, Plan, Variant, expand, without_alike
from engine.labels import label
from engine.recipe import identity
from engine.setting_values import write
from engine.settings import flatten

MOST_COMPARED = 1000
"""Runs up to which a template looks for combinations with the grid that are alike; more are refused where any are."""


@dataclass(frozen=True)
class Template:
    """``fill`` changes a plan by the values that were named behind the template's name, if any."""

    title: str
    help: str
    fill: Callable[[Plan, RunConfig, Sequence[str]], Plan]


@dataclass(frozen=True)
class Offer:
    """A variant that a template would have.

    Args:
        settings: what it changes, by dotted name.
        part: what it leaves out or replaces, in words.
        needs: the values, by dotted name, with which a base has that part.
    """

    label: str
    settings: Mapping[str, Any]
    part: str = ""
    needs: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def lacking(self, base: RunConfig) -> str | None:
        """The first setting by which the base lacks the part."""
        values = dict(flatten(base))
        return next((name for name, usable in self.needs.items() if values[name] not in usable), None)


def apply(plan: Plan, name: str, values: Sequence[str] = ()) -> Plan:
    """The plan with a template filled in; what it varied before stays.

    Variants that the base cannot have are left out, and the plan says so; those that ``values`` name are refused.

    Raises:
        StudioError: no such template, values that it cannot use, or a base of which it has nothing to vary.
    """
    if name not in TEMPLATES:
        remedy = f"choose one of {', '.join(TEMPLATES)}"
        raise StudioError(f"unknown template {name!r}", where="--template", remedy=remedy)
    filled = TEMPLATES[name].fill(plan, RunConfig.model_validate(plan.base), values)
    return without_alike(filled) if filled.vary and filled.size <= MOST_COMPARED else filled


def _seeds(plan: Plan, base: RunConfig, values: Sequence[str]) -> Plan:
    return plan.model_copy(update={"seeds": seeds(",".join(values)) if values else [base.seed + n for n in range(3)]})


def _ablations(plan: Plan, base: RunConfig, values: Sequence[str]) -> Plan:
    """One part of the method left out at a time; ``values``: the teachers whose prompts are tried instead."""
    distils = {"distill.prompt": ("distilled",)}
    both = {**distils, "distill.ta": (True,), "distill.rps": (True,)}
    own = {**distils, "distill.teacher": (None, base.teacher.name)}
    stage_2 = ("stage 2", {"finetune.enabled": (True,)})
    others = values or [next(name for name in (*base.teacher.also, *ARCHITECTURES) if name != base.teacher.name)]
    prompts = [
        Offer(
            f"prompt of {label(other)}",
            {"teacher.also": list(dict.fromkeys([*base.teacher.also, other])), "distill.teacher": other},
            "prompt of its own teacher",
            own,
        )
        for other in others
    ]
    free = {"distill.prompt_run": None} if base.distill.prompt_run else {}
    offers = [
        Offer(name, {**free, "distill.prompt": prompt}, part, {"distill.prompt": having})
        for name, prompt, part, having in (
            ("no prompt", "none", "soft prompt", _ANY_PROMPT),
            ("untrained prompt", "random", "trained prompt", _TRAINED),
            ("prompt trained on LSR", "lsr", "distillation", _FROM_TEACHERS),
        )
    ]
    offers += [
        Offer("without TA", {"distill.ta": False}, "pair of TA and RPS", both),
        Offer("without RPS", {"distill.rps": False}, "pair of TA and RPS", both),
        Offer("without stage 2", {"finetune.enabled": False}, *stage_2),
        *prompts,
    ]
    trained = {"distill.prompt": ("distilled", "lsr")}
    if base.distill.conditional:  # extensions: without them nothing of the method is missing
        offers.append(Offer("constant prompt", {"distill.conditional": False}, "prompt that learns", trained))
    if base.distill.item_embeddings:
        changes = {"distill.item_embeddings": False}
        offers.append(Offer("without item embeddings", changes, "prompt that learns", trained))
    if base.finetune.soft_labels:
        offers.append(Offer("without soft labels", {"finetune.soft_labels": 0}, *stage_2))
    whole = all(offer.lacking(base) is None for offer in offers)
    return _filled(plan, base, [Offer("DELRec" if whole else BASE, {}), *offers], prompts if values else ())


_FROM_TEACHERS = ("distilled", "run")
_TRAINED = (*_FROM_TEACHERS, "lsr")
_ANY_PROMPT = (*_TRAINED, "random")
"""Of ``distill.prompt``, what gives a prompt that some teacher was distilled into, one that was trained, or any."""


def _teachers(plan: Plan, base: RunConfig, values: Sequence[str]) -> Plan:
    offers = [Offer(label(name), {"teacher.name": name}) for name in values or ARCHITECTURES]
    return _filled(plan, base, offers, offers if values else ())


def _backbones(plan: Plan, base: RunConfig, values: Sequence[str]) -> Plan:
    if len(values) < 2:
        remedy = "write --template backbones=smollm2-135m-instruct,my-models/qwen"
        raise StudioError("which language models?", where="--template", remedy=remedy)
    offers = [Offer(name, {"llm.name": name}) for name in values]
    return _filled(plan, base, offers, offers)


def _numbers(plan: Plan, base: RunConfig, values: Sequence[str]) -> Plan:
    """Half and twice as many items of the history and candidates."""
    if values:
        remedy = "vary data.history and data.candidates yourself"
        raise StudioError("the template 'numbers' takes no values", where="--template", remedy=remedy)
    offers = [Offer(BASE, {})]
    for name, now, least in (
        ("history", base.data.history, 1),
        ("candidates", base.data.candidates, max(2, base.distill.teacher_top)),
    ):
        for number in (max(least, now // 2), 2 * now):
            if number != now:
                words = f"history of {number}" if name == "history" else f"{number} {name}"
                offers.append(Offer(words, {f"data.{name}": number}))
    return _filled(plan, base, offers)


TEMPLATES = {
    "seeds": Template("Seeds", "The same with several seeds; seeds=0-4 says which.", _seeds),
    "ablations": Template(
        "The paper's ablations",
        "One part of the method left out or replaced at a time; ablations=caser says whose prompt is tried instead.",
        _ablations,
    ),
    "teachers": Template("Teachers", "Every teacher in turn; teachers=sasrec,caser says which.", _teachers),
    "backbones": Template("Backbones", "Language models; backbones=NAME,NAME says which.", _backbones),
    "numbers": Template(
        "History and candidates", "Half and twice as many items of the history, and candidates.", _numbers
    ),
}
"""By the name in the shell."""


def _filled(plan: Plan, base: RunConfig, offers: Sequence[Offer], named: Sequence[Offer] = ()) -> Plan:
    """The plan with the offers, of which those that its base cannot have are left out.

    ``named``: those without which it is refused.
    """
    if plan.variants:
        raise StudioError("variants are listed already", where="--template", remedy="take one template at a time")
    variants = [Variant(label=offer.label, settings=dict(offer.settings)) for offer in offers]
    kept: dict[str, Variant] = {}
    left_out: dict[str, str] = {}
    for offer, variant in zip(offers, variants, strict=True):
        try:
            if lacks := offer.lacking(base):
                what = f"there is no {offer.part} with {lacks}={write(dict(flatten(base))[lacks])}"
                raise StudioError(what, remedy=_start_from([offer], base))
            (run,) = expand(Plan(base=plan.base, variants=[variant]))
            same = kept.setdefault(identity(run.config), variant)
            if same is not variant:
                raise StudioError(f"it would be the same runs as {same.label!r}", remedy=REMEDY)
        except StudioError as error:
            why = error.what.removeprefix(f"{offer.label}: ")
            if offer in named:
                raise StudioError(f"{offer.label}: {why}", where="--template", remedy=error.remedy) from None
            left_out[offer.label] = why
    if left_out and len(kept) < 2:
        what = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        what = f"the template has nothing to vary in this configuration: {what}"
        raise StudioError(what, where="--template", remedy=_start_from(offers, base))
    return plan.model_copy(update={"variants": variants, "left_out": left_out})


def _start_from(offers: Sequence[Offer], base: RunConfig) -> str:
    """What a base lacks, with the settings that bring it."""
    parts: dict[str, str] = {}
    for offer in offers:
        if name := offer.lacking(base):
            parts.setdefault(f"{name}={write(offer.needs[name][0])}", offer.part)
    needed = " or ".join(f"{part} ({setting})" for setting, part in parts.items())
    return f"start from a configuration with {needed}" if needed else REMEDY


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
