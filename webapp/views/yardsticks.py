"""Published figures beside one's own: what was measured, by whom, and why it may not be compared."""

from __future__ import annotations

from collections.abc import Sequence

from engine.evaluate import Report
from engine.evaluate.render import short
from engine.labels import label
from engine.published.yardsticks import yardsticks
from webapp.html import Html, tag
from webapp.views.compare import metric_words, scrolled


def published(reports: Sequence[Report], *, opened: bool = False) -> Html:
    """A block that opens on demand, for the first report of each data set; empty without published figures."""
    first = {it.dataset: it for it in reversed(reports)}
    blocks = [_block(first[name], opened) for name in dict.fromkeys(it.dataset for it in reports)]
    return tag("div", [block for block in blocks if block], class_="dr-published")


def _block(report: Report, opened: bool) -> Html | None:
    known = list(yardsticks(report))
    if not known:
        return None
    columns = list(dict.fromkeys(name for it in known for figures in it.models.values() for name in figures))
    heads = [tag("th", "Model", scope="col")]
    heads += [tag("th", metric_words(name), scope="col", class_="dr-number") for name in columns]
    heads += [tag("th", text, scope="col") for text in ("Source", "Comparable")]
    rows = []
    for row in (row for row in report.models if row.kind == "llm" or row.name == report.protocol_details.teacher):
        own = {f"{part}.{name}": it.value for part in ("candidates", "full") for name, it in getattr(row, part).items()}
        rows.append(tag("tr", _cells(label(row.name), own, columns), tag("td", "measured here"), tag("td", "yes"),
                        class_="dr-ours"))  # fmt: skip
    for it in known:
        reasons = it.differs(report)
        verdict = tag("td", f"no: {'; '.join(reasons)}" if reasons else "yes", class_="dr-muted" if reasons else None)
        for model, figures in it.models.items():
            rows.append(tag("tr", _cells(model, figures, columns), tag("td", it.source), verdict))
    table = scrolled("Published figures", tag("thead", tag("tr", heads)), tag("tbody", rows))
    words = f"Published figures for {report.dataset}"
    return tag("details", tag("summary", words), table, class_="dr-more dr-yardsticks", open=opened)


def _cells(name: str, figures: dict[str, float], columns: Sequence[str]) -> list[Html]:
    cells = [tag("th", name, scope="row")]
    return cells + [tag("td", short(figures[it]) if it in figures else "–", class_="dr-number") for it in columns]
