"""``delrec runs``: what there is, and how it stands."""

from __future__ import annotations

import json
from typing import Any

import click

from webapp.commands._options import warn_without_worker


@click.command()
@click.argument("text", default="")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="As JSON: id, name, state, place, progress, duration, figures, error and more.",
)
def command(text: str, as_json: bool) -> None:
    """List the runs, newest first, or those in whose id, name, preset, state, tags or note TEXT occurs."""
    from jobs import api

    found, places = api.runs(text), api.queue_places()
    if as_json:
        figures = _figures([run.id for run in found])
        more = [{"position": places.get(r.id), "seconds": r.seconds, "figures": figures.get(r.id)} for r in found]
        click.echo(json.dumps([run.as_dict() | metrics for run, metrics in zip(found, more, strict=True)], indent=1))
        return
    if not found:
        hint = "no run matches" if text else "no runs yet — start one: delrec run --preset quickstart"
        click.echo(hint, err=True)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from webapp.formatting import ago

    table = Table("id", "name", "state", "stage", "step", "begun", box=box.SIMPLE_HEAD, pad_edge=False)
    for run in found:
        position = places.get(run.id)
        state = f"queued #{position}" if position else run.state
        step = f"{run.step}/{run.total}" if run.total else ""
        cells = (run.id, run.name, state, run.stage or "", step, ago(run.created_at))
        table.add_row(*map(Text, cells))
    console = Console()
    console.print(table, soft_wrap=not console.is_terminal)
    for run in found:
        if run.reason:
            console.print(Text(f"{run.id}: {run.reason}"), soft_wrap=True)
    warn_without_worker(sum(run.state == "queued" for run in found))


def _figures(run_ids: list[str]) -> dict[str, dict[str, Any]]:
    """The figures that the page shows, by run id: of which model, and each with its interval."""
    from jobs.records import headline

    by_run: dict[str, dict[str, Any]] = {}
    for (run_id, protocol, metric), row in headline(run_ids).items():
        figures = by_run.setdefault(run_id, {"model": row.model})
        figures[f"{protocol}.{metric}"] = {"value": row.value, "low": row.low, "high": row.high}
    return by_run
