"""API: how programs call the app. Written out of the endpoints' own signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import gradio as gr

from webapp.access import Access
from webapp.endpoints import ENDPOINTS, Endpoints
from webapp.events import UNQUEUED
from webapp.html import Html, tag
from webapp.layout import frame, markup

EXAMPLE = """\
from gradio_client import Client

studio = Client("{url}")  # with a password: auth=("any", "…")
run = studio.predict(preset="smoke", settings=["finetune.steps=12"], api_name="/launch")
print(studio.predict(run=run["id"], api_name="/status")["state"])"""


def build(_: Access) -> None:
    """Draw the page."""
    frame("API", "API")
    markup(
        tag("h1", "For programs", class_="dr-title")
        + tag("p", "What the pages do, as typed endpoints for gradio_client. A read-only app refuses those that change "
              "something; a password is asked for here as well.", class_="dr-lead"),
    )  # fmt: skip
    example = markup(_example(""), elem_id="api-example")
    markup(tag("div", [_endpoint(name) for name in ENDPOINTS], class_="dr-api"), elem_id="api-endpoints")

    def opened(request: gr.Request) -> Html:
        return _example(str(request.request.base_url).rstrip("/"))

    gr.context.Context.root_block.load(opened, None, example, **UNQUEUED)


def _example(url: str) -> Html:
    return tag(
        "div",
        tag("code", EXAMPLE.format(url=url or "http://127.0.0.1:7860")),
        tag("button", "Copy", type="button", data_copy=True),
        class_="dr-command",
    )


def _endpoint(name: str) -> Html:
    function = getattr(Endpoints, name)
    what, parameters = described(function)
    rows = [
        tag("tr", tag("th", tag("code", parameter), scope="row"), tag("td", tag("code", kind)), tag("td", _prose(text)))
        for parameter, kind, text in parameters
    ]
    table = tag("table", tag("tbody", rows), class_="dr-table")
    return tag(
        "section",
        tag("h2", tag("code", f"/{name}")),
        tag("p", _prose(what)),
        tag("div", table, class_="dr-scroll", tabindex=0, role="region", aria_label=f"Parameters of {name}"),
        class_="dr-card",
        data_endpoint=name,
    )


def _prose(text: str) -> list[Html | str]:
    """A docstring's text; what stands between backticks is code."""
    return [tag("code", part) if place % 2 else part for place, part in enumerate(text.split("`"))]


def described(function: object) -> tuple[str, list[tuple[str, str, str]]]:
    """What an endpoint does; name, type with default, and meaning of each parameter."""
    what, _, arguments = (inspect.getdoc(function) or "").partition("\n\nArgs:\n")
    return " ".join(what.split()), list(_parameters(function, arguments))


def _parameters(function: object, text: str) -> Iterator[tuple[str, str, str]]:
    meanings = dict(line.strip().split(": ", 1) for line in text.splitlines() if ": " in line)
    for name, parameter in inspect.signature(function).parameters.items():  # type: ignore[arg-type]
        if name in meanings:
            kind = str(parameter.annotation)
            optional = parameter.default is not inspect.Parameter.empty
            yield name, f"{kind} = {parameter.default!r}" if optional else kind, meanings[name]
