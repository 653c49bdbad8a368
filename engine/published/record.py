"""The record behind published tables: which runs made them, and what they found.

``results.json`` names *experiments* (a preset with changes, and seeds), *trials* (falsification tests of their runs)
and *tables* (which of their figures stand between which marks of which file). Figures are filled in from finished runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from engine.config import RunConfig
from engine.config_base import FrozenModel
from engine.data.description import Description
from engine.errors import StudioError
from engine.evaluate.render import headline_comparisons
from engine.evaluate.report import Comparison, Estimate, Report
from engine.falsify.record import COMPARING, Falsification
from engine.settings import command_line, load_config

FOLDER = "FOLDER"
"""Stands in commands for the folder that ``--data`` names."""
COLUMNS = ("candidates.HR@1", "candidates.HR@5", "candidates.NDCG@5", "full.HR@10", "full.NDCG@10")


class _Editable(FrozenModel):
    model_config = ConfigDict(frozen=False)  # what is measured anew takes its place


class Rarity(_Editable):
    """Test users whose target has so many training interactions."""

    name: str
    users: int
    models: dict[str, dict[str, Estimate]]
    """As in :class:`PublishedRun`; empty without users."""


class DataFacts(_Editable):
    """Of a run in a table of data sets: its data, what it cost, and for whom its models are good."""

    users: int
    items: int
    interactions: int
    density: float
    rare_targets: float
    """Share of the users whose last item has fewer than five training interactions."""
    seconds: dict[str, float]
    """By stage."""
    memory_mb: float
    rarity: list[Rarity]


class PublishedRun(_Editable):
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
    data: DataFacts | None = Field(None, exclude_if=lambda facts: facts is None)


class PublishedExperiment(_Editable):
    """A preset with changes, run once for each seed."""

    preset: str
    overrides: list[str] = Field(default=[])
    """``name=value``, as for ``--set``."""
    seeds: list[int] = Field(default=[0])
    title: str = Field("", exclude_if=lambda text: not text)
    """What its data are called in a table of data sets."""
    files: str = Field("", exclude_if=lambda name: not name)
    """Where its data lie in the folder that ``--data`` names; empty where they need no such folder."""
    runs: list[PublishedRun] = Field(default=[])
    """Empty until it was run."""

    def config(self, seed: int, folder: str | None = None) -> RunConfig:
        """The settings of one of its runs, with the data in ``folder``.

        Raises:
            StudioError: its data lie in a folder that is not named.
        """
        files = []
        if self.files:
            if folder is None:
                remedy = (
                    f"name the folder in which {self.files} lies; 'delrec data list' says where data sets come from"
                )
                raise StudioError("its data are not fetched by themselves", where="--data", remedy=remedy)
            files = [f"data.path={Path(folder) / self.files}"]
        return load_config(self.preset, overrides=[*self.overrides, *files, f"seed={seed}"])

    def command(self, seed: int) -> str:
        """The shell command of one of its runs."""
        return command_line(self.config(seed, FOLDER), self.preset)

    def commands(self) -> str:
        """The shell command of its run, or of all of them with ``seed=N``."""
        first = self.command(self.seeds[0])
        if len(self.seeds) == 1:
            return first
        return f"{self.model_copy(update={'seeds': [0]}).command(0)} --set seed=N"

    def means(self, model: str) -> dict[str, Estimate]:
        """Over seeds, see :func:`mean`."""
        return mean([run.models[model] for run in self.runs])


class PublishedFalsification(_Editable):
    """Falsification tests of an experiment's runs."""

    experiment: str
    users: int
    tests: list[int]
    taken: list[Falsification] = Field(default=[])
    """One for each seed; empty until they were taken."""

    @property
    def trains(self) -> bool:
        """Whether prompts to compare with are distilled for them: not all tests have a use for them."""
        return not COMPARING.isdisjoint(self.tests)


class PublishedTableRow(_Editable):
    """A row that names its experiment: for ablations, whose rows come from different ones."""

    label: str
    experiment: str
    model: str


class PublishedTable(_Editable):
    """Where figures stand: between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` of ``file``."""

    file: str
    """Relative to the record's folder."""
    experiment: str = ""
    """All models of this experiment, with what is claimed of ours ..."""
    rows: list[PublishedTableRow] = Field(default=[])
    """... or chosen rows of several ..."""
    trials: list[str] = Field(default=[])
    """... or what trials decided ..."""
    data: list[str] = Field([], exclude_if=lambda names: not names)
    """... or teachers and counts on several data sets, an experiment for each, those too that were not run yet."""
    columns: list[str] = Field(default=list(COLUMNS))
    """Of trials: measures whose figures, and all of whose differences, are shown beside what decides."""


