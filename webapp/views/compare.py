"""Pieces of the comparison: figures of several runs, what their settings differ in, whom each gets right."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from engine.evaluate.paired import BOTH, NONE, ONLY_A, ONLY_B
from engine.evaluate.render import short, signed
from engine.experiment.tables import Table
from engine.labels import label, listed, plural
from engine.metrics.bootstrap import Interval
from engine.settings import flatten, stored_config
from jobs.records import Result, Run
from webapp.charts import colour
from webapp.formatting import setting_value
from webapp.html import Html, join, link, tag

COLUMNS = (
    ("candidates", "HR@1"),
    ("candidates", "HR@5"),
    ("candidates", "NDCG@5"),
    ("full", "HR@10"),
    ("full", "NDCG@10"),
)
SLUGS = {BOTH: "both", ONLY_A: "only-teacher", ONLY_B: "only-model", NONE: "none"}
"""How outcomes are called in addresses."""
OUTCOMES = {BOTH: "Both right", ONLY_A: "Only the teacher", ONLY_B: "Only the model", NONE: "None"}


def figures(
    runs: Sequence[Run],
    results: Mapping[tuple[str, str, str], Result],
    differences: Mapping[str, Interval | str],
    model: str,
    metric: str,
    baseline: Run,
) -> Html:
    """One row per run, with its colour: the model's figures with intervals, best marked, and its paired difference.

    ``differences`` holds an interval, or the reason why there is none, by run id; the baseline has no entry.
    """
    best = {
        column: max(
            (r.value for run in runs if (r := results.get((run.id, *column))) and r.value is not None), default=0
        )
        for column in COLUMNS
    }
    heads = [tag("th", "Run", scope="col")]
    heads += [
        tag("th", name, tag("small", "candidates" if protocol == "candidates" else "full catalogue"), scope="col",
            class_="dr-number")
        for protocol, name in COLUMNS
    ]  # fmt: skip
    if len(runs) > 1:
        heads.append(tag("th", f"{metric}, paired", tag("small", f"against {baseline.name}"), scope="col"))
    rows = []
    for place, run in enumerate(runs):
        data = tag("small", link(run.config["data"]["dataset"], f"./data?run={run.id}", title="The data of this run"))
        name = link(run.name, f"./run?id={run.id}")
        cells = [tag("th", swatch(place), name, data, scope="row", class_="dr-run-name")]
        for column in COLUMNS:
            result = results.get((run.id, *column))
            cells.append(_cell(result, result is not None and len(runs) > 1 and result.value == best[column]))
        if len(runs) > 1:
            cells.append(_difference(differences.get(run.id)))
        rows.append(tag("tr", cells, data_run=run.id))
    table = scrolled("Figures", tag("thead", tag("tr", heads)), tag("tbody", rows))
    return table if results else join([table, without(f"figures of {label(model)}")])


def metric_words(metric: str) -> str:
    """``NDCG@5 among the candidates`` for ``candidates.NDCG@5``."""
    section, _, name = metric.partition(".")
    return f"{name} {'on the full catalogue' if section == 'full' else 'among the candidates'}"


def slices(
    runs: Sequence[Run],
    called: Mapping[str, str],
    found: Mapping[str, Mapping[str, tuple[int, Interval]]],
    names: Sequence[str],
    metric: str,
    place: Mapping[str, int],
    *,
    frozen: bool = False,
) -> Html:
    """One row per run: its model's ``metric`` by slice, with the users behind each figure.

    Args:
        called: names of the runs, by id.
        found: users and estimate by run id and slice; runs of earlier versions have none.
        frozen: without links and copies.
    """
    heads = [tag("th", "Run", scope="col"), *(tag("th", name, scope="col", class_="dr-number") for name in names)]
    rows, texts = [], []
    for run in runs:
        name = called[run.id]
        shown = name if frozen else link(name, f"./run?id={run.id}", title=run.name)
        cells = [tag("th", swatch(place[run.id]), shown, scope="row", class_="dr-run-name")]
        text = [name]
        for part in names:
            known = found[run.id].get(part)
            if known is None:
                cells.append(tag("td", "–", class_="dr-number dr-muted"))
                text.append("–")
                continue
            users, it = known
            text.append(f"{short(it.value)} [{short(it.low)}, {short(it.high)}]")
            words = f"{short(it.low)} to {short(it.high)}, {plural(users, 'user')}"
            cells.append(tag("td", short(it.value), tag("small", words), class_="dr-number"))
        rows.append(tag("tr", cells, data_run=run.id))
        texts.append(text)
    table = scrolled("By slice", tag("thead", tag("tr", heads)), tag("tbody", rows))
    copied = None if frozen else copies(Table(metric_words(metric), ["run", *names], texts))
    return tag("div", tag("p", metric_words(metric), class_="dr-muted"), table, copied)


def copies(table: Table) -> Html:
    """The table as LaTeX, CSV and Markdown, each with a copying button."""
    parts = [
        tag(
            "details",
            tag("summary", name),
            tag("div", tag("code", text, style="white-space:pre"),
                tag("button", "Copy", type="button", data_copy=True), class_="dr-command"),
            class_="dr-more",
        )
        for name, text in (("LaTeX", table.latex()), ("CSV", table.csv()), ("Markdown", table.markdown()))
    ]  # fmt: skip
    return tag("div", parts)


def no_slices(available: Collection[str], metric: str, model: str) -> Html:
    """Why nothing is told by slice; ``available``: the metrics that are."""
    if not available:
        return without(f"figures of {label(model)} by slice")
    others = listed(sorted({name.partition(".")[2] for name in available}))
    return tag("p", f"{metric} is not told by slice; {others} are.", class_="dr-muted")


def without(what: str) -> Html:
    """What stands where runs have nothing to show."""
    return tag("p", f"None of these runs has {what}.", class_="dr-muted")


def legend(named: Sequence[tuple[str, int]]) -> Html:
    """Names of runs with the colours of their places in the choice."""
    entries = [tag("span", swatch(place), name) for name, place in named]
    return tag("div", entries, class_="dr-legend") if len(named) > 1 else Html()


def swatch(place: int) -> Html:
    """The colour of a run or a variant by its place in the choice."""
    return tag("i", class_="dr-swatch", style=f"background:{colour(place)}", aria_hidden="true")


def _cell(result: Result | None, best: bool) -> Html:
    if result is None or result.value is None or result.low is None or result.high is None:
        return tag("td", "–", class_="dr-number dr-muted")
    interval = tag("small", f"{short(result.low)} to {short(result.high)}")
    return tag("td", short(result.value), interval, class_="dr-number dr-best" if best else "dr-number")


def _difference(known: Interval | str | None) -> Html:
    if known is None:
        return tag("td", "the baseline", class_="dr-muted")
    if isinstance(known, str):
        return tag("td", tag("small", known))
    verdict = "better" if known.low > 0 else "worse" if known.high < 0 else "no significant difference"
    return tag("td", signed(known.value), tag("small", f"{signed(known.low)} to {signed(known.high)}, {verdict}"))


def settings(runs: Sequence[Run]) -> Html:
    """Only the settings in which the runs differ."""
    values: list[dict[str, Any]] = [dict(flatten(stored_config(run.config))) for run in runs]
    different = [name for name in values[0] if any(other[name] != values[0][name] for other in values)]
    if not different:
        return tag("p", "All settings are the same.", class_="dr-muted")
    heads = [tag("th", "Setting", scope="col"), *(tag("th", run.name, scope="col") for run in runs)]
    rows = [
        tag(
            "tr",
            tag("th", _name(name), scope="row"),
            [tag("td", setting_value(own[name])) for own in values],
            data_setting=name,
        )
        for name in different
    ]
    return scrolled("Settings that differ", tag("thead", tag("tr", heads)), tag("tbody", rows))


def _name(setting: str) -> Html:
    """A setting's name, which lines may break behind a dot or an underscore."""
    return join([part, tag("wbr")] for part in re.findall(r"[^._]+[._]?", setting))


