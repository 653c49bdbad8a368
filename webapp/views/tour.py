"""The tour in words: what the models are, three users, what to take from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.evaluate import Report
from engine.evaluate.people import Group
from engine.explain.report import ExplanationReport
from engine.labels import label
from webapp.html import Html, join, link, tag
from webapp.inspect.question import Question
from webapp.inspect.session import Standing
from webapp.inspect.subjects import Subjects
from webapp.inspect.views import answer as view
from webapp.inspect.views import history as history_view
from webapp.inspect.views import reasons as reasons_view
from webapp.inspect.views.buttons import asking
from webapp.inspect.views.pick import COUNTED, group_names
from webapp.shell import empty
from webapp.views import results as result_view
from webapp.words import plural

STEPS = 5
GROUPS: Mapping[int, Group] = {2: "both", 3: "only-model", 4: "only-teacher"}
"""Whom each step is about."""
NAMES = ("What this is", "Where both agree", "Where the language model wins", "Where the teacher wins", "What to take")


def head(subjects: Subjects, step: int) -> Html:
    """Which run, which step; all steps can be gone to."""
    run = subjects.run
    steps = [
        tag("li", asking(f"{number}. {name}", {"step": number}, aria_current="step" if number == step else None))
        for number, name in enumerate(NAMES, 1)
    ]
    return join(
        [
            tag("h1", "A tour of ", link(run.name, f"./run?id={run.id}"), class_="dr-title"),
            tag("nav", tag("ol", steps, class_="dr-steps"), aria_label="Steps of the tour"),
        ]
    )


def walk(step: int) -> Html:
    """To the neighbouring steps."""
    before = asking(f"← {NAMES[step - 2]}", {"step": step - 1}) if step > 1 else None
    after = asking(f"{NAMES[step]} →", {"step": step + 1}, class_="dr-next") if step < STEPS else None
    return tag("div", before, after, class_="dr-walk")


def beginning(subjects: Subjects) -> Html:
    """What teacher and language model are, and how often each is right."""
    model, teacher = label(subjects.told_row("")), label(subjects.teacher)
    users = len(subjects.users)
    lines = (
        f"{teacher} is a conventional recommender. It knows items by number only: which follows which, "
        "in the histories of many users.",
        "A language model knows titles, what they are about, and nothing of these users.",
        f"{model} puts both together: what {teacher} learned is distilled into a soft prompt of the language model, "
        "which is then fine-tuned with it in place.",
    )
    names = group_names(subjects)
    counts = {group: len(subjects.groups()[group]) for group in COUNTED}
    rows = [_count(names[group], count, users) for group, count in counts.items()]
    told = (
        f"Asked what {plural(users, 'user')} chose next, each model ordered the same "
        f"{subjects.config.data.candidates} candidates. Who put the right one first?"
    )
    return join(
        [
            _card(tag("h2", "Two kinds of recommenders, and one made of both"), tag("ul", [tag("li", x) for x in lines],
                  class_="dr-points")),
            _card(tag("h2", "How often each is right"), tag("p", told, class_="dr-hint"), tag("div", rows)),
        ]
    )  # fmt: skip


def _count(name: str, count: int, users: int) -> Html:
    share = 100 * count / max(1, users)
    bar = tag("span", tag("i", style=f"width:{share:.1f}%"), class_="dr-progress", aria_hidden="true")
    return tag("div", tag("span", name), bar, tag("b", f"{count}"), tag("small", f"{share:.0f} %"), class_="dr-count")


def nobody(subjects: Subjects, step: int) -> str:
    """Why a step has no user to show."""
    name = group_names(subjects)[GROUPS[step]]
    return f"“{name}”: this run has no such user. That is a result too; go on to the next step."


def person(subjects: Subjects, question: Question, standing: Standing, step: int) -> Html:
    """One user: what was watched, what each model says, why, what would change it, how sure it is."""
    history = subjects.history_of(question.user)
    answer = standing.answer
    if history is None or answer is None:
        return empty("Being measured", "The models are asked; the first answer loads them.")
    inspect = link("Open this user in Inspect", question.address(), class_="dr-button")
    parts: list[tuple[str, str, Html | None]] = [
        ("What happened before", _before(answer), history_view.cards(history, answer, frozen=True)),
        ("What each model would suggest", _suggested(answer, step),
         view.sides(answer, question, frozen=True)),
        ("Why", "Each title was left out in turn and the model asked again.",
         view.sentence(answer) if answer.summary else None),
        ("What would change it", "", reasons_view.smallest(answer, subjects.choice, frozen=True)),
        ("How far to trust it", "", reasons_view.confidence(answer)),
    ]  # fmt: skip
    there = [part for part in parts if part[2] is not None]
    drawn = [_told(number, *part) for number, part in enumerate(there, 1)]
    return join([drawn, tag("p", inspect, style="margin:14px 0")])


def _told(number: int, name: str, said: str, body: Html | None) -> Html:
    hint = tag("p", said, class_="dr-hint") if said else None
    return _card(tag("span", f"{number}. {name}", class_="dr-label"), hint, body)


def _before(answer: ExplanationReport) -> str:
    follows = "" if answer.chosen is None else f" What really came next: {answer.candidates[answer.chosen].title}."
    return f"The history of one real user, oldest first. Bars to the right speak for the recommendation.{follows}"


def _suggested(answer: ExplanationReport, step: int) -> str:
    column = answer.chosen
    if column is None:
        return ""
    placed = ", ".join(f"{label(rung.model)} puts it at #{rung.places[column]:g}" for rung in view.both(answer))
    said = {2: "Both find the right one", 3: "The language model sees it, the teacher does not",
            4: "The teacher sees it, the language model does not"}  # fmt: skip
    return f"{said[step]}: {placed}."


def end(subjects: Subjects, results: Mapping[str, Any]) -> Html:
    """What the figures say about all users, and where to go on."""
    report = Report.model_validate(results)
    run = subjects.run.id
    more = [
        link("Try titles of your own", f"./inspect?run={run}&titles="),
        link("Look at any user", f"./inspect?run={run}"),
        link("What was distilled, and how far to trust explanations", f"./pattern?run={run}"),
        link("All results of the run", f"./run?id={run}"),
        link("Compare with other runs", f"./compare?runs={run}"),
    ]
    told = "Three users are stories. These figures are about all users that were asked, with what chance leaves open:"
    return join(
        [
            _card(tag("h2", "What to take from it"), tag("p", told, class_="dr-hint"), result_view.verdicts(report)),
            _card(tag("h2", "Go on"), tag("div", more, class_="dr-facts")),
        ]
    )


def _card(*content: Html | None) -> Html:
    return tag("section", join(content), class_="dr-card")
