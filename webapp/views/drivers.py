"""Which kinds of reasons drive each row of a run, and what the stages changed: figure, sentences, tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.labels import label, listed, plural
from engine.metrics.bootstrap import Interval
from webapp.charts import GREY, PALETTE, PlotlyFigure, brief, dress, plain, whiskers
from webapp.html import Html, join, tag
from webapp.views.compare import scrolled

NOTHING = tag("td", "–", class_="dr-number dr-muted")
DriverFigures = Mapping[str, float]


def figures(found: Mapping[str, Any], key: str) -> list[tuple[str, PlotlyFigure]]:
    """A chart per kind: each row's share of reasons of that kind, and of the history's titles, with intervals."""
    shares = {row: it["kinds"] for row, it in found["rows"].items() if it["kinds"]}
    if not shares:
        return []
    return [
        (_heading(kind), _figure({row: kinds[name] for row, kinds in shares.items()}, f"{key}/{name}"))
        for name, kind in found["kinds"].items()
    ]


def _figure(rows: Mapping[str, Mapping[str, DriverFigures]], key: str) -> PlotlyFigure:
    """One line per row of the table, first on top."""
    styles = {
        "share": ("of the reasons", {"size": 10, "color": PALETTE[0]}),
        "control": ("of the history anyway", {"size": 9, "color": GREY, "symbol": "diamond-open"}),
    }
    shift = {"share": -0.12, "control": 0.12}
    traces = []
    for side, (name, marker) in styles.items():
        values = [Interval(**it[side]) for it in rows.values()]
        traces.append(
            {
                "type": "scatter",
                "x": [it.value for it in values],
                "y": [place + shift[side] for place in range(len(values))],
                "text": [plain(label(row)) for row in rows],
                "name": name,
                "mode": "markers",
                "marker": marker,
                "error_x": whiskers(values),
                "customdata": [[it.low, it.high] for it in values],
                "hovertemplate": "%{x:.0%} [%{customdata[0]:.0%}, %{customdata[1]:.0%}]<extra>%{text}</extra>",
            }
        )
    names = {
        "range": [len(rows) - 0.5, -0.5],
        "tickvals": list(range(len(rows))),
        "ticktext": [brief(label(row)) for row in rows],
        "automargin": True,
        "showgrid": False,
    }
    xaxis = {"range": [-0.03, 1.03], "tickvals": [0, 0.5, 1], "tickformat": ".0%", "tickangle": 0}
    xaxis |= {"showgrid": True, "gridcolor": GREY}
    height = 100 + 30 * len(rows)
    return dress(traces, key, "share", legend=True, height=height, hovermode="closest", xaxis=xaxis, yaxis=names)


def summary(found: Mapping[str, Any]) -> Html:
    """What drives each row, in a sentence, and how it was measured."""
    rows = found["rows"]
    lines = [tag("li", tag("b", f"{label(row)}: "), it["sentence"]) for row, it in rows.items()]
    users = {it["users"] for it in rows.values() if it["kinds"]}
    fewer = f" ({min(users)} to {max(users)} of them, for whom a title speaks for it)" if users else ""
    how = (
        f"{plural(found['users'], 'test user')}, always the same{fewer}. Each title of a history is "
        "left out by itself; of what that takes from the lead of a row's own first candidate, so much falls to titles "
        "of a kind (dots). Beside it stands how much of the history is of that kind anyway (diamonds), with 95 % "
        "intervals over users. A title may be of several kinds."
    )
    missing = f"Not told apart, as the data set has no {listed(found['lacks'])}." if found["lacks"] else None
    return join(
        [
            tag("ul", lines, style="margin:0"),
            tag("p", how, class_="dr-fine"),
            tag("p", missing, class_="dr-fine") if missing else None,
        ]
    )


def definitions(found: Mapping[str, Any]) -> Html:
    """What makes a title one of a kind."""
    lines = [tag("li", tag("b", f"{_heading(kind)}: "), f"{kind['meaning']}.") for kind in found["kinds"].values()]
    return tag("details", tag("summary", "What the kinds are"), tag("ul", lines), class_="dr-more")


def stages(found: Mapping[str, Any]) -> Html | None:
    """What each stage changed for these users: first answers, who is right, and the kinds of reasons."""
    changes = found["stages"]
    if not changes:
        return None
    heads = [tag("th", "Changed by", scope="col")]
    heads += [
        tag("th", it["stage"].capitalize(), tag("small", f"{label(it['before'])} → {label(it['after'])}"), scope="col",
            class_="dr-number")
        for it in changes
    ]  # fmt: skip
    lines = [
        ("Chosen item first", [_cell(it["right"], "{:+z.3f}") for it in changes]),
        ("Its place, on average", [_cell(it["place"], "{:+z.2f}") for it in changes]),
        ("Users gained, lost", [tag("td", f"{it['gained']}, {it['lost']}", class_="dr-number") for it in changes]),
        ("Same first answer", [_cell(it["same_top"], "{:.0%}") for it in changes]),
    ]
    for name, kind in found["kinds"].items():
        cells = [_cell(it["kinds"][name]["share"], "{:+z.0%}") if it["kinds"] else NOTHING for it in changes]
        lines.append((f"Reasons: {kind['words']}", cells))
    body = [tag("tr", tag("th", name, scope="row"), cells, data_change=name) for name, cells in lines]
    return tag("div", tag("h3", "What the stages changed for these users"),
               scrolled("What the stages changed", tag("thead", tag("tr", heads)), tag("tbody", body)))  # fmt: skip


def _cell(it: DriverFigures, form: str) -> Html:
    ends = f"{form.format(it['low'])} to {form.format(it['high'])}"
    return tag("td", form.format(it["value"]), tag("small", ends), class_="dr-number")


def _heading(kind: Mapping[str, str]) -> str:
    return kind["words"][:1].upper() + kind["words"][1:]
