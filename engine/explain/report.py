"""One recommendation with its reasons, as pages, shell, files and API read it. Light to import: no model is needed.

An answer to the question ``explain`` (:class:`jobs.requests.ExplainRequest`) is an :class:`ExplanationReport` as JSON;
:meth:`ExplanationReport.read` reads it back, one of an earlier version too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from engine.errors import StudioError
from engine.explain.measured_evidence import Part
from engine.explain.report_parts import (
    About,
    Candidate,
    Contrast,
    Counterfactual,
    Effects,
    FreeWords,
    Gradients,
    HistoryItem,
    Item,
    Order,
    PartialRationale,
    PromptAndAdapter,
    RankedCandidates,
    Rationale,
    Reading,
    Stability,
    Summary,
    SumOfParts,
    WhyNot,
)

CandidatePool = Literal["sampled", "catalogue"]
"""What the item stands among: the candidates of the evaluation, or every item."""
PARTS = (
    "effects", "rather", "why_not", "parts", "counterfactual", "summary", "ladder", "reading", "prompt", "order",
    "stability", "gradients", "rationale", "free",
)  # fmt: skip
"""Fields of a report that are measured one by one, in the order in which they are best measured."""


class ExplanationReport(Part):
    """Why a row of a run ranks an item as it does, as far as that was measured.

    Always there are ``run`` (which row: ``run.model``; which one beside it: ``run.beside``), ``target`` (the item that
    is explained), ``history`` (oldest first), ``candidates``, ``answer`` (the row's ranking) and ``notes``. Lists about
    history or candidates go by their order here. Each of ``PARTS`` is ``None`` until it is measured; one that cannot be
    measured for this row stays so, and ``inapplicable[part]`` says why in a sentence. ``has(part)`` is about both.
    """

    run_id: str = ""
    run: About
    target: Item
    history: tuple[HistoryItem, ...]
    candidates: tuple[Candidate, ...]
    answer: RankedCandidates
    beside: RankedCandidates | None = None
    """The ranking of the row beside; ``None`` only in reports of earlier versions."""
    notes: tuple[str, ...] = ()
    inapplicable: Mapping[str, str] = Field(default_factory=dict)
    measuring: str | None = None
    """The part under way, in a report that is not finished ..."""
    writing: PartialRationale | None = None
    """... and what is written so far."""

    effects: Effects | None = None
    rather: Contrast | None = None
    why_not: WhyNot | None = None
    """Inapplicable to what comes first."""
    parts: SumOfParts | None = None
    counterfactual: Counterfactual | None = None
    summary: Summary | None = None
    ladder: tuple[RankedCandidates, ...] | None = None
    """The same candidates by the run's other rows, stage after stage, this one among them."""
    reading: Reading | None = None
    prompt: PromptAndAdapter | None = None
    order: Order | None = None
    stability: Stability | None = None
    gradients: Gradients | None = None
    rationale: Rationale | None = None
    free: FreeWords | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> ExplanationReport:
        """The report of a JSON object, also of one that an earlier version stored.

        Raises:
            StudioError: it is none.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"]))
            what = f"the explanation cannot be read: {fault['msg']}"
            raise StudioError(what, where=place, remedy="ask the question again") from None

    @model_validator(mode="before")
    @classmethod
    def _of_any_version(cls, values: Any) -> Any:
        try:
            return _modern(values)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"it is none of any version: {error!r}") from None

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        """Lists about history and candidates are as long as these: readers go by their order."""
        n, m = len(self.history), len(self.candidates)
        rows = [self.answer, self.beside, *(self.ladder or ())]
        if self.prompt is not None:
            rows += [it.answer for it in (*(self.prompt.prompts or ()), self.prompt.adapter) if it is not None]
        of_candidates = [values for row in rows if row is not None for values in (row.scores, row.places)]
        of_history, places = self._about_history()
        swaps = [side.swaps for side in ((self.order.model, self.order.beside) if self.order else ())]
        wrong = [len(values) != m for values in of_candidates] + [len(values) != n for values in of_history]
        if any([*wrong, *(len(values) != max(0, n - 1) for values in swaps)]):
            raise ValueError("lists are not as long as the history or the candidates that they are about")
        if not all(0 <= place < n for place in places):
            raise ValueError("titles are named that the history has not")
        if not {self.target.item, *(row.top for row in rows if row), *self._compared()} <= {
            item.item for item in self.candidates
        }:
            raise ValueError("items are compared that are no candidates")
        return self

    def _compared(self) -> list[int]:
        """Ids of candidates that parts tell of."""
        search = self.counterfactual
        changes = [change for change in (search.removal, search.replacement) if change] if search else []
        found = [item for change in changes for item in (change.top_before, change.top_after)]
        found += [part.rather_than.item for part in (self.rather, self.parts) if part]
        found += [self.why_not.first] if self.why_not else []
        return found + ([self.gradients.rival] if self.gradients else [])

    def _about_history(self) -> tuple[list[tuple[float, ...]], list[int]]:
        """Lists with a value for each title of the history, and places in it."""
        sides = [*self.effects.model.values(), *self.effects.beside.values()] if self.effects else []
        lists = [values for side in sides for values in (side.margin, side.probability)]
        places: list[int] = []
        told = (self.effects.model, self.effects.beside, self.effects.agreement) if self.effects else ()
        if any("delete" not in by_operator for by_operator in told):
            raise ValueError("effects of deletions are missing")
        if self.rather:
            lists.append(self.rather.effects)
        if self.gradients:
            lists.append(self.gradients.items)
        for part in self.parts.parts if self.parts else ():
            lists.append(part.effects)
            places += [part.because] if part.because is not None else []
        if found := self.why_not:
            removed = found.raised.removed if found.raised else None
            places += [*found.against, *found.speaking, *([removed] if removed is not None else [])]
        if search := self.counterfactual:
            changes = [change for change in (search.removal, search.replacement) if change]
            places += [*search.single_changes, *(place for change in changes for place in change.positions)]
        return lists, places

    @classmethod
    def merged(cls, reports: Iterable[ExplanationReport]) -> ExplanationReport | None:
        """Answers to one question's parts as one. Its facts are the first's, so that all numbers fit the ranking."""
        whole: ExplanationReport | None = None
        for report in reports:
            if whole is None:
                whole = report
                continue
            new: dict[str, Any] = {part: found for part in PARTS if (found := getattr(report, part)) is not None}
            new |= {"inapplicable": {**whole.inapplicable, **report.inapplicable}}
            whole = whole.model_copy(update={**new, "beside": whole.beside or report.beside})
        return whole

    def has(self, part: str) -> bool:
        """Whether a part was measured, or found to be not applicable."""
        return getattr(self, part) is not None or part in self.inapplicable

    def only(self, parts: Iterable[str]) -> ExplanationReport:
        """The facts and these parts."""
        left_out = [part for part in PARTS if part not in set(parts)]
        inapplicable = {part: why for part, why in self.inapplicable.items() if part not in left_out}
        return self.model_copy(update={**dict.fromkeys(left_out), "inapplicable": inapplicable})

    def to_json(self) -> dict[str, Any]:
        """What :meth:`read` reads; parts that are not measured are left out."""
        found = self.model_dump(mode="json")
        missing = [name for name in (*PARTS, "measuring", "writing") if found[name] is None]
        return {name: value for name, value in found.items() if name not in missing}

    @property
    def column(self) -> int:
        """The explained item's place in ``candidates``."""
        return next(column for column, item in enumerate(self.candidates) if item.item == self.target.item)

    @property
    def chosen(self) -> int | None:
        """The column of what the user really chose next, where that is known."""
        return next((column for column, item in enumerate(self.candidates) if item.chosen_next), None)

    def title(self, item: int) -> str:
        """How an item of the history or a candidate is called; others by number."""
        known = (*self.candidates, *self.history, self.target)
        return next((it.title for it in known if it.item == item), f"item {item}")


def check_parts(parts: Iterable[str]) -> None:
    """Raise :class:`StudioError` where a name is no part of an explanation."""
    if unknown := [part for part in parts if part not in PARTS]:
        raise StudioError(f"there is no part {unknown[0]!r}", where="parts", remedy=f"choose from {', '.join(PARTS)}")


def _modern(values: Mapping[str, Any]) -> dict[str, Any]:
    """The object in today's form: until November 2026 the language model was explained beside its teacher, always."""
    found = dict(values)
    run = dict(found["run"])
    if run.get("plus") and "of_llm" in run["plus"]:  # its parts were two, whatever their names
        weights = run["plus"]
        run["plus"] = {weights["teacher"]: weights["of_teacher"], "llm": weights["of_llm"]}
        found["run"] = run
    if "llm" not in run:
        return found
    run["model"] = run.pop("llm")
    found["run"] = {**run, "beside": run["teacher"]}
    for part in ("effects", "order"):
        if part in found:
            sides = dict(found[part])
            found[part] = {**sides, "model": sides.pop("llm"), "beside": sides.pop("teacher")}
    if "effects" in found:
        found["effects"]["agreement"] = found["effects"].pop("spearman_with_teacher")
    if found.get("ladder"):
        found["beside"] = next((it for it in found["ladder"] if it["model"] == run["teacher"]), None)
    absent = {
        "parts": f"{run['model']} is no sum of parts.",
        "stability": "It reads no list of candidates, so their order cannot sway it.",
    }
    found["inapplicable"] = {part: why for part, why in absent.items() if part in found and found[part] is None}
    return found
