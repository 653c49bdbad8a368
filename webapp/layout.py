"""What all pages have around them: title bar with navigation, footer."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import gradio as gr

from webapp.html import Html, icon, join, link, tag
from webapp.pages import PAGES
from webapp.views.charts import chart_box

HOME, RUNS, EXPERIMENTS = "./", "./runs", "./experiment"
MARK = "M4 18 10 8l4 6 6-10M4 18h.01M10 8h.01M14 14h.01M20 4h.01"
MOON = "M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5Z"


def frame(active: str, title: str) -> None:
    """The title bar of a page; ``active``: in the navigation, its own name or that of the page to which it belongs."""
    entries = [
        link(page.name, f"./{page.address}", class_="dr-nav-link", aria_current="page" if page.name == active else None)
        for page in PAGES
        if page.led_from == "title bar"
    ]
    bar = tag(
        "header",
        tag("a", icon(MARK, 22), tag("span", "DELRec ", tag("b", "Studio")), class_="dr-brand", href="./"),
        tag("nav", entries, aria_label="Pages"),
        tag("button", icon(MOON), class_="dr-icon-button", data_theme_switch=True, title="Light or dark",
            aria_label="Switch between light and dark", type="button"),
        class_="dr-bar",
    )  # fmt: skip
    markup(bar, elem_id="dr-bar")
    gr.context.Context.root_block.load(fn=None, js=f"() => {{ document.title = '{title} · DELRec Studio' }}")


def footer() -> None:
    """Version, and what the app is about."""
    links = [join([" · ", link(page.name, f"./{page.address}")]) for page in PAGES if page.led_from == "footer"]
    text = tag(
        "footer",
        tag("span", f"DELRec Studio {version('delrec-studio')}", links),
        tag("span", "Sequential recommenders distilled into language models, and explained"),
        class_="dr-footer",
    )
    markup(text)


def markup(value: str | None = None, **options: Any) -> gr.HTML:
    """A part of a page that is HTML, without the script that gradio gives each one for clicks."""
    return gr.HTML(value, js_on_load=None, **options)


def chart_area(name: str, **options: Any) -> gr.HTML:
    """The place of the charts called ``name``; returns what takes their :func:`webapp.views.charts.chart_data`."""
    markup(chart_box(name), **options)
    return markup()


def tiles(figures: Iterable[tuple[str, str, str]], more: str = "") -> Html:
    """Figures side by side, each with its name above and words below; ``more`` is a class of theirs."""
    drawn = [
        tag("div", tag("span", name, class_="dr-label"), tag("b", figure), tag("small", words), class_="dr-tile")
        for name, figure, words in figures
    ]
    return tag("div", drawn, class_=f"dr-tiles {more}".rstrip())


def notice(kind: str, *text: str | Html) -> Html:
    """A framed sentence; ``kind`` is ok, info, warn or bad."""
    return tag("div", list(text), class_=f"dr-notice dr-{kind}", role="alert" if kind == "bad" else "status")


def progress(text: str) -> Html:
    """What is being done."""
    return tag("p", text, class_="dr-muted", role="status")


READING = progress("Reading the run and its data …")
"""What stands until a page's first answer, which takes seconds where there are many users."""


def empty(title: str, text: str, action: Html | None = None) -> Html:
    """What stands where there is nothing yet: why, and the next step."""
    return tag("div", tag("h3", title), tag("p", text), action, class_="dr-empty")
