"""Pieces of a search's page: how far it is, its best trial, and all trials by what validation has shown of them."""

from __future__ import annotations

from engine.errors import StudioError
from engine.evaluate.render import short
from engine.experiment.search import Search, choice_words
from engine.setting_values import write
from engine.settings import flatten
from engine.stages import TITLES
from jobs.searches import SearchForecast, SearchState
from jobs.trials import Tried
from webapp.formatting import expected_search
from webapp.html import Html, join, link, tag
from webapp.layout import notice
from webapp.views.compare import scrolled
from webapp.views.run import badge

HIDDEN = "Test users are not asked before the search is closed: nothing of them is known, nor can be chosen by."
CHOSEN = "The best of many looks better on the validation users than it is, as it was chosen by them."


def refuse_other_ways(template: str, seeds: str) -> None:
    """Raise :class:`StudioError` where the form says what a search has no use for."""
    for what, given in (("template", template), ("seeds", seeds.strip())):
        if given:
            remedy = "leave it empty, or launch all combinations"
            raise StudioError(f"a search takes no {what}", where=given, remedy=remedy)


def expected(search: Search, found: SearchForecast) -> Html:
    """What is searched, and what that takes."""
    varied = [tag("li", tag("b", name), f": {choice_words(choice)}") for name, choice in search.space.items()]
    return join(
        [
            [notice("bad", problem) for problem in found.problems],
            tag("p", tag("b", f"{expected_search(found.trials, found.seconds, found.memory_mb)}.")),
            tag("ul", varied),
        ]
    )


def sought(found: SearchState) -> Html:
    """How far a search is, the best trial, and all of them, best first."""
    search, best = found.search, found.best
    metric = f"{search.metric.partition('.')[2]} of '{TITLES[search.stage]}' on validation users"
    parts = [tag("p", tag("b", f"{found.summary}."), f" By {metric}.")]
    if best is not None and best.trial.value is not None:
        links = join([link("Open in Launch", f"./?clone={best.run.id}", class_="dr-button"), " ",
                      link(best.run.name, f"./run?id={best.run.id}")])  # fmt: skip
        parts.append(tag("p", f"Best: {short(best.trial.value)} with {best.label}. ", links, id="search-best"))
    if found.hopeless:
        parts.append(notice("bad", "Every trial failed, so no more are begun. Mend that, then retry what failed."))
    parts.append(tag("p", CHOSEN if found.experiment.closed else f"{HIDDEN} {CHOSEN}", class_="dr-muted"))
    heads = [tag("th", name, scope="col") for name in ("Trial", *search.space)]
    heads += [
        tag("th", search.metric.partition(".")[2], scope="col", class_="dr-number"),
        tag("th", "State", scope="col"),
    ]
    rows = [_row(found, it) for it in found.ranked]
    return join([parts, scrolled("Trials", tag("thead", tag("tr", heads)), tag("tbody", rows))])


def _row(found: SearchState, it: Tried) -> Html:
    values = dict(flatten(it.trial.config))
    reached = [value for value in it.trial.points.values() if it.trial.value is None]
    words = short(it.trial.value) if it.trial.value is not None else f"({short(max(reached))})" if reached else "–"
    return tag(
        "tr",
        tag("th", link(it.run.name, f"./run?id={it.run.id}"), scope="row", class_="dr-run-name"),
        [tag("td", write(values[name]) or "empty") for name in found.search.space],
        tag("td", tag("b", words) if it is found.best else words, class_="dr-number"),
        tag("td", badge(it.run.state), tag("small", it.run.reason) if it.run.reason else None),
        data_trial=it.run.id,
    )
