"""Pieces of the page *Data*: the list, a data set in figures, what cleaning took, the first rows of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from engine import datasets
from engine.data.cleaning import STEP_NAMES
from engine.data.listing import Listed
from engine.data.remote import readable_size as sized
from engine.labels import plural
from jobs.records import Run
from webapp.html import Html, join, link, tag
from webapp.layout import notice, tiles
from webapp.views.run import pairs

STATES = {
    "here": ("done", "Here"),
    "built in": ("done", "Built in"),
    "fetched when needed": ("queued", "To fetch"),
    "not here": ("queued", "Not here"),
    "your files": ("queued", "Your files"),
    "damaged": ("failed", "Damaged"),
}
"""Colour and word of each state."""
MOST_NAMED, MOST_HEAD = 5, 60
"""Runs that are named, and characters of a column's name."""


def address(name: str, category: str | None = None) -> str:
    """Where a data set, or a part of it, is shown, relative to any page."""
    return f"./data?{urlencode({'dataset': name} | ({'category': category} if category else {}))}"


def launched_on(name: str, category: str | None = None) -> str:
    """Where a run on it is launched."""
    chosen = [f"data.dataset={name}"] + ([f"data.category={category}"] if category else [])
    return f"./?{urlencode([('set', setting) for setting in chosen])}"


def listing(rows: Sequence[Listed]) -> Html:
    """All data sets, those that people brought first."""
    ordered = sorted(rows, key=lambda row: (not row.imported, row.state not in ("here", "built in")))
    heads = [tag("th", text, scope="col") for text in ("Data set", "State", "Terms")]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", map(_row, ordered)), class_="dr-table dr-stacked")
    return tag("div", table, class_="dr-scroll", tabindex=0, role="region", aria_label="Data sets")


def _row(row: Listed) -> Html:
    about = row.about if row.state != "damaged" else f"{row.about}: {row.where}"
    cells = [
        tag("td", link(row.name, address(row.name)), tag("small", about), class_="dr-run-name"),
        tag("td", badge(row), class_="dr-state"),
        tag("td", row.licence or "–", class_="dr-terms", data_label="Terms"),
    ]
    return tag("tr", cells, data_dataset=row.name, data_state=row.state)


def badge(row: Listed) -> Html:
    """Whether it is here, in words and colour."""
    colour, word = STATES[row.state]
    return tag("span", word, class_=f"dr-badge dr-{colour}")


def head(row: Listed, made: Sequence[Run], category: str = "") -> Html:
    """Name, state, what it is, and the runs that were made on it."""
    facts = [tag("span", f"terms: {row.licence}")] if row.licence else []
    if row.state in ("here", "built in"):
        facts.append(link("Launch a run on it", launched_on(row.name, category)))
    facts.append(link("All data sets", "./data"))
    missing = row.state in ("not here", "your files", "damaged")
    return join(
        [
            tag("div", tag("h1", row.name), badge(row), class_="dr-head"),
            tag("p", row.about, class_="dr-lead"),
            _parts(row, category) if row.parts_here else None,
            tag("div", facts, class_="dr-facts"),
            tag("div", notice("info", f"To have it here: {row.where}."), style="margin-top:10px") if missing else None,
            tag("p", "Runs on it: ", _runs(made), class_="dr-muted", style="margin-top:6px") if made else None,
        ]
    )


def _parts(row: Listed, category: str) -> Html:
    """Those that are here, the one shown marked."""
    links = [
        link(part.replace("_", " "), address(row.name, part), class_="dr-chip dr-filter",
             aria_current="true" if part == category else None)
        for part in row.parts_here
    ]  # fmt: skip
    return tag("nav", links, class_="dr-chips", aria_label="Parts that are here")


def offers(value: Mapping[str, Any], row: Listed) -> Html:
    """What would be fetched, before it is."""
    head = tag("thead", tag("tr", [tag("th", "File", scope="col"), tag("th", "Size", scope="col", class_="dr-number")]))
    rows = [
        tag("tr", tag("th", offer["name"], tag("small", offer["url"]), scope="row"),
            tag("td", "unknown" if offer["size"] is None else sized(offer["size"]), class_="dr-number"))
        for offer in value["files"]
    ]  # fmt: skip
    files = tag("table", head, tag("tbody", rows), class_="dr-table dr-steps") if rows else None
    size = value["size"] or "files of unknown size"
    return join([files, notice("warn", f"Fetch {size}? Terms: {row.licence}.")])


def head_of_run(run: Run) -> Html:
    """What is shown is what a run was made with."""
    name = run.config["data"]["dataset"]
    now = datasets.current(name) or name
    called = name if now == name else f"{now} (called {name} when the run was made)"
    facts = [link(f"The run {run.name}", f"./run?id={run.id}"), link("All data sets", "./data")]
    return join(
        [
            tag("div", tag("h1", f"Data of {run.name}"), class_="dr-head"),
            tag("p", f"{called}, read and cleaned by the settings of the run.", class_="dr-lead"),
            tag("div", facts, class_="dr-facts"),
        ]
    )


def _runs(made: Sequence[Run]) -> list[Html | str]:
    parts: list[Html | str] = []
    for run in made[:MOST_NAMED]:
        parts += [", " if parts else "", link(run.name, f"./run?id={run.id}")]
    more = len(made) - MOST_NAMED
    return [*parts, f" and {more} more"] if more > 0 else parts


