"""``delrec falsify``: was the pattern distilled? Six tests that could show that it was not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from engine.errors import StudioError
from engine.labels import label
from webapp.commands._options import (
    check_processes,
    echo_note,
    find_run,
    finished_run,
    target_file,
    users_processes_option,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from engine.falsify.controls import Other
    from engine.falsify.record import Falsification, Figure, Finding
    from engine.monitor import Monitor

STYLES = {"passed": "bold green", "failed": "bold red", "not decided": "bold yellow"}


@click.command()
@click.option("--run", "reference", required=True, metavar="RUN", help="A finished run: id, its beginning, or name.")
@click.option("--users", default=300, show_default=True, help="Test users to ask; always the same ones.")
@click.option("--tests", default="1,2,3,4,5,6", show_default=True, metavar="LIST", help="Which tests to take.")
@click.option("--other", metavar="TEACHER|RUN", help="Whose prompt to compare with: that of a teacher, or of a run.")
@click.option("--train", is_flag=True, help="Distil two prompts to compare with: another teacher's, and random lists'.")
@users_processes_option
@click.option("--json", "file", metavar="FILE", help="Write the results to FILE too.")
def command(
    reference: str, users: int, tests: str, other: str | None, train: bool, file: str | None, processes: int | None
) -> None:
    """Was the pattern distilled? Six tests that could show that it was not, on held-out users.

    Each states what would have to be seen, and says: passed, failed, or not decided. Without --train or --other the
    first one has nothing to compare with; --train takes twice as long as the run's stage 1 (and a teacher's training),
    or as long where --other names a run, once: the prompts are kept. The tests themselves ask about 30 prompts per
    user. Ctrl-C stops; called again, the command goes on from there. Results go into the run's folder as
    falsification.json.
    """
    found = finished_run(reference, "test a finished run")
    numbers = _numbers(tests)
    other_prompt = _other_prompt(other) if other else None
    check_processes(processes, found)
    target = target_file(file)
    echo_note(found)

    from rich.console import Console

    from engine.falsify import suite
    from engine.falsify.controls import training_minutes
    from engine.models import Models
    from engine.monitor import Monitor
    from engine.run_folder import RunFolder
    from engine.whole_files import write_text
    from jobs import process_group

    run = RunFolder.open(found.folder)
    console = Console(stderr=True)
    models = Models.load(run, Monitor())
    cost = _duration(training_minutes(models, run, other_prompt))
    with shell_bars(console) as monitor:
        if train:
            monitor.message(f"Distils what it compares with, unless it is there: {cost}.")
        task = "jobs.process_group:falsify", (str(run.path), users, numbers, other_prompt, train)
        with process_group.working(models.config, run.path, processes or 1, _give_up, task=task):
            record = suite.falsify(models, run, monitor, users=users, tests=numbers, other=other_prompt, train=train)
    if target is not None:
        write_text(target, record.to_json())
    show(record, Console())
    if 1 in numbers and not record.controls:
        console.print(f"Test 1 wants prompts to compare with: --train distils them ({cost}).", soft_wrap=True)


def _give_up(reason: str, remedy: str) -> None:
    click.echo(f"{reason} — {remedy}", err=True)


def _other_prompt(name: str) -> Other:
    from engine.architectures import ARCHITECTURES
    from engine.run_folder import RunFolder

    return name if name in ARCHITECTURES else RunFolder.open(find_run(name).folder)


def _duration(minutes: float) -> str:
    return f"about {minutes:.0f} min" if minutes >= 1 else "less than a minute"


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise StudioError(f"{text!r} is no list of numbers", where="--tests", remedy="write e.g. --tests 1,4") from None


@contextmanager
def shell_bars(console: Console) -> Iterator[Monitor]:
    """A bar for each training and each test; plain lines where there is no terminal."""
    from rich.progress import Progress, TaskID

    from engine.monitor import Monitor, StageState

    with Progress(console=console, redirect_stdout=False) as bars:
        tasks: dict[str, TaskID] = {}

        class Bars(Monitor):
            def stage(
                self, name: str, state: StageState, *, total: int = 0, unit: str = "step", seconds: float = 0.0
            ) -> None:
                if state == "running":
                    tasks[name] = bars.add_task(_title(name), total=total or None)
                elif not console.is_terminal:
                    self.message(f"{_title(name)} done")

            def progress(self, stage: str, done: int, total: int) -> None:
                if stage in tasks:
                    bars.update(tasks[stage], completed=done, total=total)

            def message(self, text: str) -> None:
                bars.console.print(text, soft_wrap=True, markup=False, highlight=False)

        yield Bars()


def _title(stage: str) -> str:
    kind, _, detail = stage.partition(":")
    words = {"falsify": "Test", "teacher": "Train", "distil": "Distil from"}
    return f"{words[kind]} {label(detail)}" if kind in words else stage


def show(record: Falsification, console: Console) -> None:
    """One table per test, and the verdicts."""
    from rich.text import Text

    from engine.evaluate.render import readable

    console.print(
        Text(
            f"{record.dataset}, teacher {label(record.teacher)}, {record.users} of {record.users_available} test "
            f"users, {record.candidates} candidates, seed {record.seed}"
        )
    )
    for name, source in record.controls.items():
        console.print(Text(f"{name}: {source}", style="dim"))
    for finding in record.findings:
        console.print(Text(f"\n{finding.number}. {finding.title}", style="bold"))
        console.print(Text(finding.question, style="italic"))
        console.print(_figures(finding))
        console.print(_claims(finding))
        missing = [readable(part) for part in finding.because.split("; ") if part.startswith("not compared")]
        console.print(
            Text.assemble((finding.verdict.capitalize(), STYLES[finding.verdict]), *map(": {}".format, missing))
        )
    console.print(Text(f"\n{record.rules}", style="dim"))


def _figures(finding: Finding) -> Table:
    """What was asked of whom: a row for each, a column for each measure."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from engine.evaluate.render import readable

    measures = list(dict.fromkeys(figure.measure for figure in finding.figures))
    table = Table("", box=box.SIMPLE_HEAD, pad_edge=False)
    for measure in measures:
        table.add_column(readable(measure), justify="right")
    for name in dict.fromkeys(figure.name for figure in finding.figures):
        found = {figure.measure: figure for figure in finding.figures if figure.name == name}
        cells = (_figure(found[measure]) if measure in found else "" for measure in measures)
        table.add_row(Text(readable(name)), *cells)
    return table


def _claims(finding: Finding) -> Table:
    """Paired differences with their verdicts; those that decide are marked."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from engine.evaluate.render import readable
    from engine.falsify.record import difference

    table = Table("difference (* decides)", "measure", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("wanted", no_wrap=True)
    table.add_column("", no_wrap=True)
    for claim in finding.claims:
        name = f"{readable(claim.name)}{' *' if claim.deciding else ''}"
        verdict = Text(claim.verdict, STYLES[claim.verdict] if claim.deciding else "")
        table.add_row(Text(name), readable(claim.measure), difference(claim), claim.wanted, verdict)
    return table


def _figure(figure: Figure) -> str:
    return f"{figure.value:.3f} [{figure.low:.2f}, {figure.high:.2f}]"
