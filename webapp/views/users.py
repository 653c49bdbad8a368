"""The users of one run: what they watched, what came next, where each model ranked it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from db.runs import Run
from engine.evaluate.users import UserRow
from engine.labels import label
from webapp.html import Html, join, link, tag
from webapp.shell import empty
from webapp.views.compare import OUTCOMES, scrolled, users_address
from webapp.words import plural

Title = Callable[[int], str]


def head(run: Run, teacher: str, model: str) -> Html:
    """Which run and models."""
    text = (
        f"Test users, by whether {label(teacher)} and {label(model)} put the true next item first among the candidates."
    )
    return join([tag("h1", "Users of ", link(run.name, f"./run?id={run.id}"), class_="dr-title"),
                 tag("p", text, class_="dr-lead")])  # fmt: skip


def filters(run_id: str, model: str, outcome: str, counts: Mapping[str, int]) -> Html:
    """Links to the users of each outcome, and to all."""
    entries = {"": "All", **OUTCOMES}
    numbers = {"": sum(counts.values()), **counts}
    links = [
        link(f"{words} · {numbers[key]}", users_address(run_id, model, key), class_="dr-chip dr-filter",
             aria_current="true" if key == outcome else None)
        for key, words in entries.items()
    ]  # fmt: skip
    return tag("nav", links, class_="dr-chips", aria_label="Outcomes")


def table(
    run_id: str, rows: Sequence[UserRow], title: Title, models: Sequence[str], shown: Callable[[str], str]
) -> Html:
    """One line per user, who is called as ``shown`` says; it leads to the reasons."""
    if not rows:
        return empty("No such users", "Every outcome is listed above with its number of users.")
    heads = [tag("th", text, scope="col") for text in ("User", "History, oldest first", "True next item")]
    heads += [tag("th", label(model), tag("small", "rank"), scope="col", class_="dr-number") for model in models]
    lines = [_line(run_id, row, title, models, shown(row.user_id)) for row in rows]
    return scrolled("Users", tag("thead", tag("tr", heads)), tag("tbody", lines), class_="dr-users")


def _line(run_id: str, row: UserRow, title: Title, models: Sequence[str], user: str) -> Html:
    ranks = [
        tag("td", _rank(row.ranks[model][0]), tag("small", f"{_rank(row.ranks[model][1])} of all"),
            class_="dr-number dr-best" if row.ranks[model][0] == 1 else "dr-number", data_label=label(model))
        for model in models
    ]  # fmt: skip
    why = link("Why?", f"./inspect?{urlencode({'run': run_id, 'user': row.user_id})}",
               aria_label=f"Inspect user {user}")  # fmt: skip
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


def pager(run_id: str, model: str, outcome: str, page: int, pages: int, total: int) -> Html:
    """Where we are among the pages, with links to the neighbours."""
    before = link("Previous", users_address(run_id, model, outcome, page - 1)) if page > 1 else None
    after = link("Next", users_address(run_id, model, outcome, page + 1)) if page < pages else None
    said = f"page {page} of {pages}, {plural(total, 'user')}" if total else ""
    return tag(
        "nav", before, tag("span", said, class_="dr-muted"), after, class_="dr-facts", aria_label="Pages of users"
    )
