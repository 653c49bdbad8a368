"""The pages: a line each here, and a module each with ``build``, which is called inside the page's own context."""

from __future__ import annotations

from typing import Literal, NamedTuple


class PageEntry(NamedTuple):
    """One page of the app."""

    name: str
    """In the navigation."""
    address: str
    """Behind the app's own; empty for the first page."""
    build: str
    """Module and name of what draws it for a visitor's :class:`webapp.access.Access`; imported when it is drawn."""
    led_from: Literal["title bar", "footer", "run"] = "footer"
    """What leads to it: on every page its title bar or footer, or the page of the run that it is about."""


PAGES = (
    PageEntry("Launch", "", "webapp.pages.launch:build", led_from="title bar"),
    PageEntry("Runs", "runs", "webapp.pages.runs:build", led_from="title bar"),
    PageEntry("Experiments", "experiment", "webapp.pages.experiment:build", led_from="title bar"),
    PageEntry("Compare", "compare", "webapp.pages.compare:build", led_from="title bar"),
    PageEntry("Inspect", "inspect", "webapp.inspect.page:build", led_from="title bar"),
    PageEntry("Data", "data", "webapp.pages.data:build", led_from="title bar"),
    PageEntry("Run", "run", "webapp.pages.run:build", led_from="run"),
    PageEntry("Tour", "tour", "webapp.pages.tour:build", led_from="run"),
    PageEntry("Pattern", "pattern", "webapp.pages.pattern:build", led_from="run"),
    PageEntry("Users", "users", "webapp.pages.users:build", led_from="run"),
    PageEntry("Machines", "machines", "webapp.pages.machines:build"),
    PageEntry("API", "api", "webapp.pages.api:build"),
)
"""The first page, then all others, those of the title bar in its order."""
