"""``delrec experiment``: many runs as one question, started in one piece and led as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.labels import plural
from webapp.commands._options import (
    chosen_base,
    find_run,
    read_plan,
    settings_options,
    warn_without_worker,
    writable_file,
    write_plan,
)

if TYPE_CHECKING:
    from engine.experiment.plan import Plan
    from jobs.experiment_forecast import ExperimentForecast
    from jobs.experiments import ExperimentState

MOST_SHOWN = 40
"""Runs of a preview that are written out."""
REFERENCE = click.argument("experiment")


@click.group(invoke_without_command=True)
@settings_options
@click.option("--like", metavar="RUN", help="Start from the settings of a run.")
@click.option("--plan", metavar="FILE", help="YAML file that describes the whole experiment.")
@click.option("--vary", multiple=True, metavar="NAME=VALUE,VALUE", help="Values of a setting; may come repeatedly.")
@click.option("--seeds", default="", metavar="LIST", help="Seeds such as 0-2 or 0,3,7.")
@click.option("--data", "datasets", default="", metavar="NAME,NAME", help="Data sets.")
@click.option(
    "--template",
    default="",
    metavar="NAME[=VALUES]",
    help="seeds, ablations, teachers, backbones or numbers (history and candidates), e.g. teachers=sasrec,caser.",
)
@click.option("--name", metavar="NAME", help="What to call the experiment; unique.")
@click.option("--question", default="", metavar="TEXT", help="What is asked, in words.")
@click.option("--dry-run", is_flag=True, help="Only show the runs with duration and memory.")
@click.option("--write", "target", metavar="FILE", help="Write the plan to FILE, for --plan, and start nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before very many runs.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Queue every combination of what varies, for the worker; print the experiment's id.

    Without a subcommand it starts an experiment; the subcommands lead one that is there, by its id or name.
    """
    if ctx.invoked_subcommand is None:
        _start(ctx, given)


def _start(ctx: click.Context, given: dict[str, Any]) -> None:
    plan, name, question = _plan(ctx, given)
    for label, why in plan.left_out.items():
        click.echo(f"left out: {label}: {why}", err=True)
    if target := given["target"]:
        from engine.experiment.files import plan_to_yaml
        from engine.experiment.plan import expand

        expand(plan)  # what cannot be run is refused now, not by who reads the file
        write_plan(target, plan_to_yaml(plan))
        return
    from jobs import experiments
    from jobs.experiment_forecast import ASKED_FROM, forecast_experiment

    many = plan.size >= ASKED_FROM
    if given["dry_run"] or many:
        _show(forecast_experiment(plan))
    if given["dry_run"]:
        return
    if many and not given["yes"]:
        click.confirm(f"Start these {plural(plan.size, 'run')}?", abort=True, err=True)
    started = experiments.start(plan, name or None, question, confirmed=many)
    click.echo(f"{started.name}: {plural(plan.size, 'run')} queued", err=True)
    warn_without_worker(plan.size)
    click.echo(started.id)


def _plan(ctx: click.Context, given: dict[str, Any]) -> tuple[Plan, str, str]:
    """The plan with the experiment's name and question."""
    if given["plan"]:
        from engine.experiment.files import plan_from_yaml

        return read_plan(ctx, plan_from_yaml)
    from engine.experiment.parsing import make_plan, read_grid
    from engine.experiment.space import firsts

    first = firsts(read_grid(given["vary"]))
    preset, base = chosen_base(given["preset"], given["file"], given["overrides"], given["like"], first)
    plan = make_plan(
        preset,
        base,
        vary=given["vary"],
        seed_text=given["seeds"],
        datasets=given["datasets"].split(","),
        template=given["template"],
    )
    return plan, given["name"], given["question"]


