"""The table of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.evaluate.render import short
from engine.stages import stage_title
from jobs.records import HEADLINE, Result, Run
from webapp.formatting import ago, clock, duration
from webapp.html import Html, link, tag
from webapp.layout import HOME, empty
from webapp.views.run import badge

WORDS = {"candidates": "candidates", "full": "full catalogue"}

RunFigures = Mapping[tuple[str, str, str], Result]
"""Results by run id, protocol and metric."""


def run_table(runs: Sequence[Run], figures: RunFigures, places: Mapping[str, int]) -> Html:
    """All runs given, newest first, each with a link to its page; ``places``: in the queue, by run id.

    The page's script sorts the rows by the cells' ``data-value`` and keeps the choice in the address.
    """
    heads = [tag("th", tag("span", "Pick", class_="dr-sr"), scope="col")]
    heads += [_sorter(text) for text in ("Run", "State", "Teacher", "Language model")]
    heads += [_sorter(metric, WORDS[protocol], f"{protocol}-{metric}") for protocol, metric in HEADLINE]
    heads += [_sorter(text, "") for text in ("Duration", "Created")]
    rows = [_row(run, figures, places.get(run.id)) for run in runs]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="dr-table dr-stacked")
    return tag("div", table, class_="dr-scroll", tabindex=0, role="region", aria_label="Runs")


def _sorter(text: str, small: str | None = None, key: str = "") -> Html:
    """The head of a column, a button that sorts by it; of numbers where ``small`` is given."""
    button = tag("button", text, type="button", data_sort=key or text.lower().replace(" ", "-"))
    words = tag("small", small) if small else None
    return tag("th", button, words, scope="col", class_=None if small is None else "dr-number")


def _row(run: Run, figures: RunFigures, place: int | None) -> Html:
    seconds, teacher, model = run.seconds, run.config["teacher"]["name"], run.config["llm"]["name"]
    created = tag("time", ago(run.created_at), title=clock(run.created_at))
    cells = [
        tag("td", tag("input", type="checkbox", data_pick=run.id, aria_label=f"Pick {run.name}"), class_="dr-pick"),
        tag("td", link(run.name, f"./run?id={run.id}"), tag("small", _subtitle(run)), class_="dr-run-name",
            data_value=run.name),
        tag("td", badge(run.state), _progress(run, place), class_="dr-state", data_value=run.state),
        tag("td", teacher, data_label="Teacher", data_value=teacher),
        tag("td", model, class_="dr-wide", data_label="Language model", data_value=model),
        *(_figure(figures.get((run.id, protocol, metric)), protocol, metric) for protocol, metric in HEADLINE),
        tag("td", duration(seconds), class_="dr-number", data_label="Duration", data_value=f"{seconds or 0:.1f}"),
        tag("td", created, class_="dr-number", data_label="Created", data_value=f"{run.created_at.timestamp():.3f}"),
    ]  # fmt: skip
    return tag("tr", cells, data_run=run.id, data_state=run.state)


def _subtitle(run: Run) -> str:
    return " · ".join(part for part in (run.preset, run.config["data"]["dataset"], *run.tags) if part)


def _progress(run: Run, place: int | None) -> Html | None:
    if place:
        return tag("small", f"place {place} in the queue", style="margin-top:3px")
    if run.error and run.state in ("failed", "interrupted"):
        return tag("small", run.error, style="margin-top:3px;max-width:220px")
    if not run.active or not run.stage:
        return None
    share = f" · {100 * run.step // run.total}\u00a0%" if run.total else ""
    return tag("small", f"{stage_title(run.stage)}{share}", style="margin-top:3px")


def _figure(result: Result | None, protocol: str, metric: str) -> Html:
    if result is None or result.value is None:
        return tag("td", "–", class_="dr-number dr-muted dr-empty-cell")
    interval = None
    if result.low is not None and result.high is not None:
        interval = tag("small", f"{short(result.low)} to {short(result.high)}")
    return tag(
        "td",
        short(result.value),
        interval,
        class_="dr-number",
        data_label=f"{metric} {WORDS[protocol]}",
        data_value=str(result.value),
        title=f"{result.model}, 95 % interval",
    )


def no_runs(text: str) -> Html:
    """Nothing to show: no run at all, or none that matches."""
    if text:
        return empty("No run matches", "Search looks at names, ids, teachers, models, presets, states, tags and notes.")
    action = link("Launch the first run", HOME, class_="dr-button")
    return empty("No runs yet", "The quickstart preset trains on MovieLens-100K, with a real language model.", action)
