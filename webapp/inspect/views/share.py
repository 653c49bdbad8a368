"""Around the answer: how far it is, what went wrong, what to take along."""

from __future__ import annotations

from urllib.parse import urlencode

from engine.labels import label
from jobs.records import AnswerProgress
from webapp.html import Html, join, link, tag
from webapp.inspect.question import Question
from webapp.inspect.session import NAMES, QuestionState
from webapp.inspect.views.buttons import asking
from webapp.layout import empty, notice
from webapp.views.run import NO_WORKER

MARKS = {"done": ("✓", "done"), "running": ("●", "under way"), "queued": ("○", "next"), "absent": ("○", "to come"),
         "failed": ("✗", "failed"), "stopped": ("■", "stopped")}  # fmt: skip


def progress(standing: QuestionState, idle: bool) -> Html:
    """Which parts are there and which to come; nothing once all are there."""
    if not standing.pending:
        return Html("")
    done = sum(standing.has(part) for part in standing.parts)
    under_way = standing.under_way
    now = f" Now: {NAMES[under_way[0]]}." if under_way else ""
    first = " The first answer loads the models." if not done else ""
    chips = [_chip(NAMES[part], standing.state(part)) for part in standing.parts]
    return join(
        [
            notice("warn", NO_WORKER) if idle else None,
            tag("div", tag("p", f"Measured {done} of {len(standing.parts)}.{now}{first}", role="status"),
                tag("ul", chips, class_="dr-chips"), class_="dr-measuring"),
        ]
    )  # fmt: skip


def _chip(name: str, state: str) -> Html:
    mark, word = MARKS[state]
    read = tag("span", f", {word}", class_="dr-sr")
    return tag("li", tag("span", mark, aria_hidden="true"), f" {name}", read, class_=f"dr-chip dr-{state}")


def failures(standing: QuestionState) -> Html:
    """Why parts are missing, each cause once, and the way to ask again."""
    causes: dict[str, list[str]] = {}
    for part in standing.failed:
        known = standing.known[part]
        why = known.error or "it failed"
        causes.setdefault(f"{why} — {known.remedy}" if known.remedy else why, []).append(NAMES[part])
    return join(
        [
            notice("bad", cause if standing.stuck else f"No {', '.join(names)}: {cause}", " ",
                   asking("Ask again", {"again": True}, class_="dr-small-button"))
            for cause, names in causes.items()
        ]
    )  # fmt: skip


def waiting(question: Question) -> Html:
    """What stands in the place of the rankings."""
    if not question.complete:
        return empty("No titles yet", "Add a title, or try the example: both models answer at once.")
    return tag("div", [tag("i") for _ in range(6)], class_="dr-skeleton", role="status", aria_label="Being ranked")


def nothing() -> Html:
    """What stands there where even the ranking failed; why is said above."""
    return empty("No ranking", "What is missing is said above. Choose another user, or give titles of your own.")


def suggestions(found: AnswerProgress) -> Html:
    """Recommendations without reasons."""
    if found.state == "failed":
        return notice("bad", f"{found.error} — {found.remedy}")
    if (answer := found.answer) is None:
        return notice("info", "What the models suggest nevertheless is being asked …")
    lists = [answer["teacher"], *([answer["llm"]] if answer["llm"] else [])]
    columns = [
        tag(
            "section",
            tag("b", f"{label(ranked['model'])} would suggest"),
            tag("ol", [tag("li", item["title"]) for item in ranked["items"]]),
        )
        for ranked in lists
    ]
    return join([[notice("warn", note) for note in answer["notes"]], tag("div", columns, class_="dr-lists")])


def share(question: Question, standing: QuestionState) -> Html:
    """Links to what can be taken along."""
    query = urlencode(question.query())
    text = (
        "The address of this page reproduces the view. The file is complete in itself and needs no network."
        if not standing.pending
        else "What is being measured is not in the files yet."
    )
    return tag(
        "div",
        tag("b", "Take it along"),
        link("Report (HTML)", f"./-/inspect.html?{query}", download=True, id="share-html"),
        link("Data (JSON)", f"./-/inspect.json?{query}", download=True, id="share-json"),
        tag("button", "Copy the address", type="button", data_copy_address=True),
        link("How far to trust explanations of this run", f"./pattern?{urlencode({'run': question.run})}"),
        tag("span", text, class_="dr-muted"),
        class_="dr-facts dr-share-line",
    )
