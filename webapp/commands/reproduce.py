"""``delrec reproduce``: the published tables from nothing, or anew from finished runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.errors import Cancelled, StudioError
from engine.labels import plural

if TYPE_CHECKING:
    from rich.console import Console

    from engine.config import RunConfig
    from engine.falsify.record import Falsification
    from engine.published.record import PublishedRecord, PublishedRun
    from engine.run_folder import RunFolder
    from jobs.records import Run

README = "README.md"
GOES_ON = "the same command, with --work or --write, goes on from here"
CHOICES = ("all", "readme", "results")


@click.command()
@click.argument("report", required=False, metavar="[FILE]")
@click.option(
    "--what",
    default="all",
    show_default=True,
    metavar="WHAT",
    help="readme, results, all, a table's name, or an experiment's.",
)
@click.option("--work", metavar="FOLDER", help="Where to do it from nothing, and to go on after a stop.")
@click.option(
    "--seeds", "seed_text", metavar="LIST", help="Only these, such as 0-2 or 2; what is recorded of others stays."
)
@click.option("--write", is_flag=True, help="Make record and tables anew, from finished runs where there are any.")
@click.option("--tables", "tables_only", is_flag=True, help="Only check that the tables are those of the record.")
@click.option(
    "--data", metavar="FOLDER", help="Where data sets lie that are not fetched; else their tables are left out."
)
@click.option("--record", "file", metavar="FILE", help="The record; docs/results.json of this checkout by default.")
@click.pass_context
def command(
    context: click.Context,
    report: str | None,
    what: str,
    work: str | None,
    seed_text: str | None,
    write: bool,
    tables_only: bool,
    data: str | None,
    file: str | None,
) -> None:
    """Re-create the tables of README.md and docs/results.md, and compare.

    Runs everything that the record names (docs/results.json: presets, changes, seeds) in an empty data folder, takes
    the falsification tests that it names, and fails with exit code 1 where a figure leaves its recorded interval, or
    where a table is not that of the record.
    With FILE, a report of 'delrec experiment report', its runs are made again instead, and compared alike.
    With --write the record and the tables are made from what is found: finished runs of this data folder with exactly
    these settings are taken as they are, others are run.
    """
    from rich.console import Console

    from engine.experiment.templates import seeds
    from engine.published import embedded, record, tables
    from engine.whole_files import write_text

    path = Path(file) if file else Path(__file__).resolve().parents[2] / "docs" / "results.json"
    if report is not None:
        if clash := next((name for name in ("what", "write", "tables_only", "file") if _said(context, name)), None):
            option = {"tables_only": "--tables", "file": "--record"}.get(clash, f"--{clash}")
            raise StudioError(f"{option} does not go with a report", where=option, remedy="leave it out")
        path = Path(report)
    known = embedded.read_report(path) if report is not None else record.read_record(path)
    console = Console(stderr=True)
    chosen = _tables(known, what)
    only = seeds(seed_text) if seed_text is not None else None
    runs = _Runs(known, data, console)
    if not tables_only:
        chosen = runs.possible(chosen, what)
    experiments, trials = known.needed(chosen), known.needed_trials(chosen)
    if report is not None:
        experiments = list(known.experiments)
    elif what in known.experiments and what not in known.tables:
        experiments, trials = [what], []
    asked = known.asked(experiments, trials)
    if only is not None and not any(known.seeds(key, only) for key in asked):
        there = sorted({seed for key in asked for seed in known.experiments[key].seeds})
        remedy = f"choose from {', '.join(map(str, there))}"
        raise StudioError(f"nothing of {what} was run with seed {seed_text}", where="--seeds", remedy=remedy)
    if write:
        for name in chosen:
            tables.current(known, path.parent, name)  # marks that are missing are told before hours of work
        for key in experiments:
            for seed in known.seeds(key, only):
                known.record_run(key, runs.found(key, seed))
                write_text(path, known.to_json())
        for key in trials:
            for seed in known.seeds(known.trials[key].experiment, only):
                known.record_trial(key, runs.taken(key, seed))
                write_text(path, known.to_json())
        for name in chosen:
            tables.publish(known, path.parent, name)
            click.echo(f"written: {known.tables[name].file}, {name}")
        return
    faults = [
        f"{known.tables[name].file}: the table {name!r} is not that of the record"
        for name in chosen
        if not tables.current(known, path.parent, name)
    ]
    if not tables_only:
        with ExitStack() as stack:
            _data_folder(work or stack.enter_context(tempfile.TemporaryDirectory()))
            for key in experiments:
                faults += runs.again(key, only)
            for key in trials:
                faults += runs.taken_again(key, only)
    for fault in faults:
        click.echo(fault)
    click.echo(
        f"{plural(len(faults), 'departure')} from {path}"
        if faults
        else f"as recorded in {path}: {', '.join(chosen or known.experiments)}"
    )
    if faults:
        context.exit(1)


def _said(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _tables(known: PublishedRecord, what: str) -> list[str]:
    readme = [name for name, table in known.tables.items() if Path(table.file).name == README]
    parts = {"all": list(known.tables), "readme": readme, "results": [n for n in known.tables if n not in readme]}
    if what in parts:
        return parts[what]
    if what in known.tables:
        return [what]
    if what in known.experiments:
        return [name for name in known.tables if what in known.needed([name])]
    remedy = f"choose from {', '.join(dict.fromkeys((*CHOICES, *known.tables, *known.experiments)))}"
    raise StudioError(f"there is no table or experiment {what!r}", where="--what", remedy=remedy)


class _Runs:
    """The runs of a record's experiments: there, gone on with, or made."""

    def __init__(self, known: PublishedRecord, data: str | None, console: Console) -> None:
        """``data``: the folder of data sets that are not fetched."""
        self.known, self.data, self.console = known, data, console

    def possible(self, tables: list[str], what: str) -> list[str]:
        """Those of the tables whose data can be had; one that is asked for by its name is not left out."""
        known = self.known
        asked = {it: known.asked(known.needed([it]), known.needed_trials([it])) for it in tables}
        far = {it for it in tables if any(known.experiments[key].files for key in asked[it])}
        if self.data is not None or what not in CHOICES or not far:
            return tables
        self.console.print(f"left out without --data: {', '.join(sorted(far))}", highlight=False)
        return [name for name in tables if name not in far]

    def found(self, key: str, seed: int) -> PublishedRun:
        """What a run found."""
        from engine.data.description import describe
        from engine.monitor import Monitor
        from engine.published.record import found
        from engine.run_data import run_dataset

        run = self.finished(key, seed)
        published = any(key in table.data for table in self.known.tables.values())
        about = describe(run_dataset(run, run.config(), Monitor()), run.config().data) if published else None
        return found(run.report(), seed, about)

    def again(self, key: str, only: Collection[int] | None) -> list[str]:
        """Run an experiment as it is recorded, of its seeds ``only`` these; where it departs from that."""
        from engine.published.departures import departures

        recorded = self.known.experiments[key].runs
        if not recorded:
            return [f"{key}: nothing is recorded; make the record with --write"]
        return [
            f"{key}, seed {before.seed}: {text}"
            for before in recorded
            if only is None or before.seed in only
            for text in departures(before, self.found(key, before.seed))
        ]

    def taken_again(self, key: str, only: Collection[int] | None) -> list[str]:
        """Take the tests of a trial as they are recorded, of its seeds ``only`` these; where they depart from that."""
        from engine.published.departures import trial_departures

        recorded = self.known.trials[key].taken
        if not recorded:
            return [f"{key}: nothing is recorded; make the record with --write"]
        return [
            f"{key}, seed {before.seed}: {text}"
            for before in recorded
            if only is None or before.seed in only
            for text in trial_departures(before, self.taken(key, before.seed))
        ]

    def taken(self, key: str, seed: int) -> Falsification:
        """What the tests of a trial find: those that a run's folder has of these users, or else taken now."""
        from engine.falsify.record import read_falsification
        from engine.falsify.suite import falsify
        from engine.models import Models
        from engine.monitor import Monitor
        from webapp.commands.falsify import shell_bars

        trial = self.known.trials[key]
        run = self.finished(trial.experiment, seed)
        found = read_falsification(run)
        if found is None or not found.covers(trial.users, trial.tests):
            self.console.print(f"Falsification tests of {run.run_id}, {plural(trial.users, 'user')}", highlight=False)
            try:
                with shell_bars(self.console) as monitor:
                    models = Models.load(run, Monitor())
                    found = falsify(models, run, monitor, users=trial.users, tests=trial.tests, train=trial.trains)
            except (Cancelled, KeyboardInterrupt):
                raise Cancelled(GOES_ON) from None
        return found.only(trial.tests)

    def finished(self, key: str, seed: int) -> RunFolder:
        """A run with these settings: one that is there, one that can be gone on with, or a new one."""
        from engine.locations import settled
        from engine.run_folder import RunFolder
        from engine.settings import command_line
        from jobs import api
        from webapp.commands._progress import shell_monitor

        experiment = self.known.experiments[key]
        config = settled(experiment.config(seed, self.data))

        def same() -> list[Run]:
            return [run for run in api.runs() if _settings(run.config) == config]

        def done() -> Run | None:
            return next((run for run in same() if run.state == "done"), None)

        run = done()
        if run is None:
            command = command_line(config, experiment.preset)
            self.console.print(command, markup=False, highlight=False, soft_wrap=True)
            resumable = next((run.id for run in same() if run.resumable), None)
            try:
                with shell_monitor(self.console) as monitor:
                    if resumable:
                        api.resume_in_foreground(resumable, monitor)
                    else:
                        api.run_in_foreground(config, experiment.preset, None, monitor)
            except (Cancelled, KeyboardInterrupt):
                raise Cancelled(GOES_ON) from None
            run = done()
        if run is None:
            what = f"the run of {key}, seed {seed}, was deleted while it was needed"
            raise StudioError(what, where=key, remedy="call this again, and it is made anew")
        return RunFolder.open(run.folder)


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
