"""``delrec drivers``: which kinds of reasons drive each row of a run, and what the stages changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from engine.labels import plural
from webapp.commands._options import measured_over_users, users_processes_option

if TYPE_CHECKING:
    from engine.config import RunConfig


@click.command()
@click.option("--run", "reference", required=True, metavar="RUN", help="A finished run: id, its beginning, or name.")
@click.option("--users", default=100, show_default=True, help="Test users to measure; always the same ones.")
@click.option(
    "--model", "models", multiple=True, metavar="ROW", help="Only this row; may come repeatedly. Default: all."
)
@users_processes_option
@click.option("--json", "file", metavar="FILE", help="Write the figures to FILE as JSON.")
def command(reference: str, users: int, models: tuple[str, ...], file: str | None, processes: int | None) -> None:
    """Which kinds of reasons drive each row: recent titles, the same genre, the same series, popular ones?

    Measured by leaving out each title of the histories of many test users, beside what share of them is of that kind
    anyway; and what stage 1 and stage 2 changed for the same users. Takes seconds per user on two cores; what was
    measured before, here or on the page Users, is told at once.
    """

    def rows(config: RunConfig) -> dict[str, Any]:
        from engine.rows import checked_row

        return {"rows": list(dict.fromkeys(checked_row(config, it, "--model") for it in models))} if models else {}

    _show(measured_over_users("drivers", reference, users, file, rows, processes))


def _show(found: Mapping[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from engine.labels import label

    console = Console()
    title = f"% of the reasons, 95 % interval, and (% of the history anyway), {plural(found['users'], 'user')}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("row", no_wrap=True)
    for kind in found["kinds"].values():
        table.add_column(_brief(kind["words"]), justify="right")
    for row, it in found["rows"].items():
        if it["kinds"]:
            table.add_row(label(row), *(_share_and_control(it["kinds"][name]) for name in found["kinds"]))
    console.print(table)
    for row, it in found["rows"].items():
        console.print(Text(f"{label(row)}: {it['sentence']}"))
    for it in found["stages"]:
        right, place, same = it["right"], it["place"], it["same_top"]
        console.print(
            f"{it['stage'].capitalize()} ({label(it['before'])} → {label(it['after'])}): chosen item first "
            f"{right['value']:+z.3f} [{right['low']:+z.3f}, {right['high']:+z.3f}], its place {place['value']:+z.2f} "
            f"[{place['low']:+z.2f}, {place['high']:+z.2f}], {plural(it['gained'], 'user')} gained and "
            f"{it['lost']} lost, same first answer for {same['value']:.0%}."
        )


def _share_and_control(figures: Mapping[str, Mapping[str, float]]) -> str:
    """The share, below it its interval and the control."""
    share, low, high = (100 * figures["share"][name] for name in ("value", "low", "high"))
    return f"{share:z.0f}\n{low:z.0f}–{high:z.0f}\n({100 * figures['control']['value']:z.0f})"


def _brief(words: str) -> str:
    """Room is scarce: ``same genre`` for ``titles of the same genre``."""
    return words.removeprefix("titles ").removeprefix("of the ").removeprefix("that ").removesuffix(" titles")
