"""The answer in plain language: one sentence, two rows of the run side by side, what an edit changed."""

from __future__ import annotations

from urllib.parse import urlencode

from engine.explain.report import ExplanationReport
from engine.explain.report_parts import Candidate, RankedCandidates
from engine.labels import label, listed
from webapp.html import Html, join, link, tag
from webapp.inspect.charts import RankedPlace, Ranking, rankings, shares
from webapp.inspect.question import Question
from webapp.inspect.views.buttons import asking
from webapp.inspect.views.titles import readable
from webapp.layout import notice

SHOWN = 10
"""Candidates listed beside each other; the expert fold has all."""
PLUS = "delrec-plus"
CANDIDATES = {"sampled": "Candidates of the evaluation", "catalogue": "Whole catalogue"}


def sentence(answer: ExplanationReport, trust: Html | None = None) -> Html:
    """The first sentence, computed from the measurements, who was right, and how far to trust it."""
    text = answer.summary.sentence if answer.summary else ""
    return join([tag("span", "In one sentence", class_="dr-label"),
                 tag("p", readable(text, answer), class_="dr-sentence"), agreement(answer), trust])  # fmt: skip


def trusted(run_id: str, row: str, verdict: str | None) -> Html:
    """How far the reasons of a row are to be trusted; where that is not measured, how it is."""
    figures = link("The figures", f"./pattern?{urlencode({'run': run_id, 'model': row})}#trust-rows")
    figures = join([figures, " · ", link("What drives each row", f"./users?{urlencode({'run': run_id})}")])
    if verdict is not None:
        return tag("p", tag("b", f"How far to trust {label(row)}? "), verdict, " ", figures, class_="dr-fine dr-trust")
    text = f"How far to trust the reasons of {label(row)} is not measured yet. It takes minutes: "
    command = tag("code", f"delrec faithfulness --run {run_id} --model {row}")
    return tag("p", text, command, " ", figures, class_="dr-fine dr-trust")


def both(answer: ExplanationReport) -> list[RankedCandidates]:
    """The ranking of the row beside, where it is known, and that of the row which is explained."""
    return [rung for rung in (answer.beside, answer.answer) if rung is not None]


def agreement(answer: ExplanationReport) -> Html:
    """Whether both rows agree, and what the user really chose."""
    rungs = both(answer)
    badge, truth = None, None
    if len({rung.top for rung in rungs}) > 1:
        text = f"They disagree: {label(rungs[0].model)} puts {answer.title(rungs[0].top)} first"
        badge = tag("span", readable(text, answer), class_="dr-badge dr-interrupted")
    elif len(rungs) > 1:
        text = f"{label(rungs[0].model)} and {label(rungs[1].model)} agree on the first place"
        badge = tag("span", text, class_="dr-badge dr-done")
    if (column := answer.chosen) is not None:
        places = ", ".join(f"{label(rung.model)} #{rung.places[column]:g}" for rung in rungs)
        truth = tag("span", "Really chosen next: ", tag("b", answer.candidates[column].title), f" ({places})")
    return tag("div", badge, truth, class_="dr-facts dr-verdict")


def sides(answer: ExplanationReport, question: Question, *, frozen: bool = False) -> Html:
    """The two rows' order of the same candidates, joined by lines."""
    columns = [ranking(answer, rung, frozen=frozen) for rung in both(answer)]
    m = len(answer.candidates)
    note = (
        f"Shares are the softmax of each row's scores over the same {m} candidates and add up to 100 %; language "
        "models are trained by it, the scores of other rows are no probabilities."
    )
    return join(
        [
            None if frozen or question.own else _switch(question),
            tag("p", _which(question, m), class_="dr-hint"),
            rankings(columns, "The rows' order of the candidates"),
            _legend(answer),
            tag("p", note, class_="dr-fine"),
            tag("p", _about_plus(answer), class_="dr-fine")
            if answer.run.plus and PLUS in (answer.run.model, answer.run.beside)
            else None,
        ]
    )


def _about_plus(answer: ExplanationReport) -> str:
    """What DELRec-plus is."""
    weights = answer.run.plus or {}
    words = {"ensemble": "the ensemble of the run's teachers", "text": "a text recommender", "llm": "a language model"}
    who = [f"{words.get(name, label(name))} ({weight:z.2f})" for name, weight in weights.items()]
    mixed = f"adds the opinions of {listed(who)}, weighed by what fitted other users best"
    if next(iter(weights.values()), 0.0):
        mixed += "; the more it weighs the first, the less its agreement with it says"
    return f"{label(PLUS)} goes beyond the paper: it {mixed}."


