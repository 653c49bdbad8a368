"""``delrec reproduce``: the published tables from nothing, or anew from finished runs."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.errors import Cancelled, StudioError

if TYPE_CHECKING:
    from db.runs import Run
    from engine.config import RunConfig
    from engine.evaluate.falsify_record import Falsification
    from engine.evaluate.record import Experiment, Record
    from engine.run_folder import RunFolder

README = "README.md"
GOES_ON = "the same command, with --work or --write, goes on from here"
CHOICES = ("all", "readme", "results")


@click.command()
@click.option(
    "--what", default="all", show_default=True, metavar="WHAT", help="readme, results, all, or a table's name."
)
@click.option("--work", metavar="FOLDER", help="Where to do it from nothing, and to go on after a stop.")
@click.option("--write", is_flag=True, help="Make record and tables anew, from finished runs where there are any.")
@click.option("--tables", "tables_only", is_flag=True, help="Only check that the tables are those of the record.")
@click.option("--record", "file", metavar="FILE", help="The record; docs/results.json of this checkout by default.")
@click.pass_context
def command(
    context: click.Context, what: str, work: str | None, write: bool, tables_only: bool, file: str | None
) -> None:
    """Re-create the tables of README.md and docs/results.md, and compare.

    Runs everything that the record names (docs/results.json: presets, changes, seeds) in an empty data folder, takes
    the falsification tests that it names, and fails with exit code 1 where a figure leaves its recorded interval, or
    where a table is not that of the record.
    With --write the record and the tables are made from what is found: finished runs of this data folder with exactly
    these settings are taken as they are, others are run.
    """
    from rich.console import Console

    from engine.evaluate import published, record
    from engine.run_folder import write_text

    path = Path(file) if file else Path(__file__).resolve().parents[2] / "docs" / "results.json"
    known = record.read_record(path)
    chosen = _tables(known, what)
    console = Console(stderr=True)
    if write:
        for name in chosen:
            published.current(known, path.parent, name)  # marks that are missing are told before hours of work
        for key in known.needed(chosen):
            experiment = known.experiments[key]
            experiment.runs = [
                record.found(_finished(experiment, seed, console).report(), seed) for seed in experiment.seeds
            ]
            write_text(path, known.to_json())
        for key in known.needed_trials(chosen):
            known.trials[key].taken = _take(known, key, console)
            write_text(path, known.to_json())
        for name in chosen:
            published.publish(known, path.parent, name)
            click.echo(f"written: {known.tables[name].file}, {name}")
        return
    faults = [
        f"{known.tables[name].file}: the table {name!r} is not that of the record"
        for name in chosen
        if not published.current(known, path.parent, name)
    ]
    if not tables_only:
        with ExitStack() as stack:
            _data_folder(work or stack.enter_context(tempfile.TemporaryDirectory()))
            for key in known.needed(chosen):
                faults += _again(key, known.experiments[key], console)
            for key in known.needed_trials(chosen):
                faults += _taken_again(known, key, console)
    for fault in faults:
        click.echo(fault)
    click.echo(f"{len(faults)} departures from {path}" if faults else f"as recorded in {path}: {', '.join(chosen)}")
    if faults:
        context.exit(1)


def _tables(known: Record, what: str) -> list[str]:
    readme = [name for name, table in known.tables.items() if Path(table.file).name == README]
    parts = {"all": list(known.tables), "readme": readme, "results": [n for n in known.tables if n not in readme]}
    if what in parts:
        return parts[what]
    if what in known.tables:
        return [what]
    remedy = f"choose from {', '.join((*CHOICES, *known.tables))}"
    raise StudioError(f"there is no table {what!r}", where="--what", remedy=remedy)


def _again(key: str, experiment: Experiment, console: Any) -> list[str]:
    """Run an experiment as it is recorded; where it departs from that."""
    from engine.evaluate import record

    if not experiment.runs:
        return [f"{key}: nothing is recorded; make the record with --write"]
    faults = []
    for recorded in experiment.runs:
        new = record.found(_finished(experiment, recorded.seed, console).report(), recorded.seed)
        faults += [f"{key}, seed {recorded.seed}: {text}" for text in record.departures(recorded, new)]
    return faults


def _taken_again(known: Record, key: str, console: Any) -> list[str]:
    """Take the tests of a trial as they are recorded; where they depart from that."""
    from engine.evaluate import record

    recorded = known.trials[key].taken
    if not recorded:
        return [f"{key}: nothing is recorded; make the record with --write"]
    return [
        f"{key}, seed {before.seed}: {text}"
        for before, new in zip(recorded, _take(known, key, console), strict=True)
        for text in record.trial_departures(before, new)
    ]


def _take(known: Record, key: str, console: Any) -> list[Falsification]:
    """What the tests of a trial find: those that a run's folder has of these users, or else taken now."""
    from engine.evaluate.falsify import falsify
    from engine.evaluate.falsify_record import read_falsification
    from engine.models import Models
    from engine.monitor import Monitor
    from webapp.commands.falsify import shell_bars

    trial = known.trials[key]
    taken = []
    for seed in known.experiments[trial.experiment].seeds:
        run = _finished(known.experiments[trial.experiment], seed, console)
        found = read_falsification(run.path)
        if found is None or not found.covers(trial.users, trial.tests):
            console.print(f"Falsification tests of {run.run_id}, {trial.users} users", highlight=False)
            try:
                with shell_bars(console) as monitor:
                    models = Models.load(run, Monitor())
                    found = falsify(models, run, monitor, users=trial.users, tests=trial.tests, train=True)
            except (Cancelled, KeyboardInterrupt):
                raise Cancelled(GOES_ON) from None
        taken.append(found.only(trial.tests))
    return taken


def _finished(experiment: Experiment, seed: int, console: Any) -> RunFolder:
    """A run with these settings: one that is there, one that can be gone on with, or a new one."""
    from engine.places import settled
    from engine.run_folder import RunFolder
    from jobs import api
    from webapp.commands._progress import shell_monitor

    config = settled(experiment.config(seed))

    def same() -> list[Run]:
        return [run for run in api.runs() if _settings(run.config) == config]

    if not any(run.state == "done" for run in same()):
        console.print(experiment.command(seed), markup=False, highlight=False, soft_wrap=True)
        resumable = next((run.id for run in same() if run.resumable), None)
        try:
            with shell_monitor(console) as monitor:
                if resumable:
                    api.resume_in_foreground(resumable, monitor)
                else:
                    api.run_in_foreground(config, experiment.preset, None, monitor)
        except (Cancelled, KeyboardInterrupt):
            raise Cancelled(GOES_ON) from None
    return RunFolder.open(next(run.folder for run in same() if run.state == "done"))


def _settings(values: dict[str, Any]) -> RunConfig | None:
    """A run's settings, with today's defaults for those that it does not know; ``None`` if they mean nothing today."""
    from engine.settings import make_config

    try:
        return make_config(values)
    except StudioError:
        return None


def _data_folder(folder: str) -> None:
    """Take this data folder, and the database and queue in it."""
    os.environ["DELREC_HOME"] = str(Path(folder).absolute())
    for name in ("DELREC_DATABASE_URL", "DELREC_QUEUE_URL"):
        os.environ.pop(name, None)
