"""Values of settings as people write them: on the command line, in addresses, in YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.errors import StudioError
from engine.fields import Setting

MERGE = "tag:yaml.org,2002:merge"
"""YAML's sign that what follows belongs to the mapping around it."""
NOTHING = ("", "null", "none", "~")
"""How an optional number is left empty; of a text only no text at all, as a folder may be called ``null``."""
SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse(setting: Setting, text: str) -> Any:
    """What ``text`` means for a setting: texts are taken literally, all else by the setting's kind.

    What has no meaning comes back as it is, for the configuration to refuse.
    """
    if setting.kind == "text":
        literal = text.strip() if setting.choices else text
        return None if setting.optional and not literal else literal
    word = text.strip()
    if setting.kind == "list":
        return _listed(word)
    if setting.optional and word.lower() in NOTHING:
        return None
    if setting.kind == "switch":
        return SWITCHES.get(word.lower(), word)
    return _number(word, whole=setting.kind == "whole")


def write(value: Any) -> str:
    """The text that :func:`parse` reads as ``value``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return yaml.safe_dump(list(value), default_flow_style=True, allow_unicode=True, width=10**6).strip()
    return str(value)


def sections(names: Iterable[str]) -> set[str]:
    """The sections that dotted ``names`` lie in, and those that hold these."""
    return {".".join(parts[:end]) for parts in (name.split(".") for name in names) for end in range(1, len(parts))}


def read_yaml(text: str, where: str, settings: Mapping[str, Setting]) -> dict[str, Any]:
    """Dotted names with their values; sections may be nested (``distill: {steps: 5}``) or written out
    (``distill.steps: 5``).

    Raises:
        StudioError: no YAML, no mapping, or a setting or section that comes twice; says in which lines.
    """
    root = _compose(text, where)
    values: dict[str, Any] = {}
    if root is not None and not _nothing(root):
        if not isinstance(root, MappingNode):
            raise StudioError("expected settings by section", where=where, remedy="write e.g. 'distill: {steps: 50}'")
        _YamlReader(where, settings, values).take(root, "")
    return values


def load_yaml(text: str, where: str) -> Any:
    """Mappings, lists, and texts as they are written, keys too: what they mean is a setting's to say, and by their
    look ``1``, ``1.0``, ``true`` and ``yes`` would be one key. ``null`` and nothing are ``None``.

    Raises:
        StudioError: no YAML, a key that is no text, or one that comes twice in one place; says in which lines.
    """
    root = _compose(text, where)
    return None if root is None else _as_written(root, where)


def _compose(text: str, where: str) -> Node | None:
    try:
        return yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise StudioError("not valid YAML", where=f"{where}{line}", remedy="check indentation and colons") from None


def _as_written(node: Node, where: str) -> Any:
    if isinstance(node, SequenceNode):
        return [_as_written(value, where) for value in node.value]
    if not isinstance(node, MappingNode):
        return None if _nothing(node) else node.value
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode) or key.tag == MERGE:
            raise StudioError("this is no key", where=f"{where}, line {line}", remedy="write NAME: VALUE")
        if key.value in lines:
            where = f"{where}, lines {lines[key.value]} and {line}"
            raise StudioError(f"the key {key.value!r} comes twice", where=where, remedy="keep one of them")
        lines[key.value] = line
        values[key.value] = _as_written(value, where)
    return values


class _YamlReader:
    """Walks over the nodes of a file, so that every key's line is known and no value is guessed from its look."""

    def __init__(self, where: str, settings: Mapping[str, Setting], values: dict[str, Any]) -> None:
        self.where, self.settings, self.values = where, settings, values
        self.sections = sections(settings)
        self.lines: dict[str, int] = {}

    def take(self, node: MappingNode, prefix: str) -> None:
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode) or key.tag == MERGE:
                remedy = "write e.g. 'distill: {steps: 50}'"
                raise StudioError("this is no setting's name", where=f"{self.where}, line {line}", remedy=remedy)
            name = prefix + key.value
            self._once(name, line)
            if name in self.sections and isinstance(value, MappingNode):
                self.take(value, f"{name}.")
            elif not (name in self.sections and _nothing(value)):
                self.values[name] = self._value(name, value)

    def _once(self, name: str, line: int) -> None:
        if name in self.lines:
            what = "section" if name in self.sections else "setting"
            raise StudioError(
                f"the {what} {name!r} comes twice, in lines {self.lines[name]} and {line}",
                where=f"{self.where}, line {line}",
                remedy="put its settings under one of them" if what == "section" else "keep one of them",
            )
        self.lines[name] = line

    def _value(self, name: str, node: Node) -> Any:
        setting = self.settings.get(name)
        if _nothing(node):
            return None
        if isinstance(node, ScalarNode):
            return node.value if setting is None or setting.kind == "list" else parse(setting, node.value)
        return _plain(node)


def _nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _plain(node: Node) -> Any:
    """A list as texts; what no setting is made of is only hinted at."""
    if isinstance(node, SequenceNode):
        return [entry.value if isinstance(entry, ScalarNode) else "…" for entry in node.value]
    return {}


def _listed(word: str) -> Any:
    """``[a, b]``, or ``a, b``; as it is where the bracket does not close."""
    if not word.startswith("["):
        return [part.strip() for part in word.split(",") if part.strip()]
    try:
        node = yaml.compose(word, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return word
    return _plain(node) if isinstance(node, SequenceNode) else word


def _number(word: str, *, whole: bool) -> Any:
    for kind in (int, float) if whole else (float,):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
