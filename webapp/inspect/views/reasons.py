"""Why: against a rival, by the parts of a sum, by the smallest change, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable

from engine.data.catalogue import ItemLabel
from engine.explain.report import ExplanationReport
from engine.explain.report_parts import Item
from engine.labels import ended, label, listed, plural
from webapp.html import Html, join, tag
from webapp.inspect.charts import effect_bar, percent, signed
from webapp.inspect.views.buttons import asking
from webapp.inspect.views.history import asking_for
from webapp.inspect.views.titles import readable

COLD = 5
"""Items with at most so many training interactions are hardly known to the teacher."""


def rather(answer: ExplanationReport) -> Html | None:
    """Why this item rather than its rival."""
    if answer.rather is None:
        return None
    return join(
        [tag("h2", _asked(answer, answer.rather.rather_than.title)), why_not(answer), reasons(answer), parts(answer)]
    )


def _asked(answer: ExplanationReport, rival: str) -> Html:
    """The question that is answered: also why the item is not recommended, where the rival stands before it."""
    if answer.rather and answer.rather.lead < 0:
        return readable(f"Why is {answer.target.title} not recommended? {rival} stands before it", answer)
    return readable(f"Why {answer.target.title} rather than {rival}?", answer)


def why_not(answer: ExplanationReport) -> Html | None:
    """Why the item does not come first, and what would raise it."""
    return tag("p", readable(answer.why_not.sentence, answer), class_="dr-said") if answer.why_not else None


def parts(answer: ExplanationReport) -> Html | None:
    """What each part of a sum adds to the lead of the item over its rival, as bars that add up."""
    if (found := answer.parts) is None:
        return None
    target, rival = answer.target.title, found.rather_than.title
    largest = max([abs(part.lead) for part in found.parts] + [abs(found.lead)])
    rows = [
        tag(
            "li",
            tag(
                "span",
                f"{label(part.model)} (weight {part.weight:z.2f})",
                " ",
                tag("small", f"{signed(part.target)} to the one, {signed(part.rival)} to the other"),
                class_="dr-what",
            ),
            effect_bar(part.lead, largest, ""),
        )
        for part in found.parts
    ]
    rows.append(tag("li", tag("b", "together", class_="dr-what"), effect_bar(found.lead, largest, "")))
    return join(
        [
            tag("h3", f"{label(found.model)}: parts that add up"),
            tag("p", readable(found.sentence, answer), class_="dr-said"),
            tag("ul", rows, class_="dr-reasons", aria_label=f"Lead of {target} over {rival} by part"),
            tag("p", readable(ended(f"Each bar is what a part adds to the lead of {target} over {rival}"), answer),
                class_="dr-fine"),
        ]
    )  # fmt: skip


def reasons(answer: ExplanationReport) -> Html | None:
    """Which titles make the difference between the item and its rival."""
    if (found := answer.rather) is None:
        return None
    target = answer.target.title
    rival, effects = found.rather_than.title, found.effects
    ahead = found.lead >= 0
    order = sorted(range(len(effects)), key=lambda place: -abs(effects[place]))[:4]
    largest = max(map(abs, effects), default=0.0)
    names = [item.title for item in answer.history]
    rows = [
        tag("li", tag("span", names[place], class_="dr-what"), effect_bar(effects[place], largest, ""))
        for place in order
    ]  # fmt: skip
    text = f"{target} is {'ahead of' if ahead else 'behind'} {rival} by {abs(found.lead):z.2f}."
    return join(
        [
            tag(
                "p", readable(text, answer), " What leaving out each title would take from that lead:", class_="dr-hint"
            ),
            tag("ol", rows, class_="dr-reasons"),
            tag("p", "Titles act together, so these numbers do not add up to the lead.", class_="dr-fine"),
        ]
    )


def rival(answer: ExplanationReport, chosen: str) -> Html:
    """Which of the other candidates, an id, it is compared with; all of them by the model's order to choose from."""
    name = next((item.title for item in answer.candidates if item.raw_id == chosen), f"item {chosen}")
    places = answer.answer.places
    order = sorted(range(len(places)), key=lambda column: (places[column], column))
    others = [(places[column], answer.candidates[column]) for column in order]
    options = [
        tag("option", f"#{place:g} {item.title}", value=item.raw_id, selected=item.raw_id == chosen)
        for place, item in others
        if item.item != answer.target.item
    ]
    choice = tag("select", options, data_ask_value="rival")
    return join(
        [
            tag("h2", _asked(answer, name)),
            tag("label", tag("span", "Compare with"), choice, class_="dr-rival"),
        ]
    )


