"""The answer in plain language: one sentence, both models side by side, why, what would change it, how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.data.catalogue import Choice
from engine.labels import label, listed
from webapp.html import Html, join, tag
from webapp.inspect.charts import Place, Ranking, effect_bar, percent, rankings, shares, signed
from webapp.inspect.question import Question
from webapp.inspect.views.buttons import asking
from webapp.inspect.views.history import asking_for
from webapp.shell import notice
from webapp.words import plural

Answer = Mapping[str, Any]
SHOWN = 10
"""Candidates listed beside each other; the expert fold has all."""
COLD = 5
"""Items with at most so many training interactions are hardly known to the teacher."""
CANDIDATES = {"sampled": "Candidates of the evaluation", "catalogue": "Whole catalogue"}


def sentence(summary: Answer, ladder: Answer | None) -> Html:
    """The first sentence, computed from the measurements, and who was right."""
    text = tag("p", summary["summary"]["sentence"], class_="dr-sentence")
    return join([tag("span", "In one sentence", class_="dr-label"), text, agreement(ladder) if ladder else None])


def both(answer: Answer) -> tuple[Answer, Answer]:
    """The teacher's ranking and that of the model which is explained."""
    return answer["ladder"][0], next(rung for rung in answer["ladder"] if rung["model"] == answer["run"]["llm"])


def agreement(answer: Answer) -> Html:
    """Whether teacher and model agree, and what the user really chose."""
    teacher, model = both(answer)
    names = (label(teacher["model"]), label(model["model"]))
    if teacher["top"] == model["top"]:
        said = tag("span", f"{names[0]} and {names[1]} agree on the first place", class_="dr-badge dr-done")
    else:
        said = tag("span", f"They disagree: {names[0]} puts {_title(answer, teacher['top'])} first",
                   class_="dr-badge dr-interrupted")  # fmt: skip
    chosen = [column for column, item in enumerate(answer["candidates"]) if item["chosen_next"]]
    truth = None
    if chosen:
        column = chosen[0]
        places = f"{names[0]} #{teacher['places'][column]:g}, {names[1]} #{model['places'][column]:g}"
        truth = tag("span", "Really chosen next: ", tag("b", answer["candidates"][column]["title"]), f" ({places})")
    return tag("div", said, truth, class_="dr-facts dr-verdict")


def sides(answer: Answer, question: Question, *, frozen: bool = False) -> Html:
    """The teacher's and the model's order of the same candidates, joined by lines; DELRec-plus beside them."""
    teacher, model = both(answer)
    plus = next((rung for rung in answer["ladder"] if rung["model"] == "delrec-plus"), None)
    shown = [rung for rung in (teacher, model, plus) if rung is not None]
    columns = [ranking(answer, rung, labels=True, frozen=frozen) for rung in shown]
    m = len(answer["candidates"])
    note = (
        f"Shares are the softmax of each model's scores over the same {m} candidates and add up to 100 %; "
        f"{label(model['model'])} is trained by it, the teacher's scores are no probabilities."
    )
    chart = rankings(columns, "The models' order of the candidates")
    if plus is not None:
        chart = tag("div", chart, class_="dr-scroll", tabindex=0, role="region", aria_label="Order of the candidates")
    return join(
        [
            None if frozen or question.own else _switch(question),
            tag("p", _which(answer, question, m), class_="dr-hint"),
            chart,
            _legend(answer),
            tag("p", note, class_="dr-fine"),
            None if plus is None else tag("p", _about_plus(answer), class_="dr-fine"),
        ]
    )