def _switch(question: Question) -> Html:
    buttons = [
        asking(words, {"candidates": name}, aria_pressed=str(name == question.candidates).lower())
        for name, words in CANDIDATES.items()
    ]
    return tag("div", buttons, class_="dr-switch", role="group", aria_label="Candidates")


def _which(question: Question, m: int) -> str:
    if question.own:
        return f"The best {m} of the whole catalogue after these titles."
    edited = " They were chosen for the history as it was, and stay while you edit it." if question.edited else ""
    if question.candidates == "catalogue":
        return f"The best {m} of the whole catalogue, by the row explained, and what else was asked about.{edited}"
    return f"The {m} candidates of the evaluation: the true next item and others drawn at random.{edited}"


def _legend(answer: ExplanationReport) -> Html:
    chosen = any(item.chosen_next for item in answer.candidates)
    parts = [tag("span", tag("i", class_="dr-key dr-target"), "explained here")]
    if chosen:
        parts.append(tag("span", tag("i", class_="dr-key dr-chosen"), "★ really chosen next"))
    return tag("div", parts, class_="dr-facts")


def ranking(
    answer: ExplanationReport,
    rung: RankedCandidates,
    *,
    frozen: bool = True,
    most: int = SHOWN,
    heading: str = "",
) -> Ranking:
    """One model's order; beyond the first ``most``, only what is explained and what was chosen."""
    target = answer.target.item
    whole = shares(rung.scores)
    order = sorted(range(len(whole)), key=lambda column: (rung.places[column], column))
    places = []
    for number, column in enumerate(order):
        item = answer.candidates[column]
        marks = [name for name, is_so in (("target", item.item == target), ("chosen", item.chosen_next)) if is_so]
        if number >= most and not marks:
            continue
        hint = f"score {rung.scores[column]:z.3f}"
        if item.overall is not None and rung.model == answer.run.model:
            hint += f", #{item.overall:,g} of all items"
        text = _named(item, frozen)
        places.append(RankedPlace(item.item, rung.places[column], whole[column], text, " ".join(marks), hint))
    listed = len(places)
    note = f"{len(whole)} candidates" if listed == len(whole) else f"{listed} of {len(whole)} candidates"
    return Ranking(heading or label(rung.model), note, places, len(whole))


def _named(item: Candidate, frozen: bool) -> Html:
    star = "★ " if item.chosen_next else ""
    title: Html | str = f"{star}{item.title}"
    if not frozen:
        title = asking(title, {"item": item.raw_id}, class_="dr-plain", title="Explain this one")
    return join([tag("span", title, class_="dr-cut"), tag("small", " · ".join(item.genres), class_="dr-cut")])


def changes(before: ExplanationReport, after: ExplanationReport) -> Html:
    """The model's best items before and after the history was edited."""
    then, now = before.answer, after.answer
    first, fresh = before.title(then.top), after.title(now.top)
    if then.top == now.top:
        text = f"{first} stays first."
    else:
        text = f"{fresh} now comes first; {first} {_moved(after, now, then.top)}."
    columns = [
        ranking(before, then, heading=f"{label(then.model)} before"),
        ranking(after, now, heading=f"{label(now.model)} after"),
    ]
    ids = [{item.item for item in answer.candidates} for answer in (before, after)]
    same = f"Both times the same {len(ids[0])} candidates are ranked"
    if ids[0] != ids[1]:
        same = f"{len(ids[0] & ids[1])} candidates are ranked both times; what left or joined the list is noted above"
    note = f"{same}; only the history differs. Lines join items that are listed on both sides."
    return join(
        [
            tag("h2", "Before and after your changes"),
            tag("p", readable(text, after, first), class_="dr-said"),
            rankings(columns, "Before and after"),
            tag("p", note, class_="dr-fine"),
        ]
    )


def _moved(answer: ExplanationReport, rung: RankedCandidates, item: int) -> str:
    for column, candidate in enumerate(answer.candidates):
        if candidate.item == item:
            return f"falls to #{rung.places[column]:g}"
    return "is no longer among the candidates"


def notes(answer: ExplanationReport) -> Html:
    """What the reader must know."""
    return join([notice("info", note) for note in answer.notes])
