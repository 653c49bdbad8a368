"""All reasons of one recommendation, measured part by part, and the whole as JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

from engine.data import Catalogue
from engine.explain.constraint import Unwritable
from engine.explain.counterfactual import Search, counterfactual
from engine.explain.effects import Effects, leave_one_out, sign_agreement, spearman
from engine.explain.evidence import Evidence, gather
from engine.explain.explanandum import Explanandum
from engine.explain.gradients import integrated_gradients
from engine.explain.grammar import grammar
from engine.explain.order import order_effects, stability
from engine.explain.parts import part_shares, parts_sentence
from engine.explain.plain import plain
from engine.explain.rationale import SAMPLES, freely, rationales, request
from engine.explain.reading import reading
from engine.explain.report import check_parts
from engine.explain.sentence import fallback, first_sentence
from engine.explain.variants import adapter_effect, ladder, make_answer, prompt_effects
from engine.llm import SoftPrompt

SUMS = (
    "Effects of single titles do not add up to the margin, because titles act together; "
    "those of integrated gradients do, up to the error shown."
)


OnPart = Callable[[Mapping[str, Any]], None]
"""Called with the explanation as far as it goes: ``measuring`` names the part under way; while the rationale is
written, ``writing`` holds its ``request`` and ``texts``, one per sample."""


@dataclass(frozen=True)
class Writing:
    """How the model is asked for its own words."""

    prompt: str | None = None
    """Instead of the request that is made of the evidence."""
    adapter: bool = False
    """Whether the fine-tuned weights write, or the base ones."""
    samples: int = SAMPLES
    elsewhere: bool = False
    """Whether the endpoint of the run's ``explain.writer_url`` is asked first."""


