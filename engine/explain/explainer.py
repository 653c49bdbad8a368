"""All reasons of one recommendation, measured part by part, and the whole as JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property, partial
from itertools import combinations
from typing import Any

from engine.explain.constraint import Unwritable
from engine.explain.counterfactual import counterfactual
from engine.explain.effects import LeaveOneOut, leave_one_out, sign_agreement, spearman
from engine.explain.evidence import Evidence, gather
from engine.explain.explanandum import Explanandum
from engine.explain.gradients import differentiable, integrated_gradients, text_reader
from engine.explain.grammar import grammar
from engine.explain.order import order_effects, stability
from engine.explain.parts import part_shares, parts_sentence
from engine.explain.rationale import WriterOptions, freely, rationales, request
from engine.explain.removal import Delete
from engine.explain.report import PARTS, ExplanationReport, check_parts
from engine.explain.report_parts import Counterfactual
from engine.explain.row_predictors import is_llm
from engine.explain.sentence import fallback, first_sentence
from engine.explain.serialization import describe, plain
from engine.explain.side_by_side import agreement_sentence
from engine.explain.tokenized_prompt import reading
from engine.explain.variants import CandidateRanking, adapter_effect, make_answer, prompt_effects
from engine.explain.why_not import places_of_all, why_not
from engine.labels import label
from engine.llm import SoftPrompt
from engine.ranking import Ranker
from engine.rows import TEXT, all_rows, method_row, row_spec

SUMS = (
    "Effects of single titles do not add up to the margin, because titles act together; "
    "those of integrated gradients do, up to the error shown."
)


FIRST = "summary"
"""The part whose sentence is read first."""
OnPart = Callable[[Mapping[str, Any]], None]
"""Called with the explanation as far as it goes: ``measuring`` names the part under way; while the rationale is
written, ``writing`` holds its ``request`` and ``texts``, one per sample."""


class Inapplicable(Exception):
    """A part that cannot be measured for this row, and why in a sentence."""


class Explainer:
    """Measures on demand; what one part asked, the others need not ask again.

    Args:
        others: soft prompts of other runs by their ids, for the effect of the prompt.
    """

    def __init__(
        self, explained: Explanandum, others: dict[str, SoftPrompt] | None = None, writing: WriterOptions | None = None
    ) -> None:
        self.explained = explained
        self.others = others or {}
        self.writing = writing or WriterOptions()
        self.on_writing: Callable[[dict[str, Any]], None] = lambda _: None
        self.seed = explained.models.config.seed
        self.name = label(explained.row)

    @cached_property
    def effects(self) -> dict[str, LeaveOneOut]:
        """Leave-one-out effects of the row by removal operator."""
        return leave_one_out(self.explained.model, self.explained.operators(self.explained.row))

    @cached_property
    def comparison_effects(self) -> dict[str, LeaveOneOut]:
        """Those of the row beside."""
        return leave_one_out(self.explained.beside, self.explained.operators(self.explained.other))

    @cached_property
    def search(self) -> Counterfactual:
        """The smallest changes of the history after which another candidate comes first."""
        predictor = self.explained.model
        top = predictor.about(int(predictor.full().argmax()))
        return counterfactual(top, leave_one_out(top, [Delete()])["delete"].margin, self.explained.pool())

    def evidence(self, title: Callable[[int], str] | None = None) -> Evidence:
        """What sentences may claim; uses deletions and, if it was made, the search."""
        return gather(self.explained, self.deletions(), self.__dict__.get("search"), title)

    def deletions(self) -> LeaveOneOut:
        """The row's effects under deletion alone: the quickest reasons."""
        return leave_one_out(self.explained.model, [Delete()])["delete"]

    def answer(self, row: str) -> CandidateRanking:
        """How a row of the run ranks the candidates."""
        return make_answer(row, self.explained.ask(row).full(), self.explained.instance)

    def facts(self) -> dict[str, Any]:
        """The question and the plain answer: history, candidates, the row's ranking."""
        explained, instance = self.explained, self.explained.instance
        queries = [entry.query for entry in explained.entries]
        overall = places_of_all(explained)
        return {
            "run": {
                "model": explained.row,
                "beside": explained.other,
                "teacher": explained.models.config.teacher.name,
                "seed": self.seed,
                "plus": plain(explained.plus_weights),
            },
            "target": self._item(int(instance.candidates[instance.target])),
            "history": [
                {**self._item(int(item)), "query": query} for item, query in zip(instance.history, queries, strict=True)
            ],
            "candidates": [
                {**self._item(int(item)), "chosen_next": int(item) == explained.true_item, "overall": place}
                for item, place in zip(instance.candidates, overall, strict=True)
            ],
            "answer": plain(self.answer(explained.row)),
            "notes": list(explained.notes),
        }

    def _item(self, item: int) -> dict[str, Any]:
        return describe(self.explained.catalogue, item) | {
            "interactions": int(self.explained.popularity[item]) if item < len(self.explained.popularity) else None
        }

    def measure_effects(self) -> dict[str, Any]:
        """Effects by row and operator, signs' agreement between operators, rank correlation of both rows."""
        ours, theirs = self.effects, self.comparison_effects
        agree = {name: spearman(ours[name].margin, theirs[name].margin) for name in theirs if name in ours}
        return {
            "model": {name: _effects(found) for name, found in ours.items()},
            "beside": {name: _effects(found) for name, found in theirs.items()},
            "sign_agreement": {
                f"{a}/{b}": plain(sign_agreement(ours[a].margin, ours[b].margin)) for a, b in combinations(ours, 2)
            },
            "agreement": plain(agree),
            "agreement_sentence": agreement_sentence(
                self.name, label(self.explained.other), agree["delete"], len(ours["delete"].margin)
            ),
            "note": SUMS,
        }

    def measure_rather(self) -> dict[str, Any]:
        """Why the target rather than its rival: the one that was chosen, or else the strongest."""
        found, rival = self.deletions(), self._rival()
        target = self.explained.instance.target
        return {
            "chosen": self.explained.rival is not None,
            "rather_than": self._item(int(self.explained.instance.candidates[rival])),
            "lead": plain(found.full[target] - found.full[rival]),
            "effects": plain(found.rather_than(rival)),
        }

    def measure_why_not(self) -> dict[str, Any]:
        """What keeps the target from the first place, and what would raise it."""
        explained = self.explained
        if int(explained.model.full().argmax()) == explained.instance.target:
            raise Inapplicable("It is recommended: it comes first.")
        return why_not(explained).model_dump()

    def _rival(self) -> int:
        explained = self.explained
        scores, target = explained.model.full(), explained.instance.target
        strongest = next(int(i) for i in (-scores).argsort(kind="stable") if i != target)
        return strongest if explained.rival is None else explained.rival

    def measure_parts(self) -> dict[str, Any]:
        """What each part of a row that is a sum gives the target over its rival."""
        explained, instance = self.explained, self.explained.instance
        if not (is_llm(explained.row) and row_spec(explained.row).mixed):
            raise Inapplicable(f"{self.name} is no sum of parts.")
        rival = self._rival()
        shares = part_shares(explained.model, rival)
        named = [self._item(int(instance.candidates[column]))["title"] for column in (instance.target, rival)]
        history = [explained.called(int(item)) for item in instance.history]
        return {
            "model": explained.row,
            "rather_than": self._item(int(instance.candidates[rival])),
            "lead": plain(sum(share.lead for share in shares)),
            "parts": [plain(share) | {"lead": plain(share.lead)} for share in shares],
            "sentence": parts_sentence(shares, history, *named),
        }

    def measure_counterfactual(self) -> Any:
        """The search, and what it says in words."""
        return plain(self.search)

    def measure_ladder(self) -> list[Any]:
        """The same candidates by the teacher, after each stage, by DELRec-plus, and by the two rows asked about."""
        explained = self.explained
        config = explained.models.config
        rows = [config.teacher.name, *(row for row in all_rows(config) if is_llm(row)), explained.row, explained.other]
        return [plain(self.answer(row)) for row in dict.fromkeys(rows)]

    def measure_prompt(self) -> dict[str, Any]:
        """Effects of the soft prompt and of the adapter; each ``None`` where the run has none."""
        explained, config = self.explained, self.explained.models.config
        spec = row_spec(explained.row) if is_llm(explained.row) else None
        if spec is None:
            raise Inapplicable(f"{self.name} has neither soft prompt nor adapter.")
        if spec.mixed:
            spec = row_spec(method_row(config))
        if not spec.soft_prompt and not spec.adapter and explained.row != method_row(config):
            raise Inapplicable(f"{self.name} is asked without soft prompt and adapter.")
        own = self.answer(explained.row)

        def within(llm: Ranker) -> Ranker:
            return explained.rows.with_model(explained.row, llm)

        about = explained.variants, explained.instance, own
        effects = None
        if explained.models.soft_prompt and spec.soft_prompt:
            effects = prompt_effects(*about, self.others, adapter=spec.adapter, within=within)
        adapter = None
        if config.finetune.enabled and spec.adapter:
            off, effect = adapter_effect(*about, within)
            adapter = {"answer": plain(off), "margin_effect": plain(effect)}
        return {"prompts": plain(effects), "adapter": adapter}

    def measure_reading(self) -> Any:
        """What the row's language model reads."""
        ranker = text_reader(self.explained.model.ranker)
        if ranker is None:
            if self.explained.row == TEXT:
                raise Inapplicable(f"{self.name} knows items by vectors of their titles and is asked by no prompt.")
            raise Inapplicable(f"{self.name} knows items by number and reads no text.")
        return plain(reading(ranker, self.explained.instance))

    def measure_order(self) -> dict[str, Any]:
        """Effects of the history's order, for both rows."""
        return {
            "model": plain(order_effects(self.explained.model, self.seed)),
            "beside": plain(order_effects(self.explained.beside, self.seed)),
        }

    def measure_stability(self) -> Any:
        """The target's place under shuffled candidates."""
        if not is_llm(self.explained.row) or self.explained.models.config.llm.prompts == "sequence":
            raise Inapplicable(f"{self.name} reads no list of candidates, so their order cannot sway it.")
        return plain(stability(self.explained.model, self.seed))

    def measure_gradients(self) -> Any:
        """Integrated gradients of the row's margin."""
        if not differentiable(self.explained.model.ranker):
            raise Inapplicable(f"{self.name} counts; it has no inputs to differentiate.")
        found = integrated_gradients(self.explained.model.ranker, self.explained.instance)
        return plain(found) | {"completeness_error": plain(found.completeness_error)}

    def measure_summary(self) -> dict[str, Any]:
        """The first sentence and the stand-in for a generated rationale."""
        evidence = words = self.evidence()
        if self.explained.has_look_alikes:
            words = self.evidence(self.explained.called)
        shown = words.isolated()
        return {"sentence": first_sentence(shown), "fallback": fallback(shown), "evidence": plain(evidence)}

    def first_words(self) -> dict[str, Any]:
        """The same as far as it is known before the row beside is asked: all but where that one puts the item."""
        called = self.explained.called if self.explained.has_look_alikes else None
        evidence = gather(self.explained, self.deletions(), None, called, alone=True)
        words = plain(replace(evidence, teacher_rank=0.0))
        del words["teacher_rank"]
        sentence = first_sentence(evidence.isolated())
        return {"sentence": sentence, "fallback": sentence, "evidence": words}

    def measure_rationale(self) -> dict[str, Any]:
        """Texts of the model under the evidence's grammar, checked against it, best grounded first."""
        evidence, writing = self.evidence(), self.writing
        asked = writing.prompt or request(evidence)
        texts: list[str] = []

        def on_text(sample: int, piece: str) -> None:
            texts.extend([""] * (sample + 1 - len(texts)))
            texts[sample] += piece
            self.on_writing({"request": asked, "texts": list(texts)})

        found = rationales(
            self.explained.models.backbone,
            evidence,
            adapter=writing.adapter,
            samples=writing.samples,
            seed=self.seed,
            asked=asked,
            elsewhere=self.explained.models.config.explain if writing.elsewhere else None,
            on_text=on_text,
        )
        return {"request": asked, "texts": plain(found)}

    def measure_free(self) -> dict[str, Any]:
        """What holds the model's words: the grammar, and what the model writes without it, with its verdict."""
        evidence, writing = self.evidence(), self.writing
        found = freely(
            self.explained.models.backbone, evidence, adapter=writing.adapter, seed=self.seed, asked=writing.prompt
        )
        try:
            rules = grammar(evidence)
        except Unwritable as error:
            rules = str(error)
        return {"grammar": rules, "text": plain(found)}


