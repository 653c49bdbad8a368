"""The expert fold: every stage's ranking, what prompt, adapter and order do, gradients, raw scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from engine.explain.report import ExplanationReport
from engine.explain.report_parts import OrderOfHistory, Piece, RankedCandidates
from engine.labels import label, plural
from webapp.html import Html, join, tag
from webapp.inspect.charts import percent, rankings, signed
from webapp.inspect.question import Question
from webapp.inspect.views.answer import ranking
from webapp.inspect.views.words import written
from webapp.views.compare import scrolled

PROMPTS = {
    "removed": "removed",
    "shuffled": "its vectors in another order",
    "random": "an untrained one",
}


def fold(answer: ExplanationReport, question: Question, *, frozen: bool = False) -> Html:
    """The whole fold; what is not measured yet is left out, and asked for once the fold is opened."""
    drawn = [draw(answer) for draw in SECTIONS.values()] if question.expert or frozen else None
    waiting = question.expert and not frozen and not all(map(answer.has, SECTIONS))
    return tag(
        "details",
        tag("summary", "For experts: stages, prompt, order, gradients, raw scores"),
        drawn,
        _cannot(answer),
        tag("p", "More is being measured …", class_="dr-muted") if waiting else None,
        facts(answer),
        open=question.expert and not frozen,
        data_ask_open=None if frozen else json.dumps({"expert": True}),
        data_ask_close=None if frozen else json.dumps({"expert": False}),
        class_="dr-fold",
    )


def _cannot(answer: ExplanationReport) -> Html | None:
    """What cannot be measured for this row, and why."""
    items = [tag("li", why) for part, why in answer.inapplicable.items() if part != "why_not"]
    return tag("ul", items, class_="dr-faults", aria_label="What this row cannot have") if items else None


def ladder(answer: ExplanationReport) -> Html | None:
    """The same candidates by the teacher and after each stage."""
    if answer.ladder is None:
        return None
    everything = len(answer.candidates)
    columns = [ranking(answer, rung, most=everything) for rung in answer.ladder]
    chart = tag("div", rankings(columns, "Ranks by stage"), class_="dr-scroll", tabindex=0, role="region",
                aria_label="Ranks by stage")  # fmt: skip
    hint = "The teacher, then the language model after each stage that the run has."
    return _section("From stage to stage", hint, chart, _scores(answer, answer.ladder))


def _scores(answer: ExplanationReport, rungs: Sequence[RankedCandidates]) -> Html:
    heads = [tag("th", "Candidate", scope="col"), tag("th", "id", scope="col")]
    heads += [tag("th", label(rung.model), scope="col", class_="dr-number") for rung in rungs]
    rows = []
    for column, item in enumerate(answer.candidates):
        cells = [
            tag("td", f"{rung.scores[column]:z.4f}", tag("small", f"#{rung.places[column]:g}"), class_="dr-number")
            for rung in rungs
        ]
        star = "★ " if item.chosen_next else ""
        rows.append(tag("tr", tag("th", f"{star}{item.title}", scope="row"), tag("td", item.raw_id), cells))
    table = scrolled("Raw scores", tag("thead", tag("tr", heads)), tag("tbody", rows))
    return tag("details", tag("summary", "Raw scores in the order of the prompt"), table, class_="dr-more")


def operators(answer: ExplanationReport) -> Html | None:
    """Effects of each title under every way of removing it."""
    if (found := answer.effects) is None:
        return None
    names = _rows(answer)
    columns = [(who, name, values) for who in names for name, values in getattr(found, who).items()]
    heads = [tag("th", "Title", scope="col")]
    heads += [tag("th", names[who], tag("small", name), scope="col", class_="dr-number") for who, name, _ in columns]
    rows = [
        tag("tr", tag("th", item.title, scope="row"),
            [tag("td", signed(values.margin[place]), tag("small", f"{100 * values.probability[place]:+z.1f} pp"),
                 class_="dr-number") for _, _, values in columns])
        for place, item in enumerate(answer.history)
    ]  # fmt: skip
    agree = ", ".join(f"{names} {value:.0%}" for names, value in found.sign_agreement.items())
    hint = (
        "On the score margin, and below on the probability in percentage points. Removed by deletion, by a neutral "
        f"placeholder, by random items of like popularity. Signs agree: {agree}. {found.note}"
    )
    return _section(
        "Effects under each removal", hint, scrolled("Effects", tag("thead", tag("tr", heads)), tag("tbody", rows))
    )


def prompt(answer: ExplanationReport) -> Html | None:
    """What soft prompt and adapter bring."""
    if (found := answer.prompt) is None:
        return None
    rows = []
    for effect in found.prompts or ():
        name = PROMPTS.get(effect.prompt, f"that of {effect.prompt}")
        rows.append(_changed(f"Soft prompt: {name}", effect.answer, effect.margin_effect, answer))
    if found.adapter:
        rows.append(_changed("Adapter off", found.adapter.answer, found.adapter.margin_effect, answer))
    missing = [] if found.prompts else ["This run has no soft prompt."]
    missing += [] if found.adapter else ["This run has no adapter: stage 2 was switched off."]
    heads = [tag("th", text, scope="col") for text in ("Changed", "Place", "Share", "First then", "Brought the lead")]
    table = scrolled("Prompt and adapter", tag("thead", tag("tr", heads)), tag("tbody", rows)) if rows else None
    place = f"{answer.target.title} stands at #{answer.answer.rank:g}"
    hint = f"{place} as the run is. {' '.join(missing)}" if missing else f"{place} with both in place."
    return _section("Soft prompt and adapter", hint, table)


def _changed(name: str, changed: RankedCandidates, effect: float, answer: ExplanationReport) -> Html:
    first = next((c.title for c in answer.candidates if c.item == changed.top), "")
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", f"#{changed.rank:g}"),
        tag("td", percent(changed.probability)),
        tag("td", first),
        tag("td", signed(effect)),
    )


def _rows(answer: ExplanationReport) -> dict[str, str]:
    return {"model": label(answer.run.model), "beside": label(answer.run.beside)}


def order(answer: ExplanationReport) -> Html | None:
    """What the order of the history does, for both models."""
    if (found := answer.order) is None:
        return None
    history = answer.history
    names = _rows(answer)
    heads = [tag("th", "Neighbours exchanged", scope="col")]
    heads += [tag("th", names[who], scope="col", class_="dr-number") for who in names]
    rows = [
        tag("tr", tag("th", f"{one.title} ↔ {two.title}", scope="row"),
            [tag("td", signed(getattr(found, who).swaps[place]), class_="dr-number") for who in names])
        for place, (one, two) in enumerate(pairwise(history))
    ]  # fmt: skip
    table = scrolled("Order", tag("thead", tag("tr", heads)), tag("tbody", rows)) if rows else None
    lines = [_shuffled(names[who], getattr(found, who)) for who in names]
    hint = "What the lead loses when two neighbours change places. " + " ".join(filter(None, lines))
    return _section("Order of the history", hint, table)


def _shuffled(name: str, found: OrderOfHistory) -> str:
    rank = found.shuffled_rank
    if rank is None:
        return ""
    return (
        f"With random orders, {name} puts it at #{rank.mean:z.1f} ± {rank.sd:z.1f} and keeps its first answer in "
        f"{found.same_top:.0%}."
    )


def gradients(answer: ExplanationReport) -> Html | None:
    """Integrated gradients beside the effects, with what is missing to completeness."""
    if (found := answer.gradients) is None:
        return None
    deleted: Sequence[float] | None = answer.effects.model["delete"].margin if answer.effects is not None else None
    rival = next((c.title for c in answer.candidates if c.item == found.rival), "")
    heads = [tag("th", "Title", scope="col"), tag("th", "Integrated gradients", scope="col", class_="dr-number")]
    if deleted is not None:
        heads.append(tag("th", "Left out", scope="col", class_="dr-number"))
    rows = []
    for place, item in enumerate(answer.history):
        cells = [tag("td", signed(found.items[place]), class_="dr-number")]
        cells += [tag("td", signed(deleted[place]), class_="dr-number")] if deleted is not None else []
        rows.append(tag("tr", tag("th", item.title, scope="row"), cells))
    hint = (
        f"Attributions to the lead over {rival}: {found.lead:z.3f} as it is, {found.baseline:z.3f} with an "
        f"average token in place of every title. They add up to {sum(found.items):z.3f} against a difference of "
        f"{found.lead - found.baseline:z.3f}: completeness error {found.completeness_error:z.3f} "
        f"({plural(found.steps, 'step')})."
    )
    return _section("Gradients", hint, scrolled("Gradients", tag("thead", tag("tr", heads)), tag("tbody", rows)))


def reading(answer: ExplanationReport) -> Html | None:
    """The exact prompt, as the launch page previews them."""
    if (found := answer.reading) is None:
        return None
    soft = f"[soft prompt: {plural(found.soft_tokens, 'vector')}]"
    pieces = [
        tag("mark", soft, class_="dr-soft", title="the trained vectors stand here")
        if piece.kind == "soft"
        else tag("span", piece.text, class_=f"dr-in-{piece.kind}")
        for piece in [*found.segments, Piece(text=f"\n{found.answer}"), *found.reply]
    ]
    hint = f"{plural(found.tokens, 'token')} with the model's own template, which is left out here."
    text = tag("pre", pieces, tag("mark", " …", class_="dr-answer"), tabindex=0)
    return _section("What the language model reads", hint, tag("div", text, class_="dr-prompt"))


def free(answer: ExplanationReport) -> Html | None:
    """What held the model's words: the grammar made of the evidence, and what it wrote without it."""
    if (found := answer.free) is None:
        return None
    hint = (
        "The grammar is made of the evidence, in the dialect of llguidance: the model draws each token from what the "
        "grammar lets come next, so it can neither invent a title nor turn a direction round."
    )
    rules = tag("details", tag("summary", "The grammar"), tag("pre", found.grammar, tabindex=0, class_="dr-grammar"),
                class_="dr-more")  # fmt: skip
    return _section("The model's words with and without a grammar", hint, rules,
                    tag("p", "Without the grammar it wrote:", class_="dr-hint"),
                    written(found.text, answer))  # fmt: skip


def facts(answer: ExplanationReport) -> Html:
    """Where this comes from."""
    run = answer.run
    rows = {
        "Run": answer.run_id,
        "Seed": str(run.seed),
        "Row explained": run.model,
        "Row beside": run.beside,
        "Teacher": run.teacher,
        "Item": f"{answer.target.raw_id} (dense id {answer.target.item})",
    }
    return _section(
        "Provenance", "", tag("dl", [[tag("dt", k), tag("dd", v)] for k, v in rows.items()], class_="dr-pairs")
    )


def _section(title: str, hint: str, *body: Html | None) -> Html:
    return tag(
        "section", tag("h3", title), tag("p", hint, class_="dr-hint") if hint else None, join(body), class_="dr-expert"
    )


SECTIONS: Mapping[str, Callable[[ExplanationReport], Html | None]] = {
    "ladder": ladder,
    "effects": operators,
    "reading": reading,
    "prompt": prompt,
    "order": order,
    "gradients": gradients,
    "free": free,
}
"""Sections by the part of the explanation that they show."""
