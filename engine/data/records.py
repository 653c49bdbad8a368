"""Files with a record per line, as JSON or as Python writes a dictionary."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from engine.data.files import File
from engine.data.raw import Wanted
from engine.monitor import Monitor

Record = dict[str, Any]


def records(file: File, monitor: Monitor, key: str = "", wanted: Wanted | None = None) -> Iterator[Record]:
    """The records of a file. Python's notation is read by :func:`ast.literal_eval`, so nothing is run.

    Args:
        key: the field with the id of an item.
        wanted: lines in which the key stands with the ids of other items only are passed over unparsed.

    Raises:
        StudioError: a line is no record; names it.
    """
    wanted = wanted or Wanted(None)
    ids = None if wanted.ids is None else {raw.encode() for raw in wanted.ids}
    named = re.compile(rb"""['"]%s['"]\s*:\s*(?:u?['"]([^'"]+)['"]|(\d+))""" % key.encode())
    number = 0
    for line in chain.from_iterable(map(io.BytesIO, file.blocks(monitor))):
        number += 1
        if ids is not None and (found := named.findall(line)) and not any(a in ids or b in ids for a, b in found):
            wanted.passed += 1
            continue
        if line.isspace():
            continue
        record = _parsed(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
        if not isinstance(record, dict):
            remedy = "correct the line; if it is the last one, the file was cut off: fetch it anew"
            file.fail("neither a JSON object nor a Python dictionary", remedy, number)
        yield record
    if not number:
        file.fail("an empty file", "fetch it anew")


def _parsed(line: bytes) -> object:
    parsers = (_python, json.loads) if line.lstrip()[1:2] in (b"'", b"u") else (json.loads, _python)
    for parse in parsers:
        try:
            return parse(line)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _python(line: bytes) -> object:
    return ast.literal_eval(line.decode("utf-8", "replace").strip())


def text(value: object) -> str:
    """A field that should be text: nothing for what is missing, the first entry of a list."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else value if isinstance(value, str) else str(value)


def texts(value: object) -> tuple[str, ...]:
    """A field that should be a list of texts."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(part for part in map(text, value) if part) if isinstance(value, list | tuple) else ()
