"""Published figures beside one's own: what was measured, by whom, and why it may not be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from engine.evaluate import Report
from engine.evaluate.render import short
from engine.labels import label
from engine.published.yardsticks import yardsticks
from webapp.html import Html, tag
from webapp.views.compare import metric_words, scrolled


def published(
    reports: Sequence[Report], names: Mapping[str, str] = MappingProxyType({}), *, opened: bool = False
) -> Html:
    """A block that opens on demand, for the first report of each data set; empty without published figures.

    ``names`` says which run is meant, by id, where a reader could think of several.
    """
    first = {it.dataset: it for it in reversed(reports)}
    blocks = [_block(first[name], names, opened) for name in dict.fromkeys(it.dataset for it in reports)]
    return tag("div", [block for block in blocks if block], class_="dr-published")


def _block(report: Report, names: Mapping[str, str], opened: bool) -> Html | None:
    """Each row of ours, and below it the published figures that stand beside it; last those that stand beside none."""
    known = list(yardsticks(report))
    if not known:
        return None
    models = [model for it in known for model in it.models.values()]
    columns = list(dict.fromkeys(name for model in models for name in model.figures))
    beside = {report.protocol_details.teacher, *(model.row for model in models)}
    ours = [row for row in report.models if row.kind == "llm" or row.name in beside]
    groups: dict[str | None, list[Html]] = {row.name: [] for row in ours}
    run = names.get(report.run_id)
    for row in ours:
        own = {f"{part}.{name}": it.value for part in ("candidates", "full") for name, it in getattr(row, part).items()}
        source = tag("td", "measured here", tag("small", run) if run else None)
        cells = [tag("th", label(row.name), scope="row"), *_figures(own, columns), source, tag("td", "yes")]
        groups[row.name].append(tag("tr", cells, class_="dr-ours"))
    for it in known:
        reasons = it.differs(report)
        verdict = tag("td", f"no: {'; '.join(reasons)}" if reasons else "yes", class_="dr-muted" if reasons else None)
        for name, model in it.models.items():
            head = tag("th", name, tag("small", _place(model.row, model.row in groups)), scope="row")
            cells = [head, *_figures(model.figures, columns), tag("td", it.source), verdict]
            groups.setdefault(model.row if model.row in groups else None, []).append(tag("tr", cells))
    heads = [tag("th", "Model", scope="col")]
    heads += [tag("th", metric_words(name), scope="col", class_="dr-number") for name in columns]
    heads += [tag("th", text, scope="col") for text in ("Source", "Comparable")]
    table = scrolled("Published figures", tag("thead", tag("tr", heads)), tag("tbody", list(groups.values())))
    words = f"Published figures for {report.dataset}"
    return tag("details", tag("summary", words), table, class_="dr-more dr-yardsticks", open=opened)


def _place(row: str | None, there: bool) -> str:
    if row is None:
        return "no row of ours is like it"
    return f"beside {label(row)}" + ("" if there else ", which was not measured here")


def _figures(figures: Mapping[str, float], columns: Sequence[str]) -> list[Html]:
    return [tag("td", short(figures[it]) if it in figures else "–", class_="dr-number") for it in columns]