MEASURES: Mapping[str, Callable[[Explainer], Any]] = {part: getattr(Explainer, f"measure_{part}") for part in PARTS}
"""How each part of a report is measured."""


def explain(explainer: Explainer, parts: Collection[str] = PARTS, on_part: OnPart | None = None) -> ExplanationReport:
    """The facts and the chosen parts.

    Raises:
        StudioError: no such part.
    """
    check_parts(parts)
    found, explained = explainer.facts(), explainer.explained
    if on_part and FIRST in parts and is_llm(explained.other) and not is_llm(explained.row):
        # A language model takes a second or two: what a quick row says, and why, does not wait for it.
        on_part({**found, FIRST: explainer.first_words(), "measuring": FIRST})
    found["beside"] = plain(explainer.answer(explained.other))
    inapplicable: dict[str, str] = {}
    for name, measure in MEASURES.items():
        if name not in parts:
            continue
        if on_part:
            known = {**found, "inapplicable": {**inapplicable}, "measuring": name}
            on_part(known)
            explainer.on_writing = partial(_written, on_part, known)
        try:
            found[name] = measure(explainer)
        except Inapplicable as why:
            inapplicable[name] = str(why)
    return ExplanationReport.read({**found, "inapplicable": inapplicable})


def _written(on_part: OnPart, known: Mapping[str, Any], writing: Mapping[str, Any]) -> None:
    on_part({**known, "writing": writing})


def _effects(found: LeaveOneOut) -> dict[str, Any]:
    return {"margin": plain(found.margin), "probability": plain(found.probability)}