def agreement(counts: Sequence[tuple[Run, str, Mapping[str, int]]], model: str) -> Html:
    """For each run with its teacher: how many users both, one or none of teacher and model get right."""
    if not counts:
        return without(f"answers of {label(model)} and its teacher")
    heads = [tag("th", "Run", scope="col"), tag("th", "Teacher", scope="col")]
    heads += [tag("th", words, scope="col", class_=f"dr-number dr-is-{SLUGS[key]}") for key, words in OUTCOMES.items()]
    heads.append(tag("th", "Shares", scope="col"))
    rows = []
    for run, teacher, by_outcome in counts:
        total = sum(by_outcome.values()) or 1
        cells = [
            tag(
                "td",
                link(count := by_outcome[key], users_address(run.id, model, key), aria_label=f"{words}: {count}"),
                tag("small", f"{100 * count / total:.0f} %"),
                class_="dr-number",
            )
            for key, words in OUTCOMES.items()
        ]
        parts = [
            tag(
                "i",
                class_=f"dr-is-{SLUGS[key]}",
                style=f"flex-grow:{by_outcome[key]}",
                title=f"{words}: {by_outcome[key]}",
            )
            for key, words in OUTCOMES.items()
            if by_outcome[key]
        ]
        cells.append(tag("td", tag("div", parts, class_="dr-split", aria_hidden="true"), class_="dr-shares"))
        rows.append(tag("tr", tag("th", run.name, scope="row"), tag("td", label(teacher)), cells, data_run=run.id))
    text = (
        f"Users whose true next item stands alone in first place among the candidates; the model is {label(model)}. "
        "Each number leads to these users."
    )
    table = scrolled("Who is right", tag("thead", tag("tr", heads)), tag("tbody", rows))
    return tag("div", tag("p", text, class_="dr-muted", style="margin:0 0 8px;font-size:13.5px"), table)


def users_address(run_id: str, model: str, outcome: str, page: int = 1, part: str = "") -> str:
    """The page of the users with this outcome (of all with ``""``), relative to any page.

    ``part``: only those of a slice, its kind and name joined by a colon.
    """
    query = {"run": run_id, "model": model, "outcome": SLUGS.get(outcome, ""), "slice": part}
    query["page"] = str(page) if page > 1 else ""
    return f"./users?{urlencode({name: value for name, value in query.items() if value})}"


def scrolled(name: str, *parts: Html, class_: str = "") -> Html:
    """A table that scrolls sideways where it does not fit, by keyboard too."""
    table = tag("table", parts, class_=f"dr-table {class_}".strip())
    return tag("div", table, class_="dr-scroll", tabindex=0, role="region", aria_label=name)
