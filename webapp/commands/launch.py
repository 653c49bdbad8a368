"""``delrec launch``: a run for the worker's queue."""

from __future__ import annotations

import click

from webapp.commands._options import chosen_config, config_options, warn_without_worker


@click.command()
@config_options
def command(preset: str | None, file: str | None, overrides: tuple[str, ...], name: str | None) -> None:
    """Put a run into the queue of the worker ('delrec serve' or 'delrec worker') and print its id.

    The id stands alone on standard output; its place in the queue is told on standard error.
    """
    config = chosen_config(preset, file, overrides)
    from jobs import api
    from jobs.forecast import forecast
    from jobs.preflight import refuse_problems

    refuse_problems(config, forecast(config))
    echo_queued(api.launch(config, preset, name))


def echo_queued(run_id: str) -> None:
    """Print a queued run's id, and on standard error its name and place."""
    from jobs import api

    position = api.queue_position(run_id)
    place = f"queued as #{position}" if position else api.status(run_id).state
    click.echo(f"{api.status(run_id).name}: {place}", err=True)
    if position:
        warn_without_worker(1, api.needs(run_id))
    click.echo(run_id)
