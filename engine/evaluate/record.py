"""The record behind published tables: which runs made them, what they found, and whether new runs find the same.

``results.json`` names *experiments* (a preset with changes, and seeds), *trials* (falsification tests of their runs)
and *tables* (which of their figures stand between which marks of which file). Figures are filled in from finished runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.config import RunConfig
from engine.errors import StudioError
from engine.evaluate.falsify_record import Falsification
from engine.evaluate.render import told
from engine.evaluate.report import Comparison, Estimate, Report
from engine.settings import command_line, load_config

COLUMNS = ("candidates.HR@1", "candidates.HR@5", "candidates.NDCG@5", "full.HR@10", "full.NDCG@10")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Found(_Part):
    """What one run found."""

    seed: int
    dataset: str
    protocol: str
    users: int
    candidates: int
    teacher: str
    minutes: float
    models: dict[str, dict[str, Estimate]]
    """Figures such as ``candidates.HR@1`` by model."""
    comparisons: list[Comparison]
    """Paired differences of the rows that are ours with the teacher and with each other."""


class Experiment(_Part):
    """A preset with changes, run once for each seed."""

    preset: str
    overrides: list[str] = []
    """``name=value``, as for ``--set``."""
    seeds: list[int] = [0]
    runs: list[Found] = []
    """Empty until it was run."""

    def config(self, seed: int) -> RunConfig:
        """The settings of one of its runs."""
        return load_config(self.preset, overrides=[*self.overrides, f"seed={seed}"])

    def command(self, seed: int) -> str:
        """The shell command of one of its runs."""
        return command_line(self.config(seed), self.preset)


class Trial(_Part):
    """Falsification tests of an experiment's runs, beside prompts that are distilled for them."""

    experiment: str
    users: int
    tests: list[int]
    taken: list[Falsification] = []
    """One for each seed; empty until they were taken."""


class TableRow(_Part):
    """A row that names its experiment: for ablations, whose rows come from different ones."""

    label: str
    experiment: str
    model: str


class Table(_Part):
    """Where figures stand: between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` of ``file``."""

    file: str
    """Relative to the record's folder."""
    experiment: str = ""
    """All models of this experiment, with what is claimed of ours ..."""
    rows: list[TableRow] = []
    """... or chosen rows of several ..."""
    trials: list[str] = []
    """... or what trials decided."""
    columns: list[str] = list(COLUMNS)
    """Of trials: measures whose figures, and all of whose differences, are shown beside what decides."""


class Record(_Part):
    """The object in ``results.json``."""

    experiments: dict[str, Experiment]
    trials: dict[str, Trial] = {}
    tables: dict[str, Table]

    def needed(self, tables: list[str]) -> list[str]:
        """Experiments whose figures stand in these tables, in the record's order."""
        wanted = {row.experiment for name in tables for row in self.tables[name].rows}
        wanted |= {self.tables[name].experiment for name in tables}
        return [name for name in self.experiments if name in wanted]

    def needed_trials(self, tables: list[str]) -> list[str]:
        """Trials behind these tables, in the record's order."""
        wanted = {trial for name in tables for trial in self.tables[name].trials}
        return [name for name in self.trials if name in wanted]

    def missing(self, table: str) -> list[str]:
        """What was not run yet of what a table needs."""
        return [
            *(name for name in self.needed([table]) if not self.experiments[name].runs),
            *(name for name in self.needed_trials([table]) if not self.trials[name].taken),
        ]

    def to_json(self) -> str:
        """The text of ``results.json``."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def read_record(path: Path) -> Record:
    """Read ``results.json``.

    Raises:
        StudioError: it is missing, damaged, or a table names what the record lacks.
    """
    try:
        record = Record.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError:
        remedy = "call it in a checkout of the sources, or name the file: --record docs/results.json"
        raise StudioError("no record of results here", where=str(path), remedy=remedy) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise StudioError(f"{first['msg']} ({place})", where=str(path), remedy="mend the record") from None
    for name, table in record.tables.items():
        named = {row.experiment for row in table.rows} or ({table.experiment} if not table.trials else set())
        if unknown := sorted(named - record.experiments.keys()):
            raise StudioError(f"table {name!r} names no experiment {unknown[0]!r}", where=str(path), remedy="mend it")
        if unknown := sorted(set(table.trials) - record.trials.keys()):
            raise StudioError(f"table {name!r} names no trial {unknown[0]!r}", where=str(path), remedy="mend it")
    for name, trial in record.trials.items():
        if trial.experiment not in record.experiments:
            raise StudioError(
                f"trial {name!r} names no experiment {trial.experiment!r}", where=str(path), remedy="mend it"
            )
    return record


def found(metrics: dict[str, Any], seed: int) -> Found:
    """What of ``metrics.json`` is recorded."""
    report = Report.model_validate(metrics)
    return Found(
        seed=seed,
        dataset=report.dataset,
        protocol=report.protocol,
        users=report.users,
        candidates=report.protocol_details.candidates,
        teacher=report.protocol_details.teacher,
        minutes=round(sum(stage.seconds for stage in report.stages) / 60, 1),
        models={
            row.name: {
                f"{section}.{metric}": estimate
                for section in ("candidates", "full", "agreement")
                for metric, estimate in getattr(row, section).items()
            }
            for row in report.models
        },
        comparisons=told(report),
    )


def departures(recorded: Found, new: Found) -> Iterator[str]:
    """Figures of ``new`` outside their recorded intervals, and what is missing, each in one line."""
    for model, figures in recorded.models.items():
        for name, interval in figures.items():
            value = new.models.get(model, {}).get(name)
            yield from _departure(f"{model} {name}", interval, None if value is None else value.value)
    again = {(c.a, c.b, c.metric): c.difference for c in new.comparisons}
    for c in recorded.comparisons:
        interval = Estimate(value=c.difference, low=c.low, high=c.high)
        yield from _departure(f"{c.a} minus {c.b} {c.metric}", interval, again.get((c.a, c.b, c.metric)))


def trial_departures(recorded: Falsification, new: Falsification) -> Iterator[str]:
    """The same for the figures and differences of falsification tests."""
    again = {finding.number: finding for finding in new.findings}
    for finding in recorded.findings:
        for part in ("figures", "claims"):
            found = {(it.name, it.measure): it.value for it in getattr(again.get(finding.number), part, [])}
            for it in getattr(finding, part):
                interval = Estimate(value=it.value, low=it.low, high=it.high)
                name = f"test {finding.number}, {it.name} {it.measure}"
                yield from _departure(name, interval, found.get((it.name, it.measure)))


def _departure(name: str, interval: Estimate, value: float | None) -> Iterator[str]:
    if value is None:
        yield f"{name} is missing"
    elif not interval.low <= value <= interval.high:
        yield f"{name} is {value:.4f}, recorded {interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