class Explainer:
    """Measures on demand; what one part asked, the others need not ask again.

    Args:
        others: soft prompts of other runs by their ids, for the effect of the prompt.
    """

    def __init__(
        self, explained: Explanandum, others: dict[str, SoftPrompt] | None = None, writing: Writing | None = None
    ) -> None:
        self.explained = explained
        self.others = others or {}
        self.writing = writing or Writing()
        self.on_writing: Callable[[dict[str, Any]], None] = lambda _: None
        self.seed = explained.models.config.seed
        self._effects: dict[str, Effects] | None = None
        self._teacher_effects: dict[str, Effects] | None = None
        self._search: Search | None = None

    def effects(self) -> dict[str, Effects]:
        """Leave-one-out effects of the language model by removal operator."""
        if self._effects is None:
            self._effects = leave_one_out(self.explained.llm, self.explained.operators())
        return self._effects

    def teacher_effects(self) -> dict[str, Effects]:
        """Those of the teacher."""
        if self._teacher_effects is None:
            self._teacher_effects = leave_one_out(self.explained.teacher, self.explained.operators(teacher=True))
        return self._teacher_effects

    def search(self) -> Search:
        """The smallest changes of the history after which another candidate comes first."""
        if self._search is None:
            predictor = self.explained.llm
            top = predictor.about(int(predictor.full().argmax()))
            effects = leave_one_out(top, self.explained.operators()[:1])["delete"].margin
            self._search = counterfactual(top, effects, self.explained.pool())
        return self._search

    def evidence(self, title: Callable[[int], str] | None = None) -> Evidence:
        """What sentences may claim; uses deletions and, if it was made, the search."""
        return gather(self.explained, self.deletions(), self._search, title)

    def deletions(self) -> Effects:
        """The language model's effects under deletion alone: the quickest reasons."""
        if self._effects is not None:
            return self._effects["delete"]
        return leave_one_out(self.explained.llm, self.explained.operators()[:1])["delete"]

    def facts(self) -> dict[str, Any]:
        """The question and the plain answer: history, candidates, ranks by the language model and the teacher."""
        explained, instance = self.explained, self.explained.instance
        queries = [entry.query for entry in explained.entries]
        own = make_answer(explained.llm.name, explained.llm.full(), instance)
        return {
            "run": {
                "llm": explained.llm.name,
                "teacher": explained.teacher.name,
                "seed": self.seed,
                "plus": plain(explained.plus_weights),
            },
            "target": self._item(int(instance.candidates[instance.target])),
            "history": [
                {**self._item(int(item)), "query": query} for item, query in zip(instance.history, queries, strict=True)
            ],
            "candidates": [
                {**self._item(int(item)), "chosen_next": int(item) == explained.true_item}
                for item in instance.candidates
            ],
            "answer": plain(own),
            "beside": plain(make_answer(explained.teacher.name, explained.teacher.full(), instance)),
            "notes": list(explained.notes),
        }

    def _item(self, item: int) -> dict[str, Any]:
        return describe(self.explained.catalogue, item) | {
            "interactions": int(self.explained.popularity[item]) if item < len(self.explained.popularity) else None
        }

    def measure_effects(self) -> dict[str, Any]:
        """Effects by model and operator, signs' agreement between operators, rank correlation with the teacher."""
        ours, theirs = self.effects(), self.teacher_effects()
        return {
            "llm": {name: _effects(found) for name, found in ours.items()},
            "teacher": {name: _effects(found) for name, found in theirs.items()},
            "sign_agreement": {
                f"{a}/{b}": plain(sign_agreement(ours[a].margin, ours[b].margin)) for a, b in combinations(ours, 2)
            },
            "spearman_with_teacher": {name: plain(spearman(ours[name].margin, theirs[name].margin)) for name in theirs},
            "note": SUMS,
        }

    def measure_rather(self) -> dict[str, Any]:
        """Why the target rather than its rival: the one that was chosen, or else the strongest."""
        found, target = self.deletions(), self.explained.instance.target
        strongest = next(int(i) for i in (-found.full).argsort(kind="stable") if i != target)
        rival = strongest if self.explained.rival is None else self.explained.rival
        return {
            "chosen": self.explained.rival is not None,
            "rather_than": self._item(int(self.explained.instance.candidates[rival])),
            "lead": plain(found.full[target] - found.full[rival]),
            "effects": plain(found.rather_than(rival)),
        }

    def measure_parts(self) -> dict[str, Any] | None:
        """What each part of DELRec-plus gives the target over its own strongest rival; ``None`` without it."""
        explained = self.explained
        if explained.plus is None:
            return None
        scores, target = explained.plus.full(), explained.instance.target
        strongest = next(int(i) for i in (-scores).argsort(kind="stable") if i != target)
        rival = strongest if explained.rival is None else explained.rival
        shares = part_shares(explained.plus, rival)
        named = [self._item(int(explained.instance.candidates[column]))["title"] for column in (target, rival)]
        history = [explained.title(int(item)) for item in explained.instance.history]
        return {
            "model": explained.plus.name,
            "rather_than": self._item(int(explained.instance.candidates[rival])),
            "lead": plain(sum(share.lead for share in shares)),
            "parts": [plain(share) | {"lead": plain(share.lead)} for share in shares],
            "sentence": parts_sentence(shares, history, *named),
        }

    def measure_counterfactual(self) -> dict[str, Any]:
        """The search, and what it says in words."""
        return {**plain(self.search()), "sentence": self.search().sentence()}

    def measure_ladder(self) -> list[Any]:
        """The same candidates by the teacher, after each stage, and by DELRec-plus where the run has it."""
        explained, instance = self.explained, self.explained.instance
        teacher = make_answer(explained.teacher.name, explained.teacher.full(), instance)
        own = make_answer(explained.llm.name, explained.llm.full(), instance)
        plus = [make_answer(explained.plus.name, explained.plus.full(), instance)] if explained.plus else []
        return [plain(rung) for rung in [*ladder(explained.variants, instance, teacher, own), *plus]]

    def measure_prompt(self) -> dict[str, Any]:
        """Effects of the soft prompt and of the adapter, ``None`` where the run has none."""
        explained, config = self.explained, self.explained.models.config
        own = make_answer(explained.llm.name, explained.llm.full(), explained.instance)
        effects = (
            prompt_effects(explained.variants, explained.instance, own, self.others)
            if explained.models.soft_prompt
            else None
        )
        adapter = None
        if config.finetune.enabled:
            off, effect = adapter_effect(explained.variants, explained.instance, own)
            adapter = {"answer": plain(off), "margin_effect": plain(effect)}
        return {"prompts": plain(effects), "adapter": adapter}

    def measure_reading(self) -> Any:
        """What the language model reads."""
        return plain(reading(self.explained.llm.ranker, self.explained.instance))

    def measure_order(self) -> dict[str, Any]:
        """Effects of the history's order, for both models."""
        return {
            "llm": plain(order_effects(self.explained.llm, self.seed)),
            "teacher": plain(order_effects(self.explained.teacher, self.seed)),
        }

    def measure_stability(self) -> Any:
        """The target's place under shuffled candidates; ``None`` where the model reads no list of them."""
        if self.explained.models.config.llm.prompts == "sequence":
            return None
        return plain(stability(self.explained.llm, self.seed))

    def measure_gradients(self) -> Any:
        """Integrated gradients of the language model's margin."""
        found = integrated_gradients(self.explained.llm.ranker, self.explained.instance)
        return plain(found) | {"completeness_error": plain(found.completeness_error)}

    def measure_summary(self) -> dict[str, Any]:
        """The first sentence and the stand-in for a generated rationale."""
        evidence = told = self.evidence()
        if self.explained.has_look_alikes:
            told = self.evidence(self.explained.called)
        shown = told.isolated()
        return {"sentence": first_sentence(shown), "fallback": fallback(shown), "evidence": plain(evidence)}

    def measure_rationale(self) -> dict[str, Any]:
        """Texts of the model under the evidence's grammar, checked against it, best grounded first."""
        evidence, writing = self.evidence(), self.writing
        asked = writing.prompt or request(evidence)
        texts: list[str] = []

        def heard(sample: int, piece: str) -> None:
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
            on_text=heard,
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


