"""``delrec export``: a run as one archive."""

from __future__ import annotations

import click

from webapp.commands._options import find_run, writable_file


@click.command()
@click.argument("run")
@click.option("--to", "target", metavar="FILE", help="Where to write it; <id>.zip here by default.")
def command(run: str, target: str | None) -> None:
    """Write RUN (id, beginning of the id, or name) to a zip file: settings, results, curves, weights, log.

    'delrec import' adds it to another data folder. The file's name goes to standard output.
    """
    found = find_run(run)
    path = writable_file(target or f"{found.id}.zip")
    from jobs import api

    api.export_run(found.id, path)
    click.echo(str(path))
