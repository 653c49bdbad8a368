"""``delrec data``: which data sets there are, what one holds; fetching, importing, renaming, deleting."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from engine.errors import StudioError
from engine.labels import plural
from webapp.commands._options import target_file

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from engine.config import DataConfig
    from engine.data.description import Description
    from engine.monitor import Monitor

ASK_FROM = 500_000_000
"""Bytes from which on a download asks first."""
SET = click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change one setting; may come repeatedly."
)


@click.group()
def command() -> None:
    """List, describe, fetch, import, rename and delete data sets."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_sets(as_json: bool) -> None:
    """Every data set: what it is, its licence, and whether it is here or where it comes from."""
    import json

    from engine.data.listing import listing

    rows = listing()
    if as_json:
        click.echo(json.dumps([row.json() for row in rows], indent=1))
        return
    for row in rows:
        click.echo(f"{click.style(row.name, bold=True)}  {row.about}")
        click.echo(f"    licence: {row.licence}\n    {row.where}")


@command.command()
@click.argument("name", required=False)
@SET
@click.option("--json", "file", metavar="FILE", help="Write it to FILE too.")
def describe(name: str | None, overrides: tuple[str, ...], file: str | None) -> None:
    """Read a data set (NAME, or --set data.dataset=…) and say what it holds after cleaning, and what each step took."""
    import json

    from engine.data import load_dataset
    from engine.data.description import describe as described

    config, target = _config(name, overrides), target_file(file)
    with _monitor() as monitor:
        found = described(load_dataset(config, 0, monitor), config)
    if target is not None:
        target.write_text(json.dumps(found.json(), indent=1, ensure_ascii=False), encoding="utf-8")
    _show(found)


@command.command()
@click.argument("name")
@click.option("--category", metavar="NAME", help="Which part, of those that come in parts (Amazon, MovieLens).")
@click.option("--yes", is_flag=True, help="Do not ask, however large.")
def fetch(name: str, category: str | None, yes: bool) -> None:
    """Fetch the files of data set NAME from its owners, after saying how large they are.

    What broke off goes on where it was; files are checked by digest or size.
    """
    from engine import datasets
    from engine.config import DataConfig
    from engine.data.remote import available_files, readable_size

    reader, config = datasets.reader(name), DataConfig(dataset=name, category=category)
    with _monitor() as monitor:
        offers = available_files(reader.remotes(config), monitor)
        for offer in offers:
            size = "of unknown size" if offer.size is None else readable_size(offer.size)
            click.echo(f"{offer.remote.name}: {size}, {offer.url}", err=True)
        total = sum(offer.size or 0 for offer in offers)
        if total > ASK_FROM and not yes:
            if not sys.stdin.isatty():
                raise StudioError(f"{readable_size(total)} to fetch", where=name, remedy="say --yes if that is meant")
            click.confirm(f"Fetch {readable_size(total)}?", abort=True, err=True)
        folder = reader.fetch(config, offers, monitor)
    more = f" --set data.category={category}" if category else ""
    click.echo(f"Terms: {reader.licence}", err=True)
    click.echo(f"{folder}\nlook at it: delrec data describe {name}{more}")


@command.command("import")
@click.argument("files", nargs=-1, required=True)
@click.option("--name", required=True, metavar="NAME", help="What to call it: data.dataset=NAME then takes it.")
@click.option("--as", "form", metavar="FORMAT", help="A name of 'delrec data list', if it is not guessed right.")
@SET
def import_files(files: tuple[str, ...], name: str, form: str | None, overrides: tuple[str, ...]) -> None:
    """Keep a data set in the data folder, made of FILES: a folder, an archive, or the files of any known format."""
    from engine.data.importing import import_files
    from engine.paths import expanded

    paths = [expanded(file) for file in files]
    with _monitor() as monitor:
        kept = import_files(paths, name, form, _config(form, overrides), monitor)
    click.echo(
        f"{plural(kept.rows, 'row')} of {plural(kept.items, 'item')} by {plural(kept.users, 'user')};"
        f" {'; '.join(kept.notes)}",
        err=True,
    )
    click.echo(f"use it with --set data.dataset={name}, look at it with: delrec data describe {name}")


@command.command()
@click.argument("name")
@click.argument("new")
def rename(name: str, new: str) -> None:
    """Call the imported data set NAME otherwise: NEW. Runs made on it find it under the name that they know."""
    from jobs import data_work

    data_work.rename(name, new)
    click.echo(f"use it with --set data.dataset={new}")


@command.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete the imported data set NAME. Runs made on it keep their results, and can no longer be asked or resumed."""
    from jobs import data_work

    made = data_work.runs_to_lose(name)
    named = f" ({plural(len(made), 'run')} on it: {', '.join(run.name for run in made[:5])})" if made else ""
    if not yes:
        if not sys.stdin.isatty():
            raise StudioError(f"{name} would be deleted{named}", where=name, remedy="say --yes if that is meant")
        click.confirm(f"Delete {name}{named}?", abort=True, err=True)
    data_work.delete(name)
    click.echo(f"{name} is deleted")


def _config(name: str | None, overrides: tuple[str, ...]) -> DataConfig:
    from engine.settings import load_config

    return load_config(overrides=(*([f"data.dataset={name}"] if name else []), *overrides)).data


def _monitor() -> AbstractContextManager[Monitor]:
    from rich.console import Console

    from webapp.commands._progress import shell_monitor

    return shell_monitor(Console(stderr=True))


def _show(found: Description) -> None:
    history = found.history
    lines = {
        found.name: f"{found.title}, from {found.source}",
        "users": f"{found.users:,}",
        "items": f"{found.items:,}",
        "interactions": f"{found.interactions:,} (density {found.density:.3%})",
        "history": f"{history['least']:g} to {history['most']:g} items, median {history['median']:g}, "
        f"mean {history['mean']:.1f}",
        "ties": f"{found.tie_share:.1%} of neighbours, {found.test_tie_share:.1%} of the last items",
        "titles": f"{found.untitled:,} missing, {found.look_alikes:,} like another's, the longest of "
        f"{found.longest_title:,} characters; genres or categories of {found.with_genres:.0%}, brands or authors of "
        f"{found.with_brand:.0%}",
        "rare targets": f"{found.rare_targets:.1%} of the users' last items have fewer than 5 training interactions",
        "cleaning": str(found.cleaning.get("said", "")),
        "licence": found.licence,
        "fingerprint": found.fingerprint,
    }
    for name, text in lines.items():
        click.echo(f"{click.style(f'{name:<13}', bold=True)} {text}")
