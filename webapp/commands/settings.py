"""``delrec settings``: every setting with default, unit and help, generated from the configuration's own fields."""

from __future__ import annotations

import click


@click.command()
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with choices.")
def command(words: tuple[str, ...], as_json: bool) -> None:
    """List all settings, or those whose name or help holds all WORDS.

    Set one with --set NAME=VALUE, or in YAML under its section.
    """
    import json

    from engine.errors import StudioError
    from engine.fields import describe

    chosen = [s for s in describe() if all(word.lower() in f"{s.name} {s.help}".lower() for word in words)]
    if not chosen:
        raise StudioError("no setting matches", where=" ".join(words), remedy="'delrec settings' lists all")
    if as_json:
        click.echo(json.dumps([vars(setting) for setting in chosen], indent=1))
        return
    for setting in chosen:
        default = "empty" if setting.default in (None, []) else json.dumps(setting.default)
        click.echo(f"{click.style(setting.name, bold=True)} = {default} {setting.unit}".rstrip())
        choices = f" ({' | '.join(setting.choices)})" if setting.choices else ""
        click.echo(f"    {setting.help}{choices}")