def smallest(answer: ExplanationReport, choice: Callable[[int], ItemLabel], *, frozen: bool = False) -> Html | None:
    """The smallest change that was found and verified.

    Args:
        choice: what an item is called, and asked by, that is neither in the history nor among the candidates.
    """
    if (found := answer.counterfactual) is None:
        return None
    history = answer.history
    known = {item.item: item.title for item in answer.candidates}
    parts: list[Html | None] = [tag("h2", "The smallest change"), tag("p", found.sentence, class_="dr-hint")]
    for change in filter(None, (found.removal, found.replacement)):
        names = [history[place].title for place in change.positions]
        added: list[str] = []
        kept = [asking_for(item) for item in history]
        if change.kind == "removal":
            start = f"Without {listed(names)}"
            kept = [entry for place, entry in enumerate(kept) if place not in change.positions]
        else:
            put = [choice(item) for item in change.replacements]
            added = [other.title for other in put]
            start = f"With {listed(added)} in the place of {listed(names)}"
            for place, other in zip(change.positions, put, strict=True):
                kept[place] = other.reference
        fallen = f"{known[change.top_before]} falls to #{change.rank_after:g}"
        text = f"{start}, {known[change.top_after]} comes first and {fallen}."
        small = "Verified by asking again" + ("; no smaller change does that." if change.smallest else ".")
        tries = None
        if kept and all(kept) and not frozen:
            tries = asking("Try it", {"titles": kept}, class_="dr-small-button")
        shown = readable(text, answer, *added)
        parts.append(tag("p", shown, " ", tag("span", small, class_="dr-muted"), " ", tries, class_="dr-said"))
    if found.removal is None and found.replacement is None:
        parts.append(tag("p", f"{plural(found.asked, 'change')} of the history were tried.", class_="dr-fine"))
    if not found.complete:
        parts.append(tag("p", "Not all sets of three titles were tried.", class_="dr-fine"))
    if answer.answer.top != answer.target.item:
        parts.append(tag("p", "This is about the first place, not about the item explained.", class_="dr-fine"))
    return join(parts)


def confidence(answer: ExplanationReport) -> Html | None:
    """How sure the row is, and whether the order of the candidates sways it."""
    if not answer.has("stability"):
        return None
    own, found = answer.answer, answer.stability
    rows = [
        ("Share of the candidates", percent(own.probability)),
        ("Lead over the best other", signed(own.margin)),
    ]
    badge, note = None, answer.inapplicable.get("stability", "")
    if found is not None:
        same, place = found.same_top, found.rank
        word = "Steady" if same >= 0.75 else "Wavering" if same >= 0.4 else "Shaky"
        kind = {"Steady": "dr-done", "Wavering": "dr-interrupted", "Shaky": "dr-failed"}[word]
        badge = tag("span", word, class_=f"dr-badge {kind}")
        rows.append((f"Place in {found.shuffles} other orders", f"#{place.mean:z.1f} ± {place.sd:z.1f}"))
        rows.append(("Same first answer", f"{100 * same:z.0f} %"))
        note = (
            "Only the order in which the candidates are listed was changed: a model that reads well does not mind it."
        )
    rows.append(("Training interactions", _interactions(answer.target)))
    pairs = [[tag("dt", name), tag("dd", value)] for name, value in rows]
    return join([tag("h2", "How sure is it? ", badge), tag("dl", pairs, class_="dr-pairs"),
                 tag("p", note, class_="dr-fine")])  # fmt: skip


def _interactions(item: Item) -> str:
    count = item.interactions
    if count is None:
        return "none: not in the catalogue"
    return f"{count}: hardly known" if count <= COLD else f"{count:,}"
