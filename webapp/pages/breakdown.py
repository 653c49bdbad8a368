"""The card of a run's page that tells where its figures come from."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import gradio as gr

from engine.evaluate import Report
from engine.evaluate.breakdown import KINDS, advantages, list_table, metric_words, slice_metrics, slice_table
from engine.evaluate.paired import ONLY_B
from engine.evaluate.report import By
from engine.labels import label
from webapp.charts import PlotlyFigure
from webapp.events import PagePart
from webapp.html import Html, join, link, tag
from webapp.layout import chart_area, markup
from webapp.slice_charts import advantage_figure
from webapp.views import results as view
from webapp.views.charts import chart_data
from webapp.views.compare import users_address

ReportView = TypeVar("ReportView")
BOX = "advantages"
TABS: dict[By, str] = {"rarity": "By rarity", "history": "By length of history", "ties": "By ties"}
OLD = "This run was measured by an earlier version, which told no slices; run it again to see them."


def breakdown(
    report_of: Callable[[ReportView], Report | None], fingerprint: Callable[[ReportView], Hashable]
) -> PagePart[ReportView]:
    """Draw the card; it shows once there is a report. ``fingerprint`` changes when the report does."""
    with gr.Column(visible=False, elem_classes="dr-card", elem_id="breakdown") as card:
        markup(tag("h2", "Where the language model helps"))
        words = markup(elem_id="advantage-words")
        charts = chart_area(BOX, elem_id="advantage-charts")
        with gr.Tabs():
            tables = []
            for by, title in TABS.items():
                with gr.Tab(title):
                    tables.append(markup(elem_id=f"slices-{by}"))
            with gr.Tab("What is recommended"):
                lists = markup(elem_id="list-measures")

    def draw(state: ReportView) -> Sequence[Any]:
        report = report_of(state)
        if report is None:
            return [gr.Column(visible=False), *[""] * (3 + len(tables))]
        return [gr.Column(visible=True), view.advantages(report), _charts(report), *_tables(report)]

    return PagePart("breakdown", [card, words, charts, *tables, lists], fingerprint, draw)


def _charts(report: Report) -> Html:
    figures: list[tuple[str, PlotlyFigure]] = []
    for found in advantages(report):
        title = f"{label(found.model)} − {label(found.teacher)}: {metric_words(found.metric, report)}"
        key = f"{report.run_id}/{found.model}/{found.metric}"
        figures.append((title, advantage_figure(found, KINDS["rarity"], key)))
    return chart_data(BOX, figures)


def _tables(report: Report) -> list[Html]:
    old = tag("p", OLD, class_="dr-muted")
    listed = view.drawn(list_table(report)) if any(row.lists for row in report.models) else old
    return [*(_by_metric(report, by) if report.slices else old for by in KINDS), listed]


def _by_metric(report: Report, by: By) -> Html:
    """A table for each metric, the first one open, and the way to the users of each slice."""
    tables = [
        tag(
            "details",
            tag("summary", metric_words(metric, report)),
            view.drawn(slice_table(report, by, metric)),
            class_="dr-more",
            open=not place,
        )
        for place, metric in enumerate(slice_metrics(report))
    ]
    model = report.models[-1].name
    ways = [
        link(f"{part.name} · {part.users}", users_address(report.run_id, model, ONLY_B, part=f"{by}:{part.name}"),
             class_="dr-chip dr-filter")
        for part in report.slices
        if part.by == by and part.users
    ]  # fmt: skip
    words = tag("span", f"Users whom only {label(model)} gets right:", class_="dr-muted")
    return join([tables, tag("nav", words, ways, class_="dr-chips", aria_label="Users of each slice")])