def question(name: str, made: Sequence[Run]) -> Html:
    """What deleting means, before it is done."""
    if not made:
        return notice("warn", f"Delete {name} with its files? No run was made on it. This cannot be undone.")
    text = (
        f"Delete {name} with its files? {plural(len(made), 'run')} {'was' if len(made) == 1 else 'were'} made on it: "
    )
    then = (
        ". Their results stay; they can be neither inspected nor resumed until the same files are imported under this "
        "name again, which their fingerprint tells."
    )
    return notice("warn", tag("span", text, _runs(made), then))


def figures(description: Mapping[str, Any], note: str = "") -> Html:
    """A data set in tiles, what each step of the cleaning took, and the rest in lines."""
    history, cleaning = description["history"], description["cleaning"]
    figures = (
        ("Users", f"{description['users']:,}", f"history of {history['least']:g} to {history['most']:g} items"),
        ("Items", f"{description['items']:,}", f"{description['look_alikes']:,} displayed like another"),
        ("Interactions", f"{description['interactions']:,}", f"{_percent(description['density'])} of all pairs"),
        ("History", f"{history['median']:g}", f"items in the median, {history['mean']:.1f} in the mean"),
        ("Rare targets", _percent(description["rare_targets"]), "of last items are in training fewer than 5 times"),
        ("Ties", _percent(description["tie_share"]), "of neighbouring interactions share a timestamp"),
        ("Tied targets", _percent(description["test_tie_share"]), "of last items tie with the one before"),
        ("Titles", f"{description['items'] - description['untitled']:,}",
         f"{description['untitled']:,} shown by their id; the longest of {description['longest_title']:,} characters"),
    )  # fmt: skip
    texts = f"genres or categories of {description['with_genres']:.0%}, brands or authors of "
    more = {
        "source": description["source"],
        "terms": description["licence"],
        "texts": f"{texts}{description['with_brand']:.0%}",
        "fingerprint": description["fingerprint"],
        "read": "; ".join(cleaning.get("notes", ())) or "as it is",
    }
    return join(
        [
            notice("info", note) if note else None,
            tiles(figures, "dr-eight"),
            steps(cleaning),
            pairs(more),
        ]
    )


def steps(cleaning: Mapping[str, Any]) -> Html:
    """Rows in the files, what each step took, what is left."""
    if not cleaning:
        return Html()
    few = f"{STEP_NAMES['few']} (under {cleaning['users_at_least']} a user, {cleaning['items_at_least']} an item)"
    taken = [
        (few if kind == "few" else meaning, cleaning["dropped"][kind])
        for kind, meaning in STEP_NAMES.items()
        if kind in cleaning["dropped"]
    ]
    kept = cleaning["rows"] - sum(step["interactions"] for _, step in taken)
    rows = [("In the files", cleaning["rows"], "")]
    for meaning, step in taken:
        also = [f"{step[name]:,} {name}" for name in ("users", "items") if step[name]]
        rows.append((f"Dropped: {meaning}", -step["interactions"], " and ".join(also)))
    rows.append(("Used", kept, "" if taken else "nothing was dropped"))
    drawn = [
        tag("tr", tag("th", name, tag("small", words) if words else None, scope="row"),
            tag("td", f"{count:,}".replace("-", "−"), class_="dr-number"))
        for name, count, words in rows
    ]  # fmt: skip
    head = tag(
        "thead", tag("tr", tag("th", "Cleaning", scope="col"), tag("th", "rows", scope="col", class_="dr-number"))
    )
    return tag("table", head, tag("tbody", drawn), class_="dr-table dr-steps", data_steps=True)


def first_rows(tables: Sequence[Mapping[str, Any]]) -> Html:
    """The beginning of each file; columns with a role say it."""
    return join([_table(table) for table in tables])


def _table(table: Mapping[str, Any]) -> Html:
    meaning: dict[str, list[str]] = {}
    for role, column in table["roles"].items():
        meaning.setdefault(column, []).append(role)
    heads = []
    for name in table["columns"]:
        roles = meaning.get(name, [])
        roles_text = tag("small", ", ".join(roles)) if roles not in ([], [name]) else None
        heads.append(tag("th", name[:MOST_HEAD] or "–", roles_text, scope="col", class_="dr-known" if roles else None))
    rows = [tag("tr", [tag("td", cell) for cell in row]) for row in table["rows"]]
    drawn = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="dr-table dr-first-rows")
    return tag(
        "section",
        tag("p", table["file"], class_="dr-label"),
        tag("div", drawn, class_="dr-scroll", tabindex=0, role="region", aria_label=f"First rows of {table['file']}"),
        data_file=table["file"],
    )


def imported(named: Mapping[str, Any]) -> Html:
    """What was kept, and what to do with it."""
    counted = f"{plural(named['rows'], 'row')} of {plural(named['items'], 'item')} by {plural(named['users'], 'user')}"
    name = str(named["name"])
    return notice(
        "ok",
        tag("span", f"Imported as {name}: {counted}. ", link("Look at it", address(name)), " or ",
            link("launch a run on it", launched_on(name)), "."),
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
