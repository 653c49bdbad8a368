"""``delrec tune``: search for the configuration that validates best; test users are asked once the search is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.labels import plural
from webapp.commands._options import chosen_base, read_plan, settings_options, warn_without_worker, write_plan

if TYPE_CHECKING:
    from engine.experiment.search import Search
    from jobs.records import Experiment
    from jobs.searches import SearchState

REFERENCE = click.argument("search")


@click.group(invoke_without_command=True)
@settings_options
@click.option("--like", metavar="RUN", help="Start from the settings of a run.")
@click.option("--plan", metavar="FILE", help="YAML file that describes the whole search.")
@click.option(
    "--vary",
    multiple=True,
    metavar="NAME=LOW..HIGH",
    help="A range of numbers, or values as in NAME=VALUE,VALUE; may come repeatedly.",
)
@click.option("--trials", type=int, metavar="N", help="Configurations to try at most.  [default: 20]")
@click.option(
    "--metric",
    metavar="NAME",
    help="What is searched for on validation users: finetune.NDCG@10 (default), teacher.NDCG@10 or text.NDCG@10.",
)
@click.option("--no-pruning", is_flag=True, help="See every trial to its end, those that fall behind too.")
@click.option("--name", metavar="NAME", help="What to call the search; unique.")
@click.option("--question", default="", metavar="TEXT", help="What is asked, in words.")
@click.option("--dry-run", is_flag=True, help="Only say what would be searched, and how long that takes.")
@click.option("--write", "target", metavar="FILE", help="Write the search to FILE, for --plan, and start nothing.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Search by Optuna, trial after trial, for the worker; print the search's id.

    Trials are runs, and the search is an experiment: 'delrec experiment pause', 'resume', 'cancel', 'retry-failed' and
    'delete' lead it. Without a subcommand it starts a search; the subcommands are about one that is there.
    """
    if ctx.invoked_subcommand is None:
        _start(ctx, given)


def _start(ctx: click.Context, given: dict[str, Any]) -> None:
    search, name, question = _search(ctx, given)
    if target := given["target"]:
        from engine.experiment.files import search_to_yaml

        write_plan(target, search_to_yaml(search))
        return
    from jobs import searches

    if given["dry_run"]:
        from engine.experiment.search import choice_words
        from webapp.formatting import expected_search

        found = searches.forecast_search(search)
        for name, choice in search.space.items():
            click.echo(f"{name}: {choice_words(choice)}")
        click.echo(expected_search(found.trials, found.seconds, found.memory_mb))
        for problem in found.problems:
            click.echo(f"problem: {problem}", err=True)
        return
    made = searches.start(search, name or None, question)
    click.echo(f"{made.name}: searching, {plural(search.trials, 'trial')} at most", err=True)
    warn_without_worker(1)
    click.echo(made.id)


def _search(ctx: click.Context, given: dict[str, Any]) -> tuple[Search, str, str]:
    """The search with its name and question."""
    if given["plan"]:
        from engine.experiment.files import search_from_yaml

        return read_plan(ctx, search_from_yaml)
    from engine.experiment.search import DEFAULT, USUAL_TRIALS, make_search
    from engine.experiment.space import firsts, read_space

    space = read_space(given["vary"])
    preset, base = chosen_base(given["preset"], given["file"], given["overrides"], given["like"], firsts(space))
    search = make_search(
        preset,
        base,
        space,
        metric=given["metric"] or DEFAULT,
        trials=USUAL_TRIALS if given["trials"] is None else given["trials"],
        pruning=not given["no_pruning"],
    )
    return search, given["name"], given["question"]


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_all(as_json: bool) -> None:
    """All searches, newest first."""
    from jobs import searches

    found = searches.listed()
    if as_json:
        import json

        click.echo(json.dumps([searches.head(it) for it in found], indent=1))
        return
    if not found:
        from engine.experiment.space import REMEDY

        click.echo(f"no searches yet: {REMEDY}", err=True)
    for it in found:
        click.echo(f"{it.id}  {it.name}{_state(it)}: {plural(it.tried, 'configuration')} begun")


@command.command()
@REFERENCE
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(search: str, as_json: bool) -> None:
    """The trials of a search, best first, by what they reached on validation users."""
    from jobs import searches

    found = searches.standing(search)
    if as_json:
        import json

        click.echo(json.dumps(found.as_dict(), indent=1))
        return
    click.echo(f"{found.experiment.name} ({found.experiment.id}){_state(found.experiment)}: {found.summary}")
    for it in found.ranked:
        value = "     " if it.trial.value is None else f"{it.trial.value:.3f}"
        reason = f": {it.run.reason}" if it.run.reason else ""
        click.echo(f"  {value}  {it.run.id}  {it.run.state:<11} {it.label}{reason}")
    _echo_next(found)


@command.command()
@REFERENCE
def close(search: str) -> None:
    """End a search for good, and have its best trial go on to the test users."""
    from jobs import searches

    best = searches.close(search)
    if best is None:
        click.echo(f"{search}: closed; no trial was validated")
    else:
        click.echo(f"{search}: closed; {best.run.id} ({best.label}) goes on to the test users")


def _echo_next(found: SearchState) -> None:
    key = found.experiment.id
    if found.hopeless:
        click.echo(f"all trials failed; mend that, then: delrec experiment retry-failed {key}", err=True)
    elif found.ended and not found.experiment.closed:
        click.echo(f"it has ended; to see how the best does on test users: delrec tune close {key}", err=True)


def _state(experiment: Experiment) -> str:
    return " (closed)" if experiment.closed else " (paused)" if experiment.paused else ""