def _about_plus(answer: Answer) -> str:
    """What DELRec-plus is, and that the reasons are not its own."""
    weights, model = answer["run"]["plus"], label(answer["run"]["llm"])
    several = weights["teacher"] == "ensemble"
    teacher = "the ensemble of the run's teachers" if several else label(weights["teacher"])
    if not weights["of_teacher"]:
        mixed = f"goes by a language model alone (the opinion of {teacher} came out with no weight)"
    else:
        theirs, ours = (f"{weights[of]:z.2f}" for of in ("of_teacher", "of_llm"))
        mixed = f"adds the opinions of {teacher} ({theirs}) and of a language model ({ours}), weighed by what fitted "
        mixed += "other users best; the more it weighs the first, the less its agreement with it says"
    said = f"The reasons here are {model}'s; what each part adds stands beside them."
    return f"DELRec-plus goes beyond the paper: it {mixed}. {said}"


def _switch(question: Question) -> Html:
    buttons = [
        asking(words, {"candidates": name}, aria_pressed=str(name == question.candidates).lower())
        for name, words in CANDIDATES.items()
    ]
    return tag("div", buttons, class_="dr-switch", role="group", aria_label="Candidates")


def _which(answer: Answer, question: Question, m: int) -> str:
    teacher = label(answer["run"]["teacher"])
    if question.own:
        return f"{teacher}'s best {m} of the whole catalogue after these titles, re-ranked by the language model."
    edited = " They were chosen for the history as it was, and stay while you edit it." if question.edited else ""
    if question.candidates == "catalogue":
        return f"{teacher}'s best {m} of the whole catalogue, re-ranked by the language model.{edited}"
    return f"The {m} candidates of the evaluation: the true next item and others drawn at random.{edited}"


def _legend(answer: Answer) -> Html:
    chosen = any(item["chosen_next"] for item in answer["candidates"])
    parts = [tag("span", tag("i", class_="dr-key dr-target"), "explained here")]
    if chosen:
        parts.append(tag("span", tag("i", class_="dr-key dr-chosen"), "★ really chosen next"))
    return tag("div", parts, class_="dr-facts")


def ranking(
    answer: Answer, rung: Answer, *, labels: bool, frozen: bool = True, most: int = SHOWN, heading: str = ""
) -> Ranking:
    """One model's order; beyond the first ``most``, only what is explained and what was chosen."""
    target = answer["target"]["item"]
    whole = shares(rung["scores"])
    order = sorted(range(len(whole)), key=lambda column: (rung["places"][column], column))
    places = []
    for number, column in enumerate(order):
        item = answer["candidates"][column]
        marks = [name for name, is_so in (("target", item["item"] == target), ("chosen", item["chosen_next"])) if is_so]
        if number >= most and not marks:
            continue
        hint = f"score {rung['scores'][column]:z.3f}"
        text = _named(item, frozen) if labels else tag("span", item["title"], class_="dr-cut")
        places.append(Place(item["item"], rung["places"][column], whole[column], text, " ".join(marks), hint))
    listed = len(places)
    note = f"{len(whole)} candidates" if listed == len(whole) else f"{listed} of {len(whole)} candidates"
    return Ranking(heading or label(rung["model"]), note, places, len(whole))


def _named(item: Answer, frozen: bool) -> Html:
    star = "★ " if item["chosen_next"] else ""
    title: Html | str = f"{star}{item['title']}"
    if not frozen:
        title = asking(title, {"item": item["raw_id"]}, class_="dr-plain", title="Explain this one")
    return join([tag("span", title, class_="dr-cut"), tag("small", " · ".join(item["genres"]), class_="dr-cut")])


def changes(before: Answer, after: Answer) -> Html:
    """The model's best items before and after the history was edited."""
    then, now = both(before)[1], both(after)[1]
    first, fresh = _title(before, then["top"]), _title(after, now["top"])
    if then["top"] == now["top"]:
        said = f"{first} stays first."
    else:
        said = f"{fresh} now comes first; {first} {_moved(after, now, then['top'])}."
    columns = [
        ranking(before, then, labels=True, heading=f"{label(then['model'])} before"),
        ranking(after, now, labels=True, heading=f"{label(now['model'])} after"),
    ]
    ids = [{item["item"] for item in answer["candidates"]} for answer in (before, after)]
    same = f"Both times the same {len(ids[0])} candidates are ranked"
    if ids[0] != ids[1]:
        same = f"{len(ids[0] & ids[1])} candidates are ranked both times; what left or joined the list is noted above"
    note = f"{same}; only the history differs. Lines join items that are listed on both sides."
    return join(
        [
            tag("h2", "Before and after your changes"),
            tag("p", said, class_="dr-said"),
            rankings(columns, "Before and after"),
            tag("p", note, class_="dr-fine"),
        ]
    )


