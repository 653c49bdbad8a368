"""Files with a record per line, as JSON or as Python writes a dictionary."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from engine.data.files import File
from engine.data.raw import LogBatch, RawIdFilter
from engine.monitor import Monitor

JsonRecord = dict[str, Any]
_UNREAD = re.compile(r"'related': \{[^{}]*\}(?:, )?")
"""The field of Amazon's items of 2014 that takes most of the time of reading them, hundreds of ids, and is not used."""
_QUOTES = (b"'", b'"')


def records(file: File, monitor: Monitor, key: str = "", id_filter: RawIdFilter | None = None) -> Iterator[JsonRecord]:
    """The records of a file. Python's notation is read by :func:`ast.literal_eval`, so nothing is run.

    Args:
        key: the field with the id of an item.
        id_filter: lines in which the key stands with the ids of other items only are passed over unparsed.

    Raises:
        StudioError: a line is no record; names it.
    """
    id_filter = id_filter or RawIdFilter(None)
    lines = None if id_filter.ids is None else _Lines(key, id_filter)
    number = 1
    for block in file.blocks(monitor):
        yield from _records(lines.filtered(block) if lines else enumerate(io.BytesIO(block)), file, number)
        number += block.count(b"\n")
    if number == 1:
        file.fail("an empty file", "fetch it anew")


def logged(
    file: File, fields: tuple[str, str, str], monitor: Monitor, read: Callable[[JsonRecord], tuple[str, str, str]]
) -> Iterator[LogBatch]:
    """Users, items and times of a file of JSON records, for :class:`engine.data.raw.LogBuilder`.

    Args:
        fields: their names. Arrow reads them; records that lack one or hold another kind of value go to ``read``.

    Raises:
        StudioError: as :func:`records`.
    """
    number = 1
    for block in file.blocks(monitor):
        if (found := _arrow(block, fields)) is not None:
            yield found
        elif rows := [read(record) for record in _records(enumerate(io.BytesIO(block)), file, number)]:
            users, items, times = zip(*rows, strict=True)
            yield users, items, times
        number += block.count(b"\n")
    if number == 1:
        file.fail("an empty file", "fetch it anew")


class _Lines:
    """Finds the lines of wanted items without parsing others."""

    def __init__(self, key: str, id_filter: RawIdFilter) -> None:
        self.id_filter = id_filter
        self.ids = {raw.encode() for raw in id_filter.ids or ()}
        self.named = re.compile(rb"""%s['"]\s*:\s*(?:u?['"]([^'"]+)['"]|(\d+))""" % key.encode())

    def filtered(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """The lines of a block in which the key has a wanted id or does not stand, with their places in it."""
        places = [match for match in self.named.finditer(block) if block[match.start() - 1 : match.start()] in _QUOTES]
        if len(places) < block.count(b"\n"):  # not one in each line: look at them all
            for number, line in enumerate(io.BytesIO(block)):
                found = [match for match in self.named.finditer(line) if line[match.start() - 1] in b"'\""]
                if not found or any(map(self._passes, found)):
                    yield number, line
                elif not line.isspace():
                    self.id_filter.passed += 1
            return
        taken, end, number = 0, 0, 0
        for match in filter(self._passes, places):
            if match.start() >= end:
                start = block.rfind(b"\n", 0, match.start()) + 1
                number += block.count(b"\n", end, start)
                end = block.find(b"\n", match.start()) + 1 or len(block)
                taken += 1
                yield number, block[start:end]
                number += 1
        self.id_filter.passed += number + block.count(b"\n", end) - taken

    def _passes(self, match: re.Match[bytes]) -> bool:
        return (match[1] or match[2]) in self.ids


def _records(lines: Iterable[tuple[int, bytes]], file: File, first: int) -> Iterator[JsonRecord]:
    """Parsed lines with their places behind the line ``first``; empty ones are passed over."""
    for place, line in lines:
        if line.isspace():
            continue
        record = parsed(line.removeprefix(b"\xef\xbb\xbf"))
        if not isinstance(record, dict):
            remedy = "correct the line; if it is the last one, the file was cut off: fetch it anew"
            file.fail("neither a JSON object nor a Python dictionary", remedy, first + place)
        yield record


def _arrow(block: bytes, fields: tuple[str, str, str]) -> LogBatch | None:
    """``None`` for a block that is not all JSON, or in which a field is missing or of another kind."""
    import pyarrow
    from pyarrow import json as arrow

    kinds = (pyarrow.string(), pyarrow.string(), pyarrow.int64())
    schema = pyarrow.schema(list(zip(fields, kinds, strict=True)))
    try:
        table = arrow.read_json(
            pyarrow.BufferReader(block),
            read_options=arrow.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=arrow.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except pyarrow.ArrowInvalid:
        return None
    users, items, times = (table.column(name).combine_chunks() for name in fields)
    if not len(table) or any(column.null_count for column in (users, items, times)):
        return None
    return users.dictionary_encode(), items.dictionary_encode(), times.to_numpy()


def parsed(line: bytes) -> object:
    """A line's value; ``None`` where it is neither JSON nor Python's notation."""
    parsers = (_python, json.loads) if line.lstrip()[1:2] in (b"'", b"u") else (json.loads, _python)
    for parse in parsers:
        try:
            return parse(line)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _python(line: bytes) -> object:
    text = line.decode("utf-8", "replace").strip()
    if '"' not in text and "\\" not in text:  # every ' opens or closes a text: JSON reads it ten times as fast
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text.replace("'", '"'))
    with contextlib.suppress(ValueError, SyntaxError):
        return ast.literal_eval(_UNREAD.sub("", text))
    return ast.literal_eval(text)


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
