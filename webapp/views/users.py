"""The users of one run: what they watched, what came next, where each model ranked it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from engine.evaluate.breakdown import KINDS
from engine.evaluate.users import UserRow
from engine.labels import label, plural
from jobs.records import Run
from webapp.html import Html, join, link, tag
from webapp.layout import empty
from webapp.views.compare import OUTCOMES, scrolled, users_address

Title = Callable[[int], str]


def head(run: Run, teacher: str, model: str) -> Html:
    """Which run and models."""
    text = (
        f"Test users, by whether {label(teacher)} and {label(model)} put the true next item first among the candidates."
    )
    return join([tag("h1", "Users of ", link(run.name, f"./run?id={run.id}"), class_="dr-title"),
                 tag("p", text, " ", link("What drives each row", "#drivers-card"), class_="dr-lead")])  # fmt: skip


@dataclass(frozen=True)
class UserQuery:
    """Which users are listed."""

    run: str
    model: str
    outcome: str = ""
    part: str = ""
    """Kind and name of a slice, joined by a colon; everybody if empty."""

    def address(self, page: int = 1, **changes: str) -> str:
        """Where they are found, relative to any page."""
        other = replace(self, **changes)
        return users_address(other.run, other.model, other.outcome, page, other.part)


def filters(asked: UserQuery, models: Sequence[str], counts: Mapping[str, int], parts: Mapping[str, int]) -> Html:
    """Links to other rows of the table, to the users of each outcome, and of each slice.

    Args:
        models: rows that can be held against the teacher.
        counts: users of the slice by outcome.
        parts: users with the outcome by slice, named by kind and name joined by a colon.
    """

    def chips(name: str, entries: Iterable[tuple[str, str, bool]]) -> Html:
        drawn = [link(words, there, class_="dr-chip dr-filter", aria_current="true" if now else None)
                 for words, there, now in entries]  # fmt: skip
        return tag("nav", tag("span", name, class_="dr-label"), drawn, class_="dr-chips", aria_label=name)

    outcomes = {"": sum(counts.values()), **counts}
    named = {"": "All", **OUTCOMES}
    sliced = [
        chips(words, [(f"{part.removeprefix(f'{by}:')} · {users}", asked.address(part=part), part == asked.part)
                      for part, users in parts.items() if part.startswith(f"{by}:") and users])
        for by, words in KINDS.items()
        if parts
    ]  # fmt: skip
    everybody = chips("Slice", [("Everybody", asked.address(part=""), not asked.part)]) if asked.part else None
    return join(
        [
            chips("Row", [(label(row), asked.address(model=row), row == asked.model) for row in models]),
            chips("Outcome", [(f"{named[key]} · {users}", asked.address(outcome=key), key == asked.outcome)
                              for key, users in outcomes.items()]),
            everybody,
            tag("details", tag("summary", "By slice of the users"), sliced, class_="dr-more", open=bool(asked.part))
            if sliced else None,
        ]
    )  # fmt: skip


def table(
    asked: UserQuery, rows: Sequence[UserRow], title: Title, models: Sequence[str], shown: Callable[[str], str]
) -> Html:
    """One line per user, who is called as ``shown`` says; it leads to the reasons."""
    if not rows:
        return empty("No such users", "Every outcome is listed above with its number of users.")
    heads = [tag("th", text, scope="col") for text in ("User", "History, oldest first", "True next item")]
    heads += [tag("th", label(model), tag("small", "rank"), scope="col", class_="dr-number") for model in models]
    lines = [_line(asked, row, title, models, shown(row.user_id)) for row in rows]
    return scrolled("Users", tag("thead", tag("tr", heads)), tag("tbody", lines), class_="dr-users")


def _line(asked: UserQuery, row: UserRow, title: Title, models: Sequence[str], user: str) -> Html:
    ranks = [
        tag("td", _rank(row.ranks[model][0]), tag("small", f"{_rank(row.ranks[model][1])} of all"),
            class_="dr-number dr-best" if row.ranks[model][0] == 1 else "dr-number", data_label=label(model))
        for model in models
    ]  # fmt: skip
    there = urlencode({"run": asked.run, "user": row.user_id, "model": asked.model})  # the row that the list is about
    why = link("Why?", f"./inspect?{there}", aria_label=f"Inspect user {user}")
    history = " · ".join(title(item) for item in row.history)
    return tag(
        "tr",
        tag("th", user, tag("small", why), scope="row"),
        tag("td", history, class_="dr-history", data_label="History, oldest first"),
        tag("td", tag("b", title(row.target)), class_="dr-target", data_label="True next item"),
        ranks,
        data_user=row.user_id,
    )


def _rank(rank: float) -> str:
    return f"#{rank:,.0f}" if rank == int(rank) else f"#{rank:,.1f}"


def pager(asked: UserQuery, page: int, pages: int, total: int) -> Html:
    """Where we are among the pages, with links to the neighbours."""
    before = link("Previous", asked.address(page - 1)) if page > 1 else None
    after = link("Next", asked.address(page + 1)) if page < pages else None
    text = f"page {page} of {pages}, {plural(total, 'user')}" if total else ""
    return tag(
        "nav", before, tag("span", text, class_="dr-muted"), after, class_="dr-facts", aria_label="Pages of users"
    )