def _moved(answer: Answer, rung: Answer, item: int) -> str:
    for column, candidate in enumerate(answer["candidates"]):
        if candidate["item"] == item:
            return f"falls to #{rung['places'][column]:g}"
    return "is no longer among the candidates"


def rather(answer: Answer) -> Html:
    """Why this item rather than its rival."""
    found = answer["rather"]["rather_than"]["title"]
    return join([tag("h2", f"Why {answer['target']['title']} rather than {found}?"), reasons(answer)])


def parts(answer: Answer) -> Html | None:
    """What each part of DELRec-plus adds to the lead of the item over its rival, as bars that add up."""
    found = answer.get("parts")
    if not found:
        return None
    target, rival = answer["target"]["title"], found["rather_than"]["title"]
    largest = max([abs(part["lead"]) for part in found["parts"]] + [abs(found["lead"])])
    rows = [
        tag(
            "li",
            tag("span", f"{label(part['model'])} (weight {part['weight']:z.2f})", class_="dr-what"),
            effect_bar(part["lead"], largest, ""),
        )
        for part in found["parts"]
    ]
    rows.append(tag("li", tag("b", "together", class_="dr-what"), effect_bar(found["lead"], largest, "")))
    return join(
        [
            tag("h3", f"{label(found['model'])}: parts that add up"),
            tag("p", found["sentence"], class_="dr-said"),
            tag("ul", rows, class_="dr-reasons", aria_label=f"Lead of {target} over {rival} by part"),
            tag("p", f"Each bar is what a part adds to the lead of {target} over {rival}.", class_="dr-fine"),
        ]
    )  # fmt: skip


def reasons(answer: Answer) -> Html:
    """Which titles make the difference between the item and its rival."""
    found, target = answer["rather"], answer["target"]["title"]
    rival, effects = found["rather_than"]["title"], found["effects"]
    ahead = found["lead"] >= 0
    order = sorted(range(len(effects)), key=lambda place: -abs(effects[place]))[:4]
    largest = max(map(abs, effects), default=0.0)
    names = [item["title"] for item in answer["history"]]
    rows = [
        tag("li", tag("span", names[place], class_="dr-what"), effect_bar(effects[place], largest, ""))
        for place in order
    ]  # fmt: skip
    said = f"{target} is {'ahead of' if ahead else 'behind'} {rival} by {abs(found['lead']):z.2f}."
    return join(
        [
            tag("p", f"{said} What leaving out each title would take from that lead:", class_="dr-hint"),
            tag("ol", rows, class_="dr-reasons"),
            tag("p", "Titles act together, so these numbers do not add up to the lead.", class_="dr-fine"),
        ]
    )


def rival(answer: Answer, chosen: str) -> Html:
    """Which of the other candidates, an id, it is compared with; all of them by the model's order to choose from."""
    name = next((item["title"] for item in answer["candidates"] if item["raw_id"] == chosen), f"item {chosen}")
    places = answer["answer"]["places"]
    order = sorted(range(len(places)), key=lambda column: (places[column], column))
    others = [(places[column], answer["candidates"][column]) for column in order]
    options = [
        tag("option", f"#{place:g} {item['title']}", value=item["raw_id"], selected=item["raw_id"] == chosen)
        for place, item in others
        if item["item"] != answer["target"]["item"]
    ]
    choice = tag("select", options, data_ask_value="rival")
    return join(
        [
            tag("h2", f"Why {answer['target']['title']} rather than {name}?"),
            tag("label", tag("span", "Compare with"), choice, class_="dr-rival"),
        ]
    )