def _show(found: ExperimentForecast) -> None:
    """The preview: every run with what it takes, then the whole."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from webapp.formatting import duration, memory

    table = Table("variant", "seed", "alone", "shared", "memory", box=box.SIMPLE_HEAD, pad_edge=False)
    for run in found.runs[:MOST_SHOWN]:
        cells = (run.label, str(run.seed), duration(run.alone), duration(run.shared), memory(run.memory_mb))
        table.add_row(*map(Text, cells))
    console = Console()
    console.print(table, soft_wrap=not console.is_terminal)
    if found.size > MOST_SHOWN:
        click.echo(f"… and {found.size - min(MOST_SHOWN, len(found.runs)):,} more")
    if found.alone is None or found.shared is None:
        click.echo(
            f"{plural(found.size, 'run')}; how long they take is known once one like them was done on this machine"
        )
    else:
        took = f"{duration(found.alone)} one by one, {duration(found.shared)} where stages are shared"
        click.echo(f"{plural(found.size, 'run')}: {took}; at most {memory(found.memory_mb)}")
    for problem in found.problems:
        click.echo(f"problem: {problem}", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_all(as_json: bool) -> None:
    """All experiments, newest first."""
    from jobs import experiments

    found = experiments.listed()
    if as_json:
        import json

        from webapp.experiment_actions import about

        click.echo(json.dumps([about(it) | {"runs": counts} for it, counts in found], indent=1))
        return
    if not found:
        click.echo("no experiments yet — start one: delrec experiment --preset quickstart --template seeds", err=True)
    for it, counts in found:
        paused = " (paused)" if it.paused else ""
        click.echo(f"{it.id}  {it.name}{paused}: {_counted(counts)}")


@command.command()
@REFERENCE
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--write", "target", metavar="FILE", help="Write how it was asked for to FILE, for --plan.")
def show(experiment: str, as_json: bool, target: str | None) -> None:
    """The runs of an experiment, each with its state and why it failed; and what they took over from others."""
    from jobs import experiments
    from webapp.formatting import duration

    found = experiments.standing(experiment)
    if target is not None:
        from engine.experiment.files import plan_to_yaml

        write_plan(target, plan_to_yaml(experiments.plan_in(found.experiment)))
        return
    if as_json:
        import json
        from dataclasses import asdict

        from webapp.experiment_actions import about

        runs = [run.as_dict() | {"variant": found.labels[run.id]} for run in found.runs]
        sharing = asdict(experiments.sharing(found))
        gone = {"deleted": found.deleted, "left_out": found.left_out}
        record = about(found.experiment) | gone | {"sharing": sharing, "runs": runs}
        click.echo(json.dumps(record, indent=1))
        return
    deleted = {"deleted": found.deleted} if found.deleted else {}
    click.echo(f"{found.experiment.name} ({found.experiment.id}): {_counted(found.counts | deleted)}")
    for run in found.runs:
        label = found.labels[run.id] or run.name
        click.echo(f"  {run.id}  {run.state:<11} seed {run.seed}  {label}" + (f": {run.reason}" if run.reason else ""))
    for label, why in found.left_out.items():
        click.echo(f"  left out: {label}: {why}")
    if (shared := experiments.sharing(found)).taken or shared.parts:
        taken = f"{shared.taken} of {plural(shared.begun, 'stage')}, and {plural(shared.parts, 'part')} of others"
        click.echo(f"as in other runs: {taken}; all of it took {duration(shared.seconds)} there")


@command.command()
@REFERENCE
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--base", default="", metavar="VARIANT", help="Compare with this variant instead of the first.")
@click.option("--model", default="method", show_default=True, metavar="ROW", help="The row of each run's results.")
@click.option("--metric", default="HR@1", show_default=True, metavar="NAME", help="What is compared.")
def report(experiment: str, file: str | None, base: str, model: str, metric: str) -> None:
    """Write it as one HTML file for readers without the app; 'delrec reproduce FILE' makes its runs again."""
    from engine.whole_files import write_text
    from jobs import experiments
    from webapp import experiment_file

    found = experiments.standing(experiment)
    path = writable_file(file or f"delrec-experiment-{found.experiment.id}.html")
    write_text(path, experiment_file.report(found, base, model, metric))
    click.echo(str(path))


def _lead(action: str, words: str) -> None:
    @command.command(action, help=words)
    @REFERENCE
    def lead(experiment: str) -> None:
        from webapp.experiment_actions import LEADING

        act, state = LEADING[action]
        _said(experiment, state, act(experiment))


_lead("cancel", "Stop all its runs that wait or are under way; each keeps a checkpoint.")
_lead("pause", "Have its runs wait; what is under way stops with a checkpoint.")
_lead("resume", "Go on with what waits or was stopped, from its checkpoints; not with what failed.")
_lead("retry-failed", "Queue the runs that failed again, from their checkpoints.")


@command.command()
@REFERENCE
@click.argument("runs", nargs=-1, required=True)
def add(experiment: str, runs: tuple[str, ...]) -> None:
    """Put RUNS into an experiment; one of that name is made if there is none."""
    from jobs import experiments

    ids = [find_run(run).id for run in runs]
    _said(experiment, "added", experiments.add_or_gather(experiment, ids))


@command.command()
@REFERENCE
@click.option("--with-runs", is_flag=True, help="Delete its runs with all files, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(experiment: str, with_runs: bool, yes: bool) -> None:
    """Forget an experiment; its runs stay unless they are to go with it."""
    from jobs import experiments

    found: ExperimentState = experiments.standing(experiment)
    if with_runs and not yes:
        click.confirm(
            f"Delete {plural(len(found.runs), 'run')} of {found.experiment.name!r} with all files?", abort=True
        )
    number = experiments.delete(experiment, with_runs=with_runs)
    click.echo(f"{found.experiment.name}: forgotten" + (f", {plural(number, 'run')} deleted" if with_runs else ""))


def _said(experiment: str, what: str, number: int) -> None:
    click.echo(f"{experiment}: {plural(number, 'run')} {what}")
    warn_without_worker(number if what == "queued" else 0)


def _counted(counts: Any) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.items()) or "no runs"
