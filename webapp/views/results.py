"""Results as people read them: verdicts, and tables with intervals."""

from __future__ import annotations

from collections.abc import Sequence

from engine.evaluate import Report, breakdown
from engine.evaluate.breakdown import advantage_words
from engine.evaluate.render import (
    OURS,
    Cell,
    ReportSection,
    ResultTable,
    TableRow,
    headline_comparisons,
    result_table,
    short,
    verdict,
    warnings,
)
from engine.evaluate.report import Comparison
from webapp.html import Html, tag
from webapp.layout import notice


def verdicts(report: Report) -> Html:
    """What the figures say about DELRec: better, worse, or not to be told.

    First against those that teach, the teacher and the ensemble; against the other rows on demand.
    """
    teachers = {row.name for row in report.models if row.kind == "teacher"}
    pairs = headline_comparisons(report)
    first, others = (_verdicts(report, [p for p in pairs if (p.b in teachers) == main]) for main in (True, False))
    more = tag("details", tag("summary", "Against the other rows"), others, class_="dr-more") if others else None
    return tag("div", [notice("warn", text) for text in warnings(report)], first, more)


def _verdicts(report: Report, pairs: Sequence[Comparison]) -> Html | None:
    items = []
    for pair in pairs:
        kind = "dr-better" if pair.significant and pair.difference > 0 else "dr-worse" if pair.significant else None
        items.append(tag("li", f"{verdict(report, pair)}.", class_=kind))
    return tag("ul", items, class_="dr-verdicts") if items else None


def table(report: Report, section: ReportSection) -> Html:
    """One protocol's table: value and 95 % interval, the best of each column marked."""
    return drawn(result_table(report, section))


def drawn(data: ResultTable) -> Html:
    """A table of models."""
    header = tag(
        "tr", tag("th", "Model", scope="col"), [tag("th", c, scope="col", class_="dr-number") for c in data.columns]
    )
    rows = [_row(row, before) for row, before in zip(data.rows, [None, *data.rows], strict=False)]
    return tag(
        "div",
        tag("p", data.title, class_="dr-muted", style="margin:0 0 8px;font-size:13.5px"),
        tag(
            "div",
            tag("table", tag("thead", header), tag("tbody", rows), class_="dr-table"),
            class_="dr-scroll",
            tabindex=0,
            role="region",
            aria_label=data.title,
        ),
    )


def _row(row: TableRow, before: TableRow | None) -> Html:
    classes = ["dr-ours"] if row.name in OURS else []
    if before and before.kind != row.kind:
        classes.append("dr-group")
    return tag(
        "tr",
        tag("th", row.label, scope="row"),
        [_cell(cell) for cell in row.cells],
        class_=" ".join(classes) or None,
        data_model=row.name,
    )


def _cell(cell: Cell) -> Html:
    if cell.value is None:
        return tag("td", "–", class_="dr-number dr-muted")
    return tag(
        "td",
        short(cell.value),
        None if cell.low is None or cell.high is None else tag("small", f"{short(cell.low)} to {short(cell.high)}"),
        class_="dr-number dr-best" if cell.best else "dr-number",
        title="best of this column" if cell.best else None,
    )


def advantages(report: Report) -> Html | None:
    """Where our models are above their teacher, by how rare the target is, in a sentence for each metric."""
    found = [advantage_words(it, report) for it in breakdown.advantages(report)]
    how = "At so many training interactions of the target; an interval that holds zero tells nothing."
    return tag("div", tag("p", how, class_="dr-muted"), [tag("p", f"{words}.") for words in found]) if found else None


def protocol(report: Report) -> Html:
    """How it was measured, in a sentence."""
    return tag(
        "p",
        f"{report.protocol}. 95 % bootstrap intervals over users; the best value of each column is marked.",
        class_="dr-muted",
        style="font-size:13px",
    )
