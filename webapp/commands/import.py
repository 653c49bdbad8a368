"""``delrec import``: adds the run of an archive."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("file")
@click.option("--name", metavar="NAME", help="What to call the run; its old name by default, numbered if taken.")
def command(file: str, name: str | None) -> None:
    """Add the run in FILE, an archive of 'delrec export', and print its id.

    It keeps its id unless that is taken here. An unfinished run can be resumed.
    """
    from jobs import api

    run_id = api.import_run(Path(file), name)
    click.echo(f"{api.status(run_id).name}: imported", err=True)
    click.echo(run_id)
