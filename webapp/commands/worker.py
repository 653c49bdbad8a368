"""``delrec worker``: takes runs from the queue."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Start a worker alone: it takes runs from the queue, one at a time, until Ctrl-C.

    A run at work is then interrupted with a checkpoint.
    """
    from jobs.worker import run_worker

    click.echo("The worker waits for runs; Ctrl-C stops it.", err=True)
    run_worker()
