"""``delrec cancel``: stops a run."""

from __future__ import annotations

import click

from webapp.commands._options import find_run


@click.command()
@click.argument("run")
def command(run: str) -> None:
    """Stop RUN (id, beginning of the id, or name); it keeps a checkpoint, and 'delrec resume' goes on."""
    found = find_run(run)
    from jobs import api

    click.echo(f"{found.id} ({found.name}): {api.cancel(found.id)}")
