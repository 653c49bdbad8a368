"""Figures by slices of the test users in words and tables: data for pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.evaluate.render import Cell, ResultTable, TableRow, cells, section_words, subjects
from engine.evaluate.report import By, Estimate, Measure, Report, Slice
from engine.labels import label, listed, plural

KINDS: Mapping[By, str] = {
    "rarity": "Training interactions of the target",
    "history": "Items in the history",
    "ties": "Whether the target has the timestamp of the item before it",
}
"""What tells the users of each kind of slice apart."""
SHOWN = ("candidates.NDCG@5", "full.NDCG@10")
"""Metrics of the plots."""
MEASURES: Mapping[str, str] = {
    "coverage": "share of the catalogue that is recommended to anybody",
    "popularity": "mean training interactions of what is recommended",
    "novelty": "mean surprise in bits: -log2 of the share of training users who chose it",
    "diversity": "mean distance of a list's genres",
    "gini": "inequality of how often items are recommended: 0 all alike, 1 one item only",
}
"""Measures of lists in a few words; ``docs/measures.md`` has the definitions and where they come from."""


@dataclass(frozen=True)
class Advantage:
    """A model against the teacher in one metric, slice by slice; slices without users are left out."""

    model: str
    teacher: str
    metric: str
    slices: tuple[tuple[str, int, Estimate], ...]
    """Name, users and paired difference of each."""


def metric_words(metric: str, report: Report) -> str:
    """``NDCG@5, 20 candidates`` for ``candidates.NDCG@5``."""
    section, _, name = metric.partition(".")
    return f"{name}, {section_words(section, report)}"


def slice_metrics(report: Report) -> list[str]:
    """Metrics that are told by slice, in the order of the report."""
    return next((list(figures) for part in report.slices for figures in part.models.values()), [])


def slice_table(report: Report, by: By, metric: str) -> ResultTable:
    """One metric of every model in the slices of one kind; a column's name says how many users are behind it."""
    parts = _parts(report, by)
    empty = [part.name for part in report.slices if part.by == by and not part.users]
    title = f"{metric_words(metric, report)}. {KINDS[by]}" + (f"; no users: {', '.join(empty)}" if empty else "")
    columns = [f"{part.name} ({plural(part.users, 'user')})" for part in parts]
    values = {row.name: [part.models[row.name][metric] for part in parts] for row in report.models}
    best = [max(column, key=lambda it: it.value).value for column in zip(*values.values(), strict=True)]
    return ResultTable(
        title,
        tuple(columns),
        tuple(
            TableRow(row.name, label(row.name), row.kind, tuple(cells(values[row.name], best))) for row in report.models
        ),
    )


def list_table(report: Report) -> ResultTable:
    """What the models' lists hold, beyond accuracy; none is marked as best, for more is not better here."""
    columns = tuple(dict.fromkeys(name for row in report.models for name in row.lists))
    rows = [
        TableRow(row.name, label(row.name), row.kind, tuple(_property(row.lists.get(name)) for name in columns))
        for row in report.models
    ]
    words = [f"{name}: {MEASURES[name.partition('@')[0]]}" for name in columns]
    return ResultTable("; ".join(words), columns, tuple(rows))


def _property(found: Measure | None) -> Cell:
    if found is None:
        return Cell("", None, None, None, best=False)
    return Cell(f"{found.value:.3f}", found.value, found.low, found.high, best=False)


def advantages(report: Report, by: By = "rarity") -> list[Advantage]:
    """Ours against the teacher in the metrics of :data:`SHOWN`; empty for reports of earlier versions."""
    parts, teacher = _parts(report, by), report.protocol_details.teacher
    return [
        Advantage(
            model, teacher, metric, tuple((part.name, part.users, part.differences[model][metric]) for part in parts)
        )
        for metric in SHOWN
        for model in subjects(report)
        if parts
    ]


def advantage_words(found: Advantage, report: Report) -> str:
    """Where the model is better, where worse, and where that cannot be told."""
    verdicts: dict[str, list[str]] = {"better": [], "worse": []}
    open_questions = []
    for name, _, it in found.slices:
        if it.low > 0 or it.high < 0:
            verdicts["better" if it.low > 0 else "worse"].append(name)
        else:
            open_questions.append(name)
    parts = [f"{word} at {listed(names)}" for word, names in verdicts.items() if names]
    if open_questions:
        parts.append(f"not to be told at {listed(open_questions)}")
    who = f"{label(found.model)} against {label(found.teacher)}, {metric_words(found.metric, report)}"
    return f"{who}: {'; '.join(parts)}"


def _parts(report: Report, by: By) -> Sequence[Slice]:
    return [part for part in report.slices if part.by == by and part.users]
