"""What several commands share: the options that choose a configuration, and naming a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.errors import StudioError
from engine.presets import NAMED

if TYPE_CHECKING:
    from engine.config import RunConfig
    from jobs.records import Run

Function = Callable[..., Any]
FromFile = TypeVar("FromFile")


def config_options(function: Function) -> Function:
    """Adds --preset, --config, --set and --name; :func:`chosen_config` reads the first three."""
    return settings_options(click.option("--name", metavar="NAME", help="What to call the run; unique.")(function))


def settings_options(function: Function) -> Function:
    """Adds --preset, --config and --set."""
    for option in (
        click.option(
            "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change one setting; may come repeatedly."
        ),
        click.option("--config", "file", metavar="FILE", help="YAML file with settings, on top of the preset."),
        click.option("--preset", metavar="NAME", help=f"Start from {NAMED}."),
    ):
        function = option(function)
    return function


processes_option = click.option(
    "--processes", type=click.IntRange(1, 64), metavar="N", help="Processes that work on it together (run.processes)."
)


users_processes_option = click.option(
    "--processes", type=click.IntRange(1, 64), metavar="N", help="Processes that share the users."
)


def as_another_process(processes: int | None) -> bool:
    """Whether a launcher started this command as another than the first process of a run; then its work is done.

    Raises:
        StudioError: a launcher's number of processes and ``processes`` differ.
    """
    from jobs import process_group

    if (started := process_group.launched()) > 1 and processes not in (None, started):
        raise StudioError(
            f"the launcher started {started} processes, not {processes}",
            where="--processes",
            remedy="leave it out: the launcher says how many",
        )
    if not process_group.is_worker_rank():
        return False
    process_group.help_the_first()
    return True


def check_processes(processes: int | None, run: Run) -> None:
    """Make sure that a measurement of ``run`` may start so many processes.

    Raises:
        StudioError: a launcher has started several of this command, or this machine is too small.
    """
    from engine.settings import stored_config
    from jobs import process_group, resources

    if process_group.launched() > 1:
        remedy = "start it alone, with --processes"
        raise StudioError("a launcher has started several of this command", where="WORLD_SIZE", remedy=remedy)
    if processes:
        needs = resources.needs(stored_config(run.config), processes)
        resources.refuse_here({name: needs[name] for name in ("processes", "on_cpu")}, "--processes", "start fewer")


def chosen_config(
    preset: str | None, file: str | None, overrides: tuple[str, ...], varied: Mapping[str, Any] | None = None
) -> RunConfig:
    """The configuration that the options mean; ``varied`` as in :func:`engine.settings.make_config`.

    Raises:
        StudioError: nothing was chosen, the file cannot be read, or a setting is not usable.
    """
    from engine.settings import load_config

    if preset is None and file is None:
        raise StudioError("which settings?", where="--preset", remedy="choose one, e.g. --preset quickstart")
    text = None if file is None else read_text(file)
    return load_config(preset, text=text, where=file or "", overrides=overrides, varied=varied)


def chosen_base(
    preset: str | None, file: str | None, overrides: tuple[str, ...], like: str | None, varied: Mapping[str, Any]
) -> tuple[str | None, RunConfig]:
    """Preset and configuration that something starts from: :func:`chosen_config`, or those of the run ``like``.

    Raises:
        StudioError: as :func:`chosen_config` and :func:`find_run`, or both were named.
    """
    if like is None:
        return preset, chosen_config(preset, file, overrides, varied)
    if preset or file:
        raise StudioError("two bases", where="--like", remedy="start from a run or from a preset")
    from engine.settings import load_config, stored_config, to_yaml

    run = find_run(like)
    text = to_yaml(stored_config(run.config))
    return run.preset, load_config(text=text, where=run.id, overrides=overrides, varied=varied)


def write_plan(file: str, text: str) -> None:
    """Keep an experiment or a search as a file for ``--plan``.

    Raises:
        StudioError: it cannot be written.
    """
    from engine.whole_files import write_text

    write_text(writable_file(file), text)


def read_plan(
    ctx: click.Context, from_yaml: Callable[[str, str], tuple[FromFile, str, str]]
) -> tuple[FromFile, str, str]:
    """What the file that ``--plan`` names says, with name and question, which options may say anew.

    Raises:
        StudioError: it cannot be read or understood, or another option says what the file says.
    """
    allowed = {"plan", "name", "question", "dry_run", "target", "yes"}
    for option in ctx.command.params:
        given = option.name is not None and ctx.params.get(option.name) not in (None, (), "", False)
        if given and option.name not in allowed:
            what = f"{option.opts[0]} does not go with --plan"
            raise StudioError(what, where="--plan", remedy="write it into the file")
    plan, name, question = from_yaml(read_text(ctx.params["plan"]), ctx.params["plan"])
    return plan, ctx.params["name"] or name, ctx.params["question"] or question


def read_text(file: str) -> str:
    """The text of a file of settings.

    Raises:
        StudioError: it cannot be read, or is not UTF-8.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise StudioError(
            f"cannot read the settings: {error.strerror}", where=file, remedy="name an existing YAML file"
        ) from None
    except UnicodeDecodeError:
        raise StudioError("the settings are not UTF-8 text", where=file, remedy="save the file as UTF-8") from None


