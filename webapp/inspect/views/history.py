"""The history as cards: what each title does to the recommendation, and how it can be changed."""

from __future__ import annotations

from collections.abc import Sequence

from engine.data.references import by_id
from engine.data.titles import as_displayed
from engine.explain.report import ExplanationReport
from engine.explain.report_parts import HistoryItem
from engine.labels import label, plural
from webapp.html import Html, join, tag
from webapp.inspect.charts import effect_bar
from webapp.inspect.question import Question
from webapp.inspect.subjects import HistoryEntry, ShownHistory
from webapp.inspect.views.buttons import asking, editing, finding
from webapp.layout import notice

MATTERS = 0.25
"""A title matters if its effect is at least this share of the strongest one's."""
OPERATOR = "delete"
"""Effects on the cards are those of leaving the title out."""
MEANING = (
    "Effect: what the recommended item's lead over the best other candidate loses when the title is left out, "
    "on each model's own scale. Bars are scaled by each model's strongest title."
)


def cards(history: ShownHistory, answer: ExplanationReport | None, *, frozen: bool = False) -> Html:
    """The titles in time order with their effects.

    Args:
        answer: the explanation; effects are those of the part ``effects``, or of ``summary`` until that is there.
        frozen: nothing can be changed, as in an exported file.
    """
    ours, theirs = effects_of(answer, len(history.read))
    names = _names(answer)
    items = [_card(number, entry, None, frozen) for number, entry in enumerate(history.older, 1)]
    for place, entry in enumerate(history.read):
        bars = _bars(place, ours, theirs, names)
        items.append(_card(len(history.older) + place + 1, entry, bars, frozen))
    return join(
        [
            tag("h2", "History, oldest first"),
            tag("p", _said(history), class_="dr-hint"),
            notice("warn", NOT_KNOWN) if items and not history.any_known else None,
            tag("ol", items, class_="dr-titles", data_history=True, aria_label="History, oldest first"),
        ]
    )


NOT_KNOWN = (
    "The catalogue has none of these titles, so the teacher has nothing to go by and no reasons can be measured. "
    "Add a title that it knows: suggestions come while you type."
)


def _said(history: ShownHistory) -> str:
    if not history.read:
        return "Nothing here yet. Add titles below, or paste a list."
    parts = [f"The language model reads the last {plural(len(history.read), 'title')}."] if history.older else []
    if history.hidden:
        parts.append(f"{plural(history.hidden, 'earlier title')} not shown; at most the teacher sees them.")
    if history.older:
        parts.append(f"The {len(history.older)} before are for the teacher alone.")
    return " ".join(parts) or "Both models read these titles."


def effects_of(answer: ExplanationReport | None, count: int) -> tuple[Sequence[float] | None, Sequence[float] | None]:
    """Effects by the row explained and by the one beside it of ``count`` titles, as far as they are known."""
    if answer is None:
        return None, None
    theirs: Sequence[float] | None
    if answer.effects is not None:
        found = answer.effects
        ours, theirs = found.model[OPERATOR].margin, found.beside[OPERATOR].margin
    elif answer.summary is not None:
        ours, theirs = tuple(item.effect for item in answer.summary.evidence.history), None
    else:
        return None, None
    fits = len(ours) == count
    return (ours, theirs) if fits else (None, None)


def _names(answer: ExplanationReport | None) -> tuple[str, str]:
    if answer is None:
        return "This row", "The other"
    return label(answer.run.model), label(answer.run.beside)


def _bars(
    place: int, ours: Sequence[float] | None, theirs: Sequence[float] | None, names: tuple[str, str]
) -> Html | None:
    if ours is None:
        return None
    largest = max(map(abs, ours))
    value = ours[place]
    bars = [effect_bar(value, largest, names[0])]
    if theirs is not None:
        bars.append(effect_bar(theirs[place], max(map(abs, theirs)), names[1]))
    return tag("div", tag("span", verdict(value, largest), class_="dr-sr"), bars, class_="dr-effects")


