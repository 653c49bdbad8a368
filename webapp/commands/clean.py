"""``delrec clean``: makes room on the disk."""

from __future__ import annotations

import click

from engine.labels import plural


@click.command()
@click.option("--to", "megabytes", type=click.FloatRange(min=0), metavar="MB", help="Keep so much, that used last.")
@click.option("--dry-run", is_flag=True, help="Only say what is taken.")
def command(megabytes: float | None, dry_run: bool) -> None:
    """Remove results of stages that are kept for other runs to share; the runs themselves stay whole."""
    from jobs import storage
    from webapp.formatting import memory

    found = storage.taken()
    shared = f"{plural(found.results, 'shared result')} take {memory(found.shared / 1e6)}"
    click.echo(f"runs take {memory(found.runs / 1e6)}, {shared}")
    if not dry_run:
        click.echo(f"removed: {memory(storage.clean(megabytes) / 1e6)}")
