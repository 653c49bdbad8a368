"""``delrec resume``: an unfinished run goes on from its last checkpoint."""

from __future__ import annotations

import click

from engine.errors import StudioError
from webapp.commands._options import as_another_process, find_run, processes_option, target_file


@click.command()
@click.argument("run")
@click.option("--queue", is_flag=True, help="Give it to the worker instead of running it here.")
@processes_option
@click.option("--json", "target", metavar="FILE", help="Write the results (metrics.json) to this file too.")
def command(run: str, queue: bool, target: str | None, processes: int | None) -> None:
    """Continue the unfinished RUN (id, beginning of the id, or name) from its last checkpoint.

    Finished stages are not repeated; the result is that of an uninterrupted run.
    """
    if queue and target:
        raise StudioError("a queued run writes no file here", where="--json", remedy="leave out --json or --queue")
    if queue and processes:
        raise StudioError("a queued run keeps its own number", where="--processes", remedy="leave it out, or --queue")
    if as_another_process(processes):
        return
    found, path = find_run(run), target_file(target)
    from jobs import api

    if queue:
        from webapp.commands.launch import echo_queued

        echo_queued(api.resume(found.id))
        return
    from webapp.commands._foreground import foreground

    foreground(lambda monitor: api.resume_in_foreground(found.id, monitor, processes), path)
