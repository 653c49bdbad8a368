"""Whose recommendation is looked at: a test user by what became of her, or titles of one's own."""

from __future__ import annotations

import random

from engine.evaluate.user_groups import GROUPS, UserGroup
from engine.labels import label
from engine.rows import comparison_row
from webapp.html import Html, join, link, tag
from webapp.inspect.question import Question
from webapp.inspect.subjects import Subjects
from webapp.inspect.views.buttons import asking
from webapp.layout import notice

MOST_LISTED = 2000
"""User ids that the field suggests."""
COUNTED: tuple[UserGroup, ...] = ("both", "only-model", "only-teacher", "none")


def rows(subjects: Subjects, question: Question) -> Html:
    """Which row of the results table is explained, and which one stands beside it."""
    row = subjects.row_of(question.model)
    beside = question.beside or comparison_row(subjects.config, row)

    def choice(name: str, words: str, chosen: str, others: list[str]) -> Html:
        options = [
            tag("option", label(it), value=it, selected=it == chosen)
            for it in others
        ]  # fmt: skip
        return tag("label", tag("span", words), tag("select", options, data_ask_value=name), class_="dr-rival")

    others = [it for it in subjects.rows if it != row]
    choices = [choice("model", "Explain", row, subjects.rows), choice("beside", "Beside", beside, others)]
    return join([tag("div", choices, class_="dr-rows"), tag("p", subjects.chosen.why, class_="dr-fine")])


def group_names(subjects: Subjects, model: str = "") -> dict[UserGroup, str]:
    """What people read for the groups."""
    model, teacher = label(subjects.told_row(model)), label(subjects.teacher)
    return {
        "both": "Both right",
        "only-model": f"Only {model}",
        "only-teacher": f"Only {teacher}",
        "none": "Neither right",
        "disagreement": "Largest disagreement",
        "cold": "Rare next item",
        "long": "Long history",
        "short": "Short history",
    }


def picker(subjects: Subjects, question: Question) -> Html:
    """The two ways in, and below them the one that is chosen."""
    own = question.own
    ways = tag(
        "div",
        asking("A test user", {"user": subjects.user_at(0), "group": ""}, aria_pressed=str(not own).lower()),
        asking("Your own titles", {"titles": [], "own": True}, aria_pressed=str(own).lower()),
        class_="dr-switch",
        role="group",
        aria_label="Whose history",
    )
    return join([tag("div", ways, class_="dr-pick-head"), _own(subjects) if own else _users(subjects, question)])


def _users(subjects: Subjects, question: Question) -> Html:
    names = group_names(subjects, question.model)
    chips = []
    for group in GROUPS:
        places = subjects.groups(question.model)[group]
        count = f" · {len(places)}" if group in COUNTED else ""
        action = {"user": subjects.user_at(int(places[0])) if len(places) else "", "group": group}
        chips.append(
            asking(
                f"{names[group]}{count}",
                action,
                class_="dr-chip dr-filter",
                disabled=not len(places),
                aria_pressed=str(group == question.group).lower(),
            )
        )
    anyone = random.choice(subjects.users)
    chips.append(asking("Random", {"user": anyone, "group": ""}, class_="dr-chip dr-filter"))
    listed = subjects.users if len(subjects.users) <= MOST_LISTED else []
    field = tag(
        "form",
        tag("label", "User", for_="inspect-user"),
        tag("input", id="inspect-user", name="user", value=question.user, list="inspect-users", autocomplete="off",
            maxlength=80),
        tag("datalist", [tag("option", value=user, label=subjects.user_labels(user)) for user in listed],
            id="inspect-users"),
        tag("button", "Show", type="submit"),
        data_user_form=True,
        class_="dr-user-form",
    )  # fmt: skip
    walk = _walk(subjects, question, names)
    hint = "First among the candidates counts as right. Choose by what became of the user's true next item:"
    return join(
        [
            tag("p", hint, class_="dr-hint"),
            tag("div", chips, class_="dr-chips", role="group", aria_label="Users by outcome"),
            tag("div", field, walk, class_="dr-walk"),
        ]
    )


def _walk(subjects: Subjects, question: Question, names: dict[UserGroup, str]) -> Html | None:
    """Where the user stands in the group by which she was found, with her neighbours."""
    group = next((group for group in GROUPS if group == question.group), None)
    place = subjects.place_in(group, question.user, question.model) if group else None
    if group is None or place is None:
        return None
    places = subjects.groups(question.model)[group]

    def neighbour(text: str, at: int) -> Html:
        there = 0 <= at < len(places)
        user = subjects.user_at(int(places[at])) if there else ""
        return asking(text, {"user": user, "group": group}, disabled=not there)

    place_text = f"{names[group]}: {place + 1} of {len(places)}"
    shown = tag("span", place_text, class_="dr-muted")
    return tag("span", neighbour("Previous", place - 1), shown, neighbour("Next", place + 1))


def _own(subjects: Subjects) -> Html:
    example = subjects.example()
    hint = (
        "Titles are matched forgivingly to the catalogue, oldest first. A title that it does not have is kept: "
        "the language model reads it all the same."
    )
    paste = tag(
        "form",
        tag("label", "Paste a list: a title per line, or parted by semicolons (in a title: \\;)", for_="inspect-paste"),
        tag("textarea", id="inspect-paste", name="text", rows=4, maxlength=60_000,
            placeholder="\n".join(entry.title for entry in example[:3])),
        tag("div", tag("button", "Use these titles", type="submit"),
            asking("Try an example", {"titles": [entry.asked for entry in example], "own": True}, disabled=not example),
            class_="dr-walk"),
        data_paste_form=True,
        class_="dr-paste",
    )  # fmt: skip
    return join([tag("p", hint, class_="dr-hint"), paste])


def head(subjects: Subjects, question: Question) -> Html:
    """The run, and what is asked of it."""
    run = subjects.run
    who = (
        "titles of your own"
        if question.own
        else f"user {subjects.user_labels(question.user)}"
        if question.user
        else "nobody yet"
    )
    if question.edited:
        who += ", history edited"
    facts = [
        tag("span", "Run ", link(run.name, f"./run?id={run.id}")),
        tag("span", who),
        link("Tour in five steps", f"./tour?run={run.id}"),
    ]
    missing = notice("warn", f"Titles are missing: {subjects.problem}.") if subjects.problem else None
    noted = notice("info", subjects.dataset.note) if subjects.dataset and subjects.dataset.note else None
    return join([tag("div", facts, class_="dr-facts"), missing, noted])
