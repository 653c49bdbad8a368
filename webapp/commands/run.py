"""``delrec run``: the pipeline in the foreground, recorded like a run launched in the browser."""

from __future__ import annotations

import click

from webapp.commands._options import as_another_process, chosen_config, config_options, processes_option, target_file


@click.command()
@config_options
@processes_option
@click.option("--json", "target", metavar="FILE", help="Write the results (metrics.json) to this file too.")
def command(
    preset: str | None,
    file: str | None,
    overrides: tuple[str, ...],
    name: str | None,
    target: str | None,
    processes: int | None,
) -> None:
    """Run the pipeline here, with progress bars and a final table.

    It is recorded like a run launched in the browser. Ctrl-C stops it with a checkpoint; 'delrec resume' goes on.
    'delrec settings' lists what --set can change.
    """
    if as_another_process(processes):
        return
    overrides += (f"run.processes={processes}",) if processes else ()
    config, path = chosen_config(preset, file, overrides), target_file(target)
    from jobs import api
    from jobs.forecast import forecast
    from jobs.preflight import refuse_problems
    from webapp.commands._foreground import foreground

    refuse_problems(config, forecast(config))
    foreground(lambda monitor: api.run_in_foreground(config, preset, name, monitor), path)
