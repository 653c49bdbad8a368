"""Published tables: what a record says, in Markdown, between the marks of a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from engine.errors import StudioError
from engine.evaluate.render import figure_cell, signed
from engine.evaluate.report import Estimate
from engine.labels import label
from engine.published import data, trials
from engine.published.record import PublishedExperiment, PublishedRecord, PublishedRun, PublishedTable
from engine.whole_files import write_text

PROTOCOLS = {"candidates": "{} candidates", "full": "full", "agreement": "agreement"}


def markdown(record: PublishedRecord, name: str) -> str:
    """The table called ``name``, and what is to be said with it. Runs that are missing are said to be."""
    table = record.tables[name]
    if table.data:
        return data.markdown(record, table)
    if missing := record.missing(name):
        return f"Not yet run: {', '.join(missing)}."
    if table.trials:
        return trials.markdown(record, table)
    if table.rows:
        picked = [(row.label, record.experiments[row.experiment], row.model) for row in table.rows]
        lines = _table(table, [(text, experiment.means(model)) for text, experiment, model in picked])
        commands = [f"- {row.label}: `{record.experiments[row.experiment].commands()}`" for row in table.rows]
        first = picked[0][1]
        return "\n".join([*lines, "", _about(first), "", *dict.fromkeys(commands)])
    experiment = record.experiments[table.experiment]
    models = list(experiment.runs[0].models)
    lines = _table(table, [(label(model), experiment.means(model)) for model in models], experiment.runs[0])
    return "\n".join([*lines, "", *differences(experiment), "", _about(experiment), "", f"`{experiment.commands()}`"])


def differences(experiment: PublishedExperiment) -> list[str]:
    """A row for each two models that are compared, a column for each metric; all seeds side by side."""
    run = experiment.runs[0]
    pairs = dict.fromkeys((found.a, found.b) for found in run.comparisons)
    metrics = dict.fromkeys(found.metric for found in run.comparisons)
    lines = [f"| Paired difference | {' | '.join(_column(metric, run) for metric in metrics)} |"]
    lines.append(f"|---|{'---|' * len(metrics)}")
    for a, b in pairs:
        cells = (_difference(experiment, a, b, metric) for metric in metrics)
        lines.append(f"| {label(a)} − {label(b)} | {' | '.join(cells)} |")
    rule = " with every seed" if len(experiment.runs) > 1 else "; else there is no significant difference"
    return [*lines, "", f"**Bold**: better or worse{rule}."]


def _difference(experiment: PublishedExperiment, a: str, b: str, metric: str) -> str:
    compared = (c for run in experiment.runs for c in run.comparisons)
    seeds = [c for c in compared if (c.a, c.b, c.metric) == (a, b, metric)]
    agree = all(c.low > 0 for c in seeds) or all(c.high < 0 for c in seeds)
    bold = "**" if agree and len(seeds) == len(experiment.runs) else ""
    shown = (f"{bold}{signed(c.difference)}{bold} [{signed(c.low)}, {signed(c.high)}]" for c in seeds)
    return "; ".join(shown) or "–"


def current(record: PublishedRecord, folder: Path, name: str) -> bool:
    """Whether the file holds the table as the record has it."""
    table = record.tables[name]
    return _block(folder / table.file, name)[1].strip() == markdown(record, name).strip()


def publish(record: PublishedRecord, folder: Path, name: str) -> None:
    """Put the table into its file.

    Raises:
        StudioError: the file lacks the marks, or cannot be read.
    """
    path = folder / record.tables[name].file
    before, _, after = _block(path, name)
    write_text(path, f"{before}\n{markdown(record, name)}\n{after}")


def _block(path: Path, name: str) -> tuple[str, str, str]:
    """The file's text up to the first mark, between the marks, and from the second on."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StudioError(f"cannot read it: {error.strerror}", where=str(path), remedy="mend the record") from None
    parts = re.split(f"({re.escape(begin)}|{re.escape(end)})", text)
    if len(parts) != 5 or parts[1] != begin:
        raise StudioError(f"the marks of {name!r} are missing", where=str(path), remedy=f"write {begin} and {end}")
    return parts[0] + begin, parts[2], end + parts[4]


def _table(
    table: PublishedTable, rows: Sequence[tuple[str, dict[str, Estimate]]], run: PublishedRun | None = None
) -> list[str]:
    best = {column: max(figures[column].value for _, figures in rows) for column in table.columns}
    head = [_column(column, run) for column in table.columns]
    lines = [f"| | {' | '.join(head)} |", f"|---|{'---|' * len(head)}"]
    for name, figures in rows:
        cells = (figure_cell(figures[column], figures[column].value == best[column]) for column in table.columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _column(name: str, run: PublishedRun | None) -> str:
    section, _, metric = name.partition(".")
    return f"{metric}, {PROTOCOLS[section].format(run.candidates if run else 'sampled')}"


def _about(experiment: PublishedExperiment) -> str:
    run = experiment.runs[0]
    minutes = " or ".join(dict.fromkeys(f"{run.minutes:.0f}" for run in experiment.runs))
    seeds = ", ".join(str(run.seed) for run in experiment.runs)
    several = (
        f"Means over seeds {seeds}, as are the ends of the intervals" if len(experiment.runs) > 1 else f"Seed {seeds}"
    )
    return f"{several}; {run.dataset}, {run.users} test users; {minutes} minutes a run. {run.protocol}."
