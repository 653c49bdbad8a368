"""The tour in words: what the models are, three users, what to take from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from engine.evaluate import Report
from engine.explain.report import ExplanationReport
from engine.labels import ended, label, plural
from webapp.html import Html, join, link, tag
from webapp.inspect.question import Question
from webapp.inspect.subjects import Subjects
from webapp.inspect.views import answer as view
from webapp.inspect.views import history as history_view
from webapp.inspect.views import reasons as reasons_view
from webapp.inspect.views import words as words_view
from webapp.inspect.views.buttons import asking
from webapp.inspect.views.pick import COUNTED, group_names
from webapp.inspect.views.titles import readable
from webapp.layout import empty
from webapp.tour_stops import STEPS, TRIED, WRONG, Stop
from webapp.views import results as result_view


def names(subjects: Subjects) -> tuple[str, ...]:
    """What the steps are called."""
    model = label(subjects.told_row(""))
    return "What this is", f"{model} is right, and why", "Right once more", "Where it is wrong", "What to take"


def head(subjects: Subjects, step: int) -> Html:
    """Which run, which step; all steps can be gone to."""
    run = subjects.run
    steps = [
        tag("li", asking(f"{number}. {name}", {"step": number}, aria_current="step" if number == step else None))
        for number, name in enumerate(names(subjects), 1)
    ]
    return join(
        [
            tag("h1", "A tour of ", link(run.name, f"./run?id={run.id}"), class_="dr-title"),
            tag("nav", tag("ol", steps, class_="dr-steps"), aria_label="Steps of the tour"),
        ]
    )


def walk(subjects: Subjects, step: int, unfinished: bool) -> Html:
    """To the neighbouring steps, and the whole tour to take along."""
    named = names(subjects)
    before = asking(f"← {named[step - 2]}", {"step": step - 1}, class_="dr-back") if step > 1 else None
    after = asking(f"{named[step]} →", {"step": step + 1}, class_="dr-next") if step < STEPS else None
    query = urlencode({"run": subjects.run.id})
    file = link("The tour as one file (HTML)", f"./-/tour.html?{query}", download=True, id="tour-file")
    missing = " Users who are still measured are not in it yet." if unfinished else ""
    note = tag("span", f"For reading without this app, and for printing.{missing}", class_="dr-muted")
    return join([tag("div", before, after, class_="dr-walk"), tag("p", file, " ", note, class_="dr-take")])


def beginning(subjects: Subjects) -> Html:
    """What teacher and language model are, and how often each is right."""
    model, teacher = label(subjects.told_row("")), label(subjects.teacher)
    users = len(subjects.users)
    lines = (
        f"{teacher} is a conventional recommender. It knows items by number only: which follows which, "
        "in the histories of many users.",
        "A language model knows titles, what they are about, and nothing of these users.",
        f"{label('delrec')} puts both together: what {teacher} learned is distilled into a soft prompt of the language "
        "model, which is then fine-tuned with it in place.",
        *((f"{model}, shown here, adds up what several of them say.",) if model == label("delrec-plus") else ()),
    )
    names = group_names(subjects)
    counts = {group: len(subjects.groups()[group]) for group in COUNTED}
    rows = [_count(names[group], count, users) for group, count in counts.items()]
    text = (
        f"Asked what {plural(users, 'user')} chose next, each model ordered the same "
        f"{subjects.config.data.candidates} candidates. Who put the right one first?"
    )
    return join(
        [
            _card(tag("h2", "Two kinds of recommenders, and one made of both"), tag("ul", [tag("li", x) for x in lines],
                  class_="dr-points")),
            _card(tag("h2", "How often each is right"), tag("p", text, class_="dr-hint"), tag("div", rows)),
        ]
    )  # fmt: skip


def _count(name: str, count: int, users: int) -> Html:
    share = 100 * count / max(1, users)
    bar = tag("span", tag("i", style=f"width:{share:.1f}%"), class_="dr-progress", aria_hidden="true")
    return tag("div", tag("span", name), bar, tag("b", f"{count}"), tag("small", f"{share:.0f} %"), class_="dr-count")


def nobody(step: int) -> str:
    """Why a step has no user to show."""
    whom = "one whom it is wrong about" if step == WRONG else "a further one whom it is right about"
    return f"This run has no user for this step, {whom}. That is a result too; go on to the next step."


def looking(stop: Stop) -> Html:
    """What stands there until a user with clear reasons is found."""
    text = f"User {stop.tried + 1} of at most {TRIED} is asked for reasons that carry the recommendation."
    return empty("Looking for a user with clear reasons", text)


def person(
    subjects: Subjects, question: Question, answer: ExplanationReport | None, step: int, *, frozen: bool = False
) -> Html:
    """One user: what was watched, what each row says, why, in whose words, what would change it, how sure it is.

    Args:
        frozen: without anything to press.
    """
    history = subjects.history_of(question.user)
    if history is None or answer is None:
        return empty("Being measured", "The models are asked; the first answer loads them.")
    parts: list[tuple[str, str, Html | None]] = [
        ("What happened before", _before(answer), history_view.cards(history, answer, frozen=True)),
        ("What each row would suggest", "", view.sides(answer, question, frozen=True)),
        ("Why", "Each title was left out in turn and the model asked again.",
         view.sentence(answer) if answer.summary else None),
        ("In the model's own words, checked", "Written from these measurements after the fact, then checked against "
         "them sentence by sentence.", words_view.checked(answer)),
        ("What would change it", "", reasons_view.smallest(answer, subjects.choice, frozen=True)),
        ("How far to trust it", "", reasons_view.confidence(answer)),
    ]  # fmt: skip
    there = [part for part in parts if part[2] is not None]
    drawn = [_told(number, *part) for number, part in enumerate(there, 1)]
    inspect = link("Open this user in Inspect", question.address(), class_="dr-button")
    return join(
        [
            tag("p", readable(_outcome(answer, step), answer), class_="dr-sentence"),
            drawn,
            None if frozen else tag("p", inspect, style="margin:14px 0"),
        ]
    )


def _told(number: int, name: str, text: str, body: Html | None) -> Html:
    hint = tag("p", text, class_="dr-hint") if text else None
    return _card(tag("span", f"{number}. {name}", class_="dr-label"), hint, body)


def _before(answer: ExplanationReport) -> str:
    follows = (
        "" if answer.chosen is None else ended(f" What really came next: {answer.candidates[answer.chosen].title}")
    )
    return f"The history of one real user, oldest first. Bars to the right speak for the recommendation.{follows}"


def _outcome(answer: ExplanationReport, step: int) -> str:
    """Whether the row that is explained was right."""
    row, column = answer.answer, answer.chosen
    if column is None:
        return f"{label(row.model)} puts {answer.title(row.top)} first."
    place, chosen = row.places[column], answer.candidates[column].title
    comparison = ""
    if answer.beside is not None:
        theirs = answer.beside.places[column]
        too = ", too" if place == theirs == 1 else ""
        comparison = f" {label(answer.beside.model)} puts it at #{theirs:g}{too}."
    if place == 1:
        return f"{label(row.model)} puts {chosen} first, and that is what this user really chose next.{comparison}"
    lost = "wrong here" if step == WRONG else "not right here"
    return (
        f"{label(row.model)} is {lost}: it puts {answer.title(row.top)} first. The user really chose {chosen} next, "
        f"which it puts at #{place:g}.{comparison}"
    )


def end(subjects: Subjects, results: Mapping[str, Any], *, frozen: bool = False) -> Html:
    """What the figures say about all users, and where to go on.

    Args:
        frozen: without anything to press.
    """
    report = Report.model_validate(results)
    run = subjects.run.id
    more = [
        link("Try titles of your own", f"./inspect?run={run}&titles="),
        link("Look at any user", f"./inspect?run={run}"),
        link("What was distilled, and how far to trust explanations", f"./pattern?run={run}"),
        link("All results of the run", f"./run?id={run}"),
        link("Compare with other runs", f"./compare?runs={run}"),
    ]
    text = "Three users are stories. These figures are about all users that were asked, with what chance leaves open:"
    return join(
        [
            _card(tag("h2", "What to take from it"), tag("p", text, class_="dr-hint"), result_view.verdicts(report)),
            None if frozen else _card(tag("h2", "Go on"), tag("div", more, class_="dr-facts")),
        ]
    )


def _card(*content: Html | None) -> Html:
    return tag("section", join(content), class_="dr-card")