class PublishedRecord(_Editable):
    """The object in ``results.json``."""

    experiments: dict[str, PublishedExperiment]
    trials: dict[str, PublishedFalsification] = Field(default={})
    tables: dict[str, PublishedTable]

    def needed(self, tables: list[str]) -> list[str]:
        """Experiments whose figures stand in these tables, in the record's order."""
        names = {row.experiment for name in tables for row in self.tables[name].rows}
        names |= {self.tables[name].experiment for name in tables} | {
            it for name in tables for it in self.tables[name].data
        }
        return [name for name in self.experiments if name in names]

    def needed_trials(self, tables: list[str]) -> list[str]:
        """Trials behind these tables, in the record's order."""
        trials = {trial for name in tables for trial in self.tables[name].trials}
        return [name for name in self.trials if name in trials]

    def asked(self, experiments: Iterable[str], trials: Iterable[str]) -> set[str]:
        """Experiments whose runs are used: these, and those of the trials."""
        return {*experiments, *(self.trials[name].experiment for name in trials)}

    def seeds(self, experiment: str, only: Collection[int] | None) -> list[int]:
        """Those of an experiment's seeds that are among ``only``; ``None``: all."""
        return [seed for seed in self.experiments[experiment].seeds if only is None or seed in only]

    def record_run(self, experiment: str, run: PublishedRun) -> None:
        """Put what a run found in the place of what was found with its seed."""
        of = self.experiments[experiment]
        of.runs = _replaced(of.runs, run, of.seeds)

    def record_trial(self, trial: str, found: Falsification) -> None:
        """Put what tests of a run found in the place of what was found with its seed."""
        of = self.trials[trial]
        of.taken = _replaced(of.taken, found, self.experiments[of.experiment].seeds)

    def missing(self, table: str) -> list[str]:
        """What was not run yet of what a table needs."""
        return [
            *(name for name in self.needed([table]) if not self.experiments[name].runs),
            *(name for name in self.needed_trials([table]) if not self.trials[name].taken),
        ]


_OfSeed = TypeVar("_OfSeed", PublishedRun, Falsification)


def _replaced(recorded: list[_OfSeed], new: _OfSeed, seeds: list[int]) -> list[_OfSeed]:
    """In the order of the seeds, without what has none of them."""
    by_seed = {it.seed: it for it in recorded} | {new.seed: new}
    return [by_seed[seed] for seed in seeds if seed in by_seed]


def read_record(path: Path) -> PublishedRecord:
    """Read ``results.json``.

    Raises:
        StudioError: it is missing, damaged, or a table names what the record lacks.
    """
    try:
        record = PublishedRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError:
        remedy = "call it in a checkout of the sources, or name the file: --record docs/results.json"
        raise StudioError("no record of results here", where=str(path), remedy=remedy) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise StudioError(f"{first['msg']} ({place})", where=str(path), remedy="mend the record") from None
    for name, table in record.tables.items():
        named = {row.experiment for row in table.rows} | {*table.data}
        named = named or ({table.experiment} if not table.trials else set())
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


def mean(of_seeds: list[dict[str, Estimate]]) -> dict[str, Estimate]:
    """Of figures that all have: means of values and of the intervals' ends, wider than a mean's own interval."""
    ends = ("value", "low", "high")
    return {
        name: Estimate(**{end: sum(getattr(each[name], end) for each in of_seeds) / len(of_seeds) for end in ends})
        for name in of_seeds[0]
        if all(name in each for each in of_seeds)
    }


def found(metrics: dict[str, Any], seed: int, about: Description | None = None) -> PublishedRun:
    """What of ``metrics.json`` is recorded; ``about``: of its data, where those stand in the table too."""
    report = Report.model_validate(metrics)
    return PublishedRun(
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
        comparisons=headline_comparisons(report),
        data=_facts(report, about) if about else None,
    )


def _facts(report: Report, about: Description) -> DataFacts:
    return DataFacts(
        **{name: getattr(about, name) for name in ("users", "items", "interactions", "density", "rare_targets")},
        seconds={stage.name: stage.seconds for stage in report.stages},
        memory_mb=report.peak_memory_mb,
        rarity=[
            Rarity(name=part.name, users=part.users, models=part.models)
            for part in report.slices
            if part.by == "rarity"
        ],
    )
