"""``delrec faithfulness``: how far the reasons given for a run's recommendations are to be trusted."""

from __future__ import annotations

import json
from typing import Any

import click

from engine.errors import StudioError
from webapp.commands._options import find_run, target_file


@click.command()
@click.option("--run", "reference", required=True, metavar="RUN", help="A finished run: id, its beginning, or name.")
@click.option("--users", default=20, show_default=True, help="Test users to measure; always the same ones.")
@click.option("--json", "file", metavar="FILE", help="Write the figures to FILE as JSON.")
def command(reference: str, users: int, file: str | None) -> None:
    """How far are a run's reasons to be trusted? Measured by removing what they name, beside a random order.

    Takes about 20 seconds per user on two cores.
    """
    found = find_run(reference)
    if found.state != "done":
        raise StudioError(f"run {found.name!r} is {found.state}", where=found.id, remedy="measure a finished run")
    target = target_file(file)

    from rich.progress import Progress

    from engine.explain.faithfulness import faithfulness
    from engine.models import Models
    from engine.monitor import Monitor
    from engine.run_folder import RunFolder, write_text

    models = Models.load(RunFolder.open(found.folder), Monitor())
    with Progress(transient=True) as bars:
        task = bars.add_task("users", total=users)

        class Bar(Monitor):
            def progress(self, stage: str, done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

        figures: dict[str, Any] = {"run_id": found.id, **faithfulness(models, users, Bar())}
    if target is not None:
        write_text(target, json.dumps(figures, indent=1) + "\n")
    _show(figures)


def _show(figures: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    title = f"Faithfulness, {figures['users']} users, with 95 % intervals"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("order of removal")
    table.add_column("comprehensiveness ↑", justify="right")
    table.add_column("sufficiency ↓", justify="right")
    names = {"loo": "leave-one-out", "ig": "integrated gradients", "random": "random"}
    for order, name in names.items():
        table.add_row(name, _told(figures["comprehensiveness"][order]), _told(figures["sufficiency"][order]))
    console.print(table)
    for pair, tau in figures["tau"].items():
        console.print(f"Kendall's tau {pair}: {_told(tau)}")
    console.print(f"Grounded rationales: {_told(figures['grounded_share'])} of the model's likeliest texts")
    console.print(f"Invented titles in each: {_told(figures['invented_titles'])}")


def _told(figure: dict[str, float]) -> str:
    return f"{figure['value']:+.3f} [{figure['low']:+.3f}, {figure['high']:+.3f}]"
