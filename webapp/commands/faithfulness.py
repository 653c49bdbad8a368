"""``delrec faithfulness``: how far the reasons given for a run's recommendations are to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.labels import plural
from webapp.commands._options import measured_over_users, users_processes_option

if TYPE_CHECKING:
    from engine.config import RunConfig

MEASURES = ("comprehensiveness", "sufficiency")


@click.command()
@click.option("--run", "reference", required=True, metavar="RUN", help="A finished run: id, its beginning, or name.")
@click.option("--users", default=20, show_default=True, help="Test users to measure; always the same ones.")
@click.option("--model", metavar="ROW", help="The row of the results table; default: as the app chooses.")
@users_processes_option
@click.option("--json", "file", metavar="FILE", help="Write the figures to FILE as JSON.")
def command(reference: str, users: int, model: str | None, file: str | None, processes: int | None) -> None:
    """How far are a run's reasons to be trusted? Measured by removing what they name, beside a random order.

    Takes half a minute to a minute and a half per user on two cores; what was measured before, here or in the page, is
    told at once.
    """

    def rows(config: RunConfig) -> dict[str, Any]:
        from engine.rows import checked_row

        return {} if model is None else {"model": checked_row(config, model, "--model")}

    _show(measured_over_users("faithfulness", reference, users, file, rows, processes))


def _show(figures: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from engine.labels import label

    console = Console()
    title = f"Faithfulness, {plural(figures['users'], 'user')}, with 95 % intervals"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("order of removal")
    table.add_column("comprehensiveness ↑", justify="right")
    table.add_column("sufficiency ↓", justify="right")
    names = {"loo": "leave-one-out", "ig": "integrated gradients", "random": "random"}
    for part, suffix in ((figures, ""), (figures["normalised"] or {}, ", normalised")):
        for order, name in names.items():
            if part and order in part["comprehensiveness"]:
                table.add_row(name + suffix, *(_told(part[measure][order]) for measure in MEASURES))
    console.print(table)
    if "verdict" in figures:
        console.print(f"{label(figures['model'])}: {figures['verdict']}")
    console.print("Normalised: 0 is the least and 1 the most that any order was found to reach.")
    for pair, tau in figures["tau"].items():
        console.print(f"Kendall's tau {pair}: {_told(tau)}")
    console.print(f"Written by the language model: {_told(figures['written_share'])} of the texts shown")
    console.print(f"Grounded: {_told(figures['grounded_share'])} of them")
    if figures["statement_precision"]:
        console.print(f"Statements as measured in each: {_told(figures['statement_precision'])}")
    variety = figures["variety"]
    console.print(
        f"Variety: distinct-2 {variety['distinct_2']:.3f}, the commonest text without titles and numbers "
        f"{variety['commonest_skeleton']:.0%}"
    )
    console.print(f"Invented titles in each: {_told(figures['invented_titles'])}")


def _told(figure: dict[str, float]) -> str:
    return f"{figure['value']:+z.3f} [{figure['low']:+z.3f}, {figure['high']:+z.3f}]"
