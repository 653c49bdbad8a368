"""The results in words and as a table: data for pages, rendering for the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.evaluate.report import Comparison, Estimate, ModelResult, Report
from engine.labels import label, listed, plural
from engine.rows import TEXT

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ReportSection = Literal["candidates", "warm_candidates", "full", "agreement"]

MEASURES: Mapping[str, str] = {
    "top-1": "Same first choice",
    "overlap@5": "Best five in common",
    "kendall-tau": "Kendall's tau",
}
"""Measures of agreement with the teacher."""
OURS = ("delrec", "delrec-plus")
TAUGHT = ("llm-distilled", *OURS)
"""Models that learned from the teacher."""

HEADLINES = ("candidates.HR@1", "candidates.NDCG@5", "full.NDCG@10")
"""Metrics that the verdicts speak about."""


@dataclass(frozen=True)
class Cell:
    """One figure: ``text`` as ``0.402 [.36, .44]``, small ones as ``0.062 [.052, .071]``.

    ``best``: no other model of the column is better. Figures of all lists together have no interval, and a model
    without a figure has no value.
    """

    text: str
    value: float | None
    low: float | None
    high: float | None
    best: bool


@dataclass(frozen=True)
class TableRow:
    """One model."""

    name: str
    label: str
    kind: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ResultTable:
    """One protocol's table; ``columns`` name the cells of every row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def readable(text: str) -> str:
    """A text with models and measures of agreement by the names that people read."""
    return re.sub(r"[a-z0-9]+([-@][a-z0-9]+)*", lambda found: MEASURES.get(found[0], label(found[0])), text)


def result_table(report: Report, section: ReportSection) -> ResultTable:
    """The rows of one protocol, or of the agreement with the teacher (in which the teacher itself has no row)."""
    details = report.protocol_details
    users = plural(report.users, "user")
    cold = details.cold_items is not None
    chance = f", all cold: teachers and counts never met one and are at chance, HR@1 {short(1 / details.candidates)}"
    titles = {
        "candidates": f"{details.candidates} candidates{chance if cold else ''}, {users}",
        "warm_candidates": f"{details.candidates} candidates: the true item, which is cold, among warm ones, {users}; "
        "teachers and counts know no reason to expect it, and are below chance",
        "full": f"Full catalogue of {details.items} items, {users}; LLMs re-rank {label(details.teacher)}'s best "
        f"{details.full_top}"
        + (f", {listed([label(row) for row in whole])} rank all" if (whole := details.whole_rows) else ""),
        "agreement": f"Agreement with {label(details.teacher)} on the candidates, {users}",
    }
    models = [row for row in report.models if section != "agreement" or row.name != details.teacher]
    columns = tuple(getattr(report.models[0], section))
    best = {column: max((_values(row, section)[column].value for row in models), default=0.0) for column in columns}
    rows = tuple(
        TableRow(row.name, label(row.name), row.kind, tuple(cells(_values(row, section).values(), best.values())))
        for row in models
    )
    return ResultTable(titles[section], columns, rows)


def sections(report: Report) -> list[ReportSection]:
    """The tables that a report has."""
    warm = any(row.warm_candidates for row in report.models)
    return ["candidates", *(["warm_candidates"] if warm else []), "full", "agreement"]  # type: ignore[list-item]


def section_words(section: str, report: Report) -> str:
    """``20 candidates`` or ``full catalogue``."""
    if section == "full":
        return "full catalogue"
    return f"{report.protocol_details.candidates} {'warm ' if section == 'warm_candidates' else ''}candidates"


def verdict(report: Report, comparison: Comparison) -> str:
    """A comparison in plain words, honest in both directions and about what one cannot tell."""
    section, _, metric = comparison.metric.partition(".")
    details = report.protocol_details
    a, b = label(comparison.a), label(comparison.b)
    if comparison.b == details.teacher:
        b = f"its teacher {b}" if comparison.a in TAUGHT else f"the teacher {b}"
    b += _doubt(report, comparison.b)
    protocol = section_words(section, report)
    ours, theirs = (_values(report.model(name), section)[metric].value for name in (comparison.a, comparison.b))
    if not comparison.significant:
        claim = f"No significant difference between {a} and {b}"
    else:
        claim = f"{a} {'beats' if comparison.difference > 0 else 'loses to'} {b}"
    return (
        f"{claim}: {metric} ({protocol}) {short(ours)} against {short(theirs)}, difference "
        f"{signed(comparison.difference)} [{signed(comparison.low)}, {signed(comparison.high)}], "
        f"{plural(report.users, 'user')}"
    )


