"""The launch page's tabs that show, on demand, the data set and the prompts of the settings in the form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.config import RunConfig
from engine.locations import data_presence
from webapp import previews
from webapp.access import Access
from webapp.data_charts import length_figure, popularity_figure
from webapp.events import error_text, or_notice
from webapp.html import tag
from webapp.layout import chart_area, markup, notice
from webapp.views import launch as view
from webapp.views.charts import chart_data

HEAVY: dict[str, Any] = {
    "queue": True,
    "concurrency_id": "preview",
    "concurrency_limit": 1,
    "show_progress": "minimal",
    "api_visibility": "private",
}
"""Loading data, and torch for the tokenizer, takes seconds: one at a time, beside everything else."""

MakeConfig = Callable[[Sequence[Any]], RunConfig]


def build_data(access: Access, controls: Sequence[Component], make_config: MakeConfig) -> None:
    """The tab of the data set. ``meant`` makes a configuration of the values of ``controls``."""
    with gr.Tab("Data set", id="data") as tab, gr.Column(elem_classes="dr-card"):
        message = markup(elem_id="data-said")
        figures = markup(elem_id="data-figures")
        charts = chart_area("data", elem_id="data-charts")

    def show(request: gr.Request, *values: Any) -> Iterator[list[Any]]:
        try:
            config = make_config(values)
            previews.require_preview(access, config, request)
            if data_presence(config.data) == "to be fetched":
                yield [notice("info", "Fetching the data set, once …"), gr.skip(), gr.skip()]
            dataset, found = previews.dataset_of(config)
        except Exception as error:
            yield [notice("bad", error_text(error)), "", chart_data("data", [])]
            return
        key = f"{dataset.name}/{dataset.source}"
        drawn = [
            ("Users by number of interactions", length_figure(found, key)),
            ("Items by popularity", popularity_figure(found, key)),
        ]
        yield ["", view.data_figures(dataset, found), chart_data("data", drawn)]

    tab.select(show, list(controls), [message, figures, charts], **HEAVY)


def build_prompts(access: Access, controls: Sequence[Component], make_config: MakeConfig) -> None:
    """The tab of the prompts."""
    with gr.Tab("Prompts", id="prompts") as tab, gr.Column(elem_classes="dr-card"):
        with gr.Row(elem_classes="dr-fields"):
            user = gr.Textbox(
                label="User", placeholder="the first one", max_lines=1, info="An id of the data set; Enter shows it.",
                elem_id="prompts-user",
            )  # fmt: skip
        shown = markup(tag("p", "Counting …", class_="dr-muted"), elem_id="prompts")

    @or_notice()
    def show(user: str, request: gr.Request, *values: Any) -> str:
        config = make_config(values)
        previews.require_preview(access, config, request)
        return view.prompts(previews.prompts_of(config, (user or "").strip() or None))

    gr.on([tab.select, user.submit], show, [user, *controls], shown, **HEAVY)
