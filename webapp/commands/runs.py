"""``delrec runs``: what there is, and how it stands."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("text", default="")
@click.option("--json", "as_json", is_flag=True, help="As JSON: id, name, state, stage, step, total, error and more.")
def command(text: str, as_json: bool) -> None:
    """List the runs, newest first, or those in whose id, name, preset, state, tags or note TEXT occurs."""
    from jobs import api

    found = api.runs(text)
    if as_json:
        click.echo(json.dumps([{**run.as_dict(), "position": api.queue_position(run.id)} for run in found], indent=1))
        return
    if not found:
        hint = "no run matches" if text else "no runs yet — start one: delrec run --preset quickstart"
        click.echo(hint, err=True)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from webapp.words import ago

    table = Table("id", "name", "state", "stage", "step", "begun", box=box.SIMPLE_HEAD, pad_edge=False)
    for run in found:
        position = api.queue_position(run.id)
        state = f"queued #{position}" if position else run.state
        step = f"{run.step}/{run.total}" if run.total else ""
        cells = (run.id, run.name, state, run.stage or "", step, ago(run.created_at))
        table.add_row(*map(Text, cells))
    console = Console()
    console.print(table, soft_wrap=not console.is_terminal)
    for run in found:
        if run.reason:
            console.print(Text(f"{run.id}: {run.reason}"), soft_wrap=True)
    waiting = sum(run.state == "queued" for run in found)
    if waiting and not api.workers():
        click.echo(f"{waiting} queued, but no worker is running — start one: delrec worker, or delrec serve", err=True)