def _doubt(report: Report, name: str) -> str:
    """What takes the worth from a comparison with this teacher, or with the ensemble of all."""
    if name in report.useless:
        return ", which is no better than popularity"
    if name == "ensemble" and (members := [label(it) for it in report.useless if it != TEXT]):
        return f", in which {listed(members)} is no better than popularity"
    return ""


def warnings(report: Report) -> list[str]:
    """What is to be known before any verdict: teachers that learned nothing worth distilling."""
    return [
        f"{label(it.name)} is no better than popularity on the users that validated it: NDCG@10 {short(it.ndcg)} "
        f"against {short(it.popularity)}. To learn from it, or to beat it, says nothing; train it longer, or with "
        "another teacher.lr."
        for it in report.teachers
        if it.useless
    ]


def verdicts(report: Report) -> list[str]:
    """What the table says about DELRec (see :func:`told`)."""
    return [verdict(report, comparison) for comparison in headline_comparisons(report)]


def headline_comparisons(report: Report) -> list[Comparison]:
    """Comparisons of the :func:`subjects` by the headline metrics."""
    return [c for name in subjects(report) for c in report.comparisons if c.a == name and c.metric in HEADLINES]


def subjects(report: Report) -> list[str]:
    """The models that a report is about: DELRec and DELRec-plus or, without either, the last LLM row."""
    llms = [row.name for row in report.models if row.kind == "llm"]
    return [name for name in llms if name in OURS] or llms[-1:]


def print_report(report: Report, console: Console) -> None:
    """Tables and verdicts on a terminal; they fit into 80 columns."""
    from rich.text import Text

    for section in sections(report):
        console.print(_rich(result_table(report, section)))
    console.print(Text(f"Protocol: {report.protocol}.", style="dim"))
    for line in warnings(report):
        console.print(Text(line, style="bold yellow"))
    for line in verdicts(report):
        console.print(Text(line))


def figure_cell(figure: Estimate, best: bool) -> str:
    """``0.402 [0.360, 0.440]`` for Markdown, the value in bold where it is the ``best``."""
    value = f"**{figure.value:.3f}**" if best else f"{figure.value:.3f}"
    return f"{value} [{figure.low:.3f}, {figure.high:.3f}]"


def short(value: float) -> str:
    """``.402`` for a metric, ``-.090`` for a negative one, ``1.000`` for one."""
    return _bare(value, 3)


def signed(value: float) -> str:
    """``+.016`` or ``-.090``; a difference that rounds to nothing is ``.000``."""
    text = _bare(value, 3)
    return text if text == ".000" or text.startswith("-") else f"+{text}"


def _bare(value: float, digits: int) -> str:
    text = f"{round(value, digits) + 0.0:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _values(row: ModelResult, section: str) -> dict[str, Estimate]:
    values: dict[str, Estimate] = getattr(row, section)
    return values


def cells(estimates: Iterable[Estimate], best: Iterable[float]) -> Iterable[Cell]:
    """A row's figures; ``best`` is the best value of each column."""
    for it, highest in zip(estimates, best, strict=True):
        digits = 2 if abs(it.value) >= 0.1 else 3
        text = f"{it.value:.3f} [{_bare(it.low, digits)}, {_bare(it.high, digits)}]"
        yield Cell(text, it.value, it.low, it.high, it.value == highest)


def _rich(table: ResultTable) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    drawn.add_column("")
    for column in table.columns:
        drawn.add_column(column, justify="right")
    for row in table.rows:
        figures = (cell.text.replace(" ", "\n", 1).replace(", ", ",") for cell in row.cells)  # narrow enough for 80
        styles = ("bold green" if cell.best else "" for cell in row.cells)
        drawn.add_row(Text(row.label), *map(Text, figures, styles))
    return drawn