def smallest(answer: Answer, choice: Callable[[int], Choice], *, frozen: bool = False) -> Html:
    """The smallest change that was found and verified.

    Args:
        choice: what an item is called, and asked by, that is neither in the history nor among the candidates.
    """
    found = answer["counterfactual"]
    history = answer["history"]
    known = {item["item"]: item["title"] for item in answer["candidates"]}
    parts: list[Html | None] = [tag("h2", "The smallest change"), tag("p", found["sentence"], class_="dr-hint")]
    for change in filter(None, (found["removal"], found["replacement"])):
        names = [history[place]["title"] for place in change["positions"]]
        kept = [asking_for(item) for item in history]
        if change["kind"] == "removal":
            start = f"Without {listed(names)}"
            kept = [entry for place, entry in enumerate(kept) if place not in change["positions"]]
        else:
            put = [choice(item) for item in change["replacements"]]
            start = f"With {listed([other.title for other in put])} in the place of {listed(names)}"
            for place, other in zip(change["positions"], put, strict=True):
                kept[place] = other.reference
        fallen = f"{known[change['top_before']]} falls to #{change['rank_after']:g}"
        said = f"{start}, {known[change['top_after']]} comes first and {fallen}."
        small = "Verified by asking again" + ("; no smaller change does that." if change["smallest"] else ".")
        tries = None
        if kept and all(kept) and not frozen:
            tries = asking("Try it", {"titles": kept}, class_="dr-small-button")
        parts.append(tag("p", said, " ", tag("span", small, class_="dr-muted"), " ", tries, class_="dr-said"))
    if found["removal"] is None and found["replacement"] is None:
        parts.append(tag("p", f"{plural(found['asked'], 'change')} of the history were tried.", class_="dr-fine"))
    if not found["complete"]:
        parts.append(tag("p", "Not all sets of three titles were tried.", class_="dr-fine"))
    if answer["answer"]["top"] != answer["target"]["item"]:
        parts.append(tag("p", "This is about the first place, not about the item explained.", class_="dr-fine"))
    return join(parts)


def confidence(answer: Answer) -> Html:
    """How sure the model is, and whether the order of the candidates sways it."""
    own, found, target = answer["answer"], answer["stability"], answer["target"]
    rows = [
        ("Share of the candidates", percent(own["probability"])),
        ("Lead over the best other", signed(own["margin"])),
    ]
    badge = None
    note = "It reads no list of candidates, so their order cannot sway it."
    if found is not None:
        same, place = found["same_top"], found["rank"]
        word = "Steady" if same >= 0.75 else "Wavering" if same >= 0.4 else "Shaky"
        kind = {"Steady": "dr-done", "Wavering": "dr-interrupted", "Shaky": "dr-failed"}[word]
        badge = tag("span", word, class_=f"dr-badge {kind}")
        rows.append((f"Place in {found['shuffles']} other orders", f"#{place['mean']:z.1f} ± {place['sd']:z.1f}"))
        rows.append(("Same first answer", f"{100 * same:z.0f} %"))
        note = (
            "Only the order in which the candidates are listed was changed: a model that reads well does not mind it."
        )
    rows.append(("Training interactions", _interactions(target)))
    pairs = [[tag("dt", name), tag("dd", value)] for name, value in rows]
    return join(
        [
            tag("h2", "How sure is it? ", badge),
            tag("dl", pairs, class_="dr-pairs"),
            tag("p", note, class_="dr-fine"),
        ]
    )


def _interactions(item: Answer) -> str:
    count = item["interactions"]
    if count is None:
        return "none: not in the catalogue"
    return f"{count}: hardly known" if count <= COLD else f"{count:,}"


def notes(answer: Answer) -> Html:
    """What the reader must know."""
    return join([notice("info", note) for note in answer["notes"]])


def _title(answer: Answer, item: int) -> str:
    return next((c["title"] for c in answer["candidates"] if c["item"] == item), f"item {item}")