def find_run(reference: str) -> Run:
    """A run by id, by name, or by the beginning of its id.

    Raises:
        StudioError: there is no such run, or several ids begin so.
    """
    from jobs import api

    known = api.runs()
    for exact in known:
        if reference in (exact.id, exact.name):
            return exact
    begun = [run for run in known if reference and run.id.startswith(reference)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        several = ", ".join(run.id for run in begun[:5])
        raise StudioError(f"several runs begin with {reference!r}", where=several, remedy="write more of the id")
    raise StudioError(f"there is no run {reference!r}", remedy="'delrec runs' lists the runs")


def finished_run(reference: str, remedy: str) -> Run:
    """:func:`find_run` of one that is done; ``remedy`` says of others what such a run is for.

    Raises:
        StudioError: there is no such run, or it is not done.
    """
    found = find_run(reference)
    if found.state != "done":
        raise StudioError(f"run {found.name!r} is {found.state}", where=found.id, remedy=remedy)
    return found


def echo_note(run: Run) -> None:
    """Tell on standard error what is to be known about a finished run's data, if anything.

    Data that are not here or others by now are no matter yet: what was measured before is told without them.
    """
    from webapp.previews import dataset_of_run

    with suppress(StudioError):
        if note := dataset_of_run(run).note:
            click.echo(note, err=True)


def target_file(file: str | None) -> Path | None:
    """:func:`writable_file` of an option that may be left out."""
    return None if file is None else writable_file(file)


def writable_file(file: str) -> Path:
    """A file that is to be written at the end, checked at the beginning.

    Raises:
        StudioError: it cannot be written.
    """
    from engine.paths import writable

    path = Path(file)
    if path.is_dir() or not path.parent.is_dir():
        fault = "is a folder" if path.is_dir() else "has no folder to stand in"
        raise StudioError(f"the file {fault}", where=file, remedy="name a file in an existing folder")
    writable(path.parent)
    return path


def measured_over_users(
    kind: str,
    reference: str,
    users: int,
    file: str | None,
    rows: Callable[[RunConfig], dict[str, Any]],
    processes: int | None = None,
) -> dict[str, Any]:
    """The figures of a ``kind`` of answer over ``users`` test users, measured with a progress bar unless known before;
    into ``file`` too.

    Args:
        rows: what the request says of rows of the results table; empty is as the page asks.
        processes: how many share the users.

    Raises:
        StudioError: no such run, one that is not finished, fewer than two users, or a file that cannot be written.
    """
    found = finished_run(reference, "measure a finished run")
    if users < 2:
        raise StudioError("intervals need two users", where="--users", remedy="measure more users")
    check_processes(processes, found)
    target = target_file(file)
    echo_note(found)

    from rich.progress import Progress

    from engine.explain import drivers, faithfulness
    from engine.settings import make_config
    from engine.whole_files import write_text
    from jobs import answers

    usual = {"drivers": drivers.USERS, "faithfulness": faithfulness.USERS}[kind]
    request = rows(make_config(found.config)) | ({} if users == usual else {"users": users})  # as the page asks
    with Progress(transient=True) as bars:
        task = bars.add_task("users")

        def show(partial: Mapping[str, Any]) -> None:
            bars.update(task, completed=partial["done"], total=partial["total"])

        figures = answers.here(kind, found, request, show, processes or 1)
    if target is not None:
        write_text(target, json.dumps(figures, indent=1) + "\n")
    return figures


def warn_without_worker(waiting: int, needs: Mapping[str, Any] | None = None) -> None:
    """On standard error: that so many runs are queued and no worker takes them; ``needs`` are those of one of them."""
    from jobs import api

    if waiting and not api.workers():
        click.echo(f"{waiting} queued, but no worker is running — start one: delrec worker, or delrec serve", err=True)
    elif waiting and needs and not api.workers(needs):
        click.echo("queued, but no worker has what it asks for (run.device, run.memory, run.processes)", err=True)
