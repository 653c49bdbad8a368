"""The pages: a line each here, and a module each with ``build``, which is called inside the page's own context."""

from __future__ import annotations

from typing import NamedTuple


class PageEntry(NamedTuple):
    """One page of the app."""

    name: str
    """In the navigation."""
    address: str
    """Behind the app's own; empty for the first page."""
    build: str
    """Module and name of what draws it for a visitor's :class:`webapp.access.Access`; imported when it is drawn."""
    navigable: bool = False
    """Whether the title bar leads to it."""


PAGES = (
    PageEntry("Launch", "", "webapp.pages.launch:build", navigable=True),
    PageEntry("Runs", "runs", "webapp.pages.runs:build", navigable=True),
    PageEntry("Experiments", "experiment", "webapp.pages.experiment:build", navigable=True),
    PageEntry("Compare", "compare", "webapp.pages.compare:build", navigable=True),
    PageEntry("Inspect", "inspect", "webapp.inspect.page:build", navigable=True),
    PageEntry("Data", "data", "webapp.pages.data:build", navigable=True),
    PageEntry("Run", "run", "webapp.pages.run:build"),
    PageEntry("Tour", "tour", "webapp.pages.tour:build"),
    PageEntry("Pattern", "pattern", "webapp.pages.pattern:build"),
    PageEntry("Users", "users", "webapp.pages.users:build"),
    PageEntry("Machines", "machines", "webapp.pages.machines:build"),
    PageEntry("API", "api", "webapp.pages.api:build"),
)
"""The first page, then all others, those of the title bar in its order."""
