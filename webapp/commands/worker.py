"""``delrec worker``: takes runs from the queue."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Start a worker alone: it takes runs from the queue, DELREC_RUNS_AT_ONCE of them at a time, until Ctrl-C.

    A run at work is then interrupted with a checkpoint.
    """
    from jobs import logs
    from jobs.worker import run_worker

    logs.prepare()
    logs.say("The worker waits for runs; Ctrl-C stops it.")
    run_worker()
