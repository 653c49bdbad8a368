"""``delrec recommend``: what comes after a list of titles of one's own."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import StudioError
from webapp.commands._options import finished_run

if TYPE_CHECKING:
    from engine.recommend import Recommendation


@click.command()
@click.option("--run", "reference", required=True, metavar="RUN", help="A finished run: id, its beginning, or name.")
@click.option(
    "--titles",
    required=True,
    multiple=True,
    help=r'Oldest first: "Toy Story; Fargo; id:50"; \; is a semicolon in a title.',
)
@click.option("--k", default=10, show_default=True, help="How many to recommend.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(reference: str, titles: tuple[str, ...], k: int, as_json: bool) -> None:
    """Recommend what to watch (play, buy) after your TITLES: the teacher's list and the LLM's, side by side.

    The title that is just so is taken, or else one that is forgiven; id:50 names an item by its id in the data set.
    What the catalogue lacks is named, and the LLM still reads it.
    """
    from engine.data.references import checked_titles, split_titles

    found = finished_run(reference, "recommend from a finished run")
    history = checked_titles([title for part in titles for title in split_titles(part)])
    if not history:
        raise StudioError("no titles", where="--titles", remedy='write e.g. --titles "Toy Story; Star Wars"')
    answer = _ask(found.folder, history, k)
    if len(answer.unknown) == len(answer.history):
        close = [choice.title for entry in answer.history for choice in entry.suggestions]
        raise StudioError(
            f"none of these titles is known: {'; '.join(entry.title for entry in answer.history)}",
            where="--titles",
            remedy=f"did you mean {'; '.join(close[:3])}?" if close else "write titles as the data set has them",
        )
    if as_json:
        click.echo(json.dumps(asdict(answer), indent=1, ensure_ascii=False))
    else:
        _show(answer)


def _ask(folder: Path, titles: list[str], k: int) -> Recommendation:
    from jobs import requests

    return requests.models(folder).recommend(titles, k)


def _show(answer: Recommendation) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from engine.labels import label

    console = Console()
    history = Table(title="History, oldest first", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    history.add_column("you wrote")
    history.add_column("understood as")
    for entry in answer.history:
        guesses = " / ".join(choice.title for choice in entry.suggestions)
        guesses = f" (perhaps {guesses}?)" if guesses else ""
        known = entry.title if entry.item is not None else f"not in the catalogue{guesses}"
        history.add_row(Text(entry.query), Text(known))
    console.print(history)
    lists = [answer.teacher] + ([answer.llm] if answer.llm else [])
    table = Table(title="Recommendations", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right")
    for ranked in lists:
        table.add_column(label(ranked.model))
    for row in zip(*(ranked.items for ranked in lists), strict=True):
        table.add_row(str(row[0].rank), *(Text(place.title) for place in row))
    console.print(table)
    for note in answer.notes:
        console.print(Text(note), soft_wrap=True)
    if answer.llm:
        best = f"re-ranks the best {answer.reranked} of {label(answer.teacher.model)}"
        console.print(
            Text(f"{label(answer.llm.model)} {best if answer.reranked else 'ranks the whole catalogue'}."), style="dim"
        )