def verdict(value: float, largest: float) -> str:
    """What an effect means in words."""
    if not largest or abs(value) < MATTERS * largest:
        return "hardly matters"
    return "speaks for it" if value > 0 else "speaks against it"


def _card(number: int, entry: HistoryEntry, bars: Html | None, frozen: bool) -> Html:
    about = " · ".join(entry.genres)
    if entry.known and not as_displayed(entry.query, entry.title):
        about = f"{about}{' · ' if about else ''}typed “{entry.query}”"
    unknown = None
    if not entry.known:
        unknown = tag("span", "not in the catalogue, read by the language model only", class_="dr-mark-unknown")
    return tag(
        "li",
        tag("span", number, class_="dr-place", aria_hidden="true"),
        tag("div", tag("b", entry.title), tag("small", about) if about else None, unknown,
            None if frozen else _suggested(entry), class_="dr-what"),
        None if frozen else _tools(entry),
        bars,
        class_="dr-title-card",
        draggable=None if frozen else "true",
        data_entry=entry.asked,
    )  # fmt: skip


def _suggested(entry: HistoryEntry) -> Html | None:
    """What might have been meant: said unless the title is what was typed, and that of no other item."""
    if not entry.suggestions or (entry.known and not entry.alike and as_displayed(entry.query, entry.title)):
        return None
    buttons = [editing(it.title, "with", f"Take {it.title}", data_with=it.reference) for it in entry.suggestions]
    return tag("small", "Did you mean ", buttons, class_="dr-meant")


def _tools(entry: HistoryEntry) -> Html:
    return tag(
        "div",
        editing("↑", "up", f"Move {entry.title} up"),
        editing("↓", "down", f"Move {entry.title} down"),
        editing("⇄", "replace", f"Replace {entry.title}"),
        editing("×", "remove", f"Remove {entry.title}"),
        class_="dr-tools",
    )


def adding(question: Question) -> Html:
    """The field that adds a title, or replaces one."""
    return finding(question, "add", "Add a title", "Search the catalogue, or write any title")


def undo(question: Question) -> Html:
    """Back to the history as it was."""
    action = {"user": question.user, "group": question.group}
    return asking("Undo all changes", action, class_="dr-small-button") if question.edited else Html("")


def meaning(answer: ExplanationReport | None) -> Html:
    """What the numbers mean, and whether both models agree on them."""
    return join([tag("p", MEANING, class_="dr-fine"), _agreement(answer, _names(answer))]) if answer else Html("")


def _agreement(answer: ExplanationReport | None, names: tuple[str, str]) -> Html | None:
    if answer is None or answer.effects is None:
        return None
    value, badge = answer.effects.agreement[OPERATOR], answer.effects.agreement_sentence
    if value is not None and not badge:
        word = "agree" if value >= 0.5 else "agree in part" if value > 0 else "do not agree"
        badge = f"{names[0]} and {names[1]} {word} on which titles matter (rank correlation {value:+z.2f})."
    return tag("p", f"{badge} {answer.effects.note}", class_="dr-fine")


def awaited() -> Html:
    """What stands there for users whom the evaluation left out, until the first answer brings their titles."""
    text = "The evaluation left this user out; the titles come with the first answer."
    return join([tag("h2", "History, oldest first"), tag("p", text, class_="dr-hint")])


def asking_for(item: HistoryItem) -> str:
    """What asks for a title of an explanation's history again."""
    return by_id(item.raw_id) if item.known else str(item.query)


def of_answer(answer: ExplanationReport) -> ShownHistory:
    """The history of an explanation, for users about whom nothing is stored."""
    return ShownHistory(
        (),
        tuple(
            HistoryEntry(asking_for(item), item.query, item.title, item.year, tuple(item.genres), item.known)
            for item in answer.history
        ),
    )