PARTS: Mapping[str, Callable[[Explainer], Any]] = {
    "effects": Explainer.measure_effects,
    "rather": Explainer.measure_rather,
    "parts": Explainer.measure_parts,
    "counterfactual": Explainer.measure_counterfactual,
    "summary": Explainer.measure_summary,
    "ladder": Explainer.measure_ladder,
    "reading": Explainer.measure_reading,
    "prompt": Explainer.measure_prompt,
    "order": Explainer.measure_order,
    "stability": Explainer.measure_stability,
    "gradients": Explainer.measure_gradients,
    "rationale": Explainer.measure_rationale,
    "free": Explainer.measure_free,
}
"""Parts of an explanation by their names in the JSON, in the order in which they are best measured."""


def explain(
    explainer: Explainer, parts: Collection[str] = tuple(PARTS), on_part: OnPart | None = None
) -> dict[str, Any]:
    """The facts and the chosen parts as one JSON object.

    Raises:
        StudioError: no such part.
    """
    check_parts(parts)
    found = explainer.facts()
    for name, measure in PARTS.items():
        if name not in parts:
            continue
        if on_part:
            known = {**found, "measuring": name}
            on_part(known)
            explainer.on_writing = partial(_written, on_part, known)
        found[name] = measure(explainer)
    return found


def _written(on_part: OnPart, known: Mapping[str, Any], writing: Mapping[str, Any]) -> None:
    on_part({**known, "writing": writing})


def describe(catalogue: Catalogue, item: int) -> dict[str, Any]:
    """An item for readers: dense id, the data set's id, title (with the id where another looks like it), year, genres,
    whether the data set knows it."""
    return {
        "item": item,
        "raw_id": catalogue.raw_ids[item],
        "title": catalogue.choice(item).title,
        "year": catalogue.years[item],
        "genres": list(catalogue.genres[item]),
        "known": item < catalogue.n_known,
    }


def _effects(found: Effects) -> dict[str, Any]:
    return {"margin": plain(found.margin), "probability": plain(found.probability)}
