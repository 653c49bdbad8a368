"""Pages of the documentation that are made from the code while the site is built; none of them is kept.

MkDocs calls :func:`on_files`. What a page tells stands in one place only: settings in the configuration's docstrings,
commands in click's help, the library in its docstrings, notebooks in their files, the map beside the code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COPIED = {"ARCHITECTURE.md": "architecture.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Documents beside the code, and their pages."""
NOTEBOOKS = "docs/notebooks"
KINDS = {"whole": "whole number", "number": "number", "switch": "true or false", "text": "text", "list": "list"}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made from the code."""
    from mkdocs.structure.files import File

    pages = {
        "settings.md": settings_page(),
        "commands.md": commands_page(),
        "engine.md": engine_page(),
        **{page: moved((ROOT / document).read_text(encoding="utf-8")) for document, page in COPIED.items()},
        **{f"notebooks/{path.stem}.md": notebook(path) for path in sorted((ROOT / NOTEBOOKS).glob("*.py"))},
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def moved(text: str) -> str:
    """A document from beside the code as a page: its links lead to other pages."""
    for document, page in COPIED.items():
        text = text.replace(f"]({document})", f"]({page})")
    return text.replace("](docs/", "](").replace("](README.md)", "](index.md)")


def settings_page() -> str:
    """Every setting with its default, unit, choices and help, section by section, and the presets."""
    from engine.config import RunConfig
    from engine.fields import describe
    from engine.settings import PRESETS

    parts = [
        "# Settings",
        "The same names everywhere: `--set distill.steps=200` in the shell, `distill: {steps: 200}` or `distill.steps:"
        " 200` in YAML, a field of the form in the browser. `delrec settings WORD` looks one up.",
    ]
    section = None
    for setting in describe():
        own = setting.name.rpartition(".")[0]
        if own != section:
            section = own
            parts += [f"{'##' if own.count('.') == 0 else '###'} {own or 'Of the run'} {{ #{_anchor(own or 'run')} }}"]
            parts += [_about(RunConfig, own)] if own else []
        default = "empty" if setting.default in (None, [], "") else f"`{json.dumps(setting.default)}`"
        facts = [f"default {default}{f' {setting.unit}' if setting.unit else ''}"]
        if setting.choices:
            facts.append(("usual: " if setting.open else "one of " if setting.kind != "list" else "any of ")
                         + ", ".join(f"`{choice}`" for choice in setting.choices))  # fmt: skip
        else:
            facts.append(KINDS[setting.kind])
        facts += ["may be left empty"] if setting.optional else []
        facts += ["among the form's advanced settings"] if setting.advanced else []
        parts += [f"#### `{setting.name}` {{ #{_anchor(setting.name)} }}", _text(setting.help), "; ".join(facts) + "."]
    parts += ["## Presets", "Where settings start from. Each file holds what differs from the defaults above."]
    for name in PRESETS:
        text = (ROOT / f"engine/presets/{name}.yaml").read_text(encoding="utf-8")
        parts += [f"### {name} {{ #preset-{name} }}", f"```yaml\n{text.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _about(model: Any, dotted: str) -> str:
    for name in dotted.split("."):
        model = model.model_fields[name].annotation
    return _text(model.__doc__ or "")


def commands_page() -> str:
    """The help of every command, as the shell prints it."""
    import click

    from webapp.cli import delrec

    def helps(command: click.Command, context: click.Context, depth: int) -> Iterator[str]:
        yield f"{'#' * depth} {context.command_path} {{ #{_anchor(context.command_path)} }}"
        yield f"```text\n{context.get_help().strip()}\n```"
        for name in command.list_commands(context) if isinstance(command, click.Group) else []:
            inner = command.get_command(context, name)
            assert inner is not None
            yield from helps(inner, _context(inner, name, context), depth + 1)

    def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
        return click.Context(command, info_name=name, parent=parent, **command.context_settings, terminal_width=100)

    return "\n\n".join(["# Command line", *helps(delrec, _context(delrec, "delrec", None), 2)]) + "\n"


def engine_page() -> str:
    """The public names of ``engine``, with signatures and docstrings, read and not imported.

    Raises:
        ValueError: a public name says nothing about itself.
    """
    import griffe

    engine = griffe.load("engine", search_paths=[ROOT], resolve_aliases=True)
    parts = ["# Library", _docstring(engine), "## Names"]
    for name in sorted(engine.exports or (), key=str.lower):
        found = engine[str(name)].final_target
        if found.docstring is None:
            raise ValueError(f"engine.{name} has no docstring")
        where = str(found.filepath.relative_to(ROOT))
        parts += [f"### {name} {{ #{name} }}", _signature(str(name), found) + f"\n\n`{where}`", _docstring(found)]
        for own, member in found.members.items() if found.is_class else ():
            if own.startswith("_") or member.is_alias or member.docstring is None:
                continue
            parts += [f"#### {name}.{own} {{ #{name}.{own} }}"]
            parts += [_signature(own, member)] if member.is_function else []
            parts += [_docstring(member)]
    return "\n\n".join(parts) + "\n"


def _signature(name: str, found: Any) -> str:
    """Parameters one a line, as far as they do not fit one."""
    source = found.all_members.get("__init__") if found.is_class else found
    if source is None or not source.is_function:
        given = [f"{own}: {it.annotation}" for own, it in found.members.items() if it.is_attribute and it.annotation]
        return f"```python\nclass {name}\n```" if not given else _shown(f"class {name}", given, "")
    given, keywords = [], False
    for parameter in source.parameters:
        if parameter.name == "self":
            continue
        if parameter.kind is not None and parameter.kind.name == "keyword_only" and not keywords:
            given, keywords = [*given, "*"], True
        typed = f": {parameter.annotation}" if parameter.annotation else ""
        default = f" = {parameter.default}" if parameter.default is not None else ""
        given.append(f"{parameter.name}{typed}{default}")
    returns = f" -> {source.returns}" if not found.is_class and source.returns else ""
    return _shown(f"class {name}" if found.is_class else f"def {name}", given, returns)


def _shown(opening: str, given: list[str], returns: str) -> str:
    line = f"{opening}({', '.join(given)}){returns}"
    wide = f"{opening}(\n    {(',' + chr(10) + '    ').join(given)},\n){returns}"
    return f"```python\n{line if len(line) <= 90 else wide}\n```"


def _docstring(found: Any) -> str:
    """Markdown of a docstring with sections in Google's style."""
    parts = []
    for section in found.docstring.parse("google"):
        if section.kind.value == "text":
            parts.append(_text(section.value))
        elif section.kind.value == "examples":
            parts += [
                _text(value) if kind.value == "text" else f"```python\n{value}\n```" for kind, value in section.value
            ]
        elif section.kind.value == "admonition":
            parts.append(f"**{section.title}:** {_text(section.value.contents)}")
        else:
            lines = [f"**{section.kind.value.title()}**", ""]
            for it in section.value:
                called = getattr(it, "name", "") or str(getattr(it, "annotation", "") or "")
                lines.append(f"- {f'`{called}`: ' if called else ''}{_text(it.description)}")
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _text(text: str) -> str:
    """What docstrings mark, in Markdown; lines that begin with ``>>>`` and their answers become blocks of code."""
    text = re.sub(r":\w+:`~?\.?([^`]+)`", r"`\1`", text)
    text = text.replace("``", "`")
    return re.sub(
        r"(?:^>>> .*\n?(?:^(?!$).*\n?)*)+", lambda m: f"```python\n{m.group().rstrip()}\n```\n", text, flags=re.M
    )


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def notebook(path: Path) -> str:
    """A notebook in jupytext's percent form: its texts as they are, its code as code."""
    where = path.relative_to(ROOT)
    cells = re.split(r"^# %%(.*)$", path.read_text(encoding="utf-8"), flags=re.M)
    parts = []
    for kind, cell in zip(cells[1::2], cells[2::2], strict=True):
        if "[markdown]" in kind:
            parts.append(re.sub(r"^# ?", "", cell.strip(), flags=re.M))
        elif cell.strip():
            parts.append(f"```python\n{cell.strip()}\n```")
    parts.insert(1, f"*This page is `{where}`; Jupyter opens it through jupytext. CI runs it.*")
    return "\n\n".join(parts) + "\n"
