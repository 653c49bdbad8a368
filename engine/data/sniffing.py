"""What the first lines of a file say of what it holds, whatever the file is called."""

from __future__ import annotations

import contextlib
import csv
import re
from functools import lru_cache

from engine.data.files import BOM, File, text_of
from engine.data.place import Place
from engine.data.records import parsed
from engine.data.sheet import SEPARATORS
from engine.errors import StudioError
from engine.packed import DAMAGED

LINES, BYTES = 20, 1 << 18
"""How much of a file is looked at, at most."""

OTHERS = re.compile(
    r"\.(tar|tgz|7z|rar|bz2|xz|zst|lz4|xlsx|parquet|safetensors|pt|pkl|np[yz]|jpe?g|png|pdf|md|html?|inter|item|user|kg|link)$",
    re.I,
)
"""Endings of files that say by themselves what they are."""
MOST_FILES = 200
"""Files of a folder into which is looked."""


def likely(place: Place) -> list[File]:
    """Files whose names do not say what they hold, the one that was named first, near ones before those below."""
    return [file for file in place.find(r".+") if not OTHERS.search(file.name)][:MOST_FILES]


def fields(file: File) -> frozenset[str]:
    """Names of the fields of its first records; none where there are no records, or the file cannot be read."""
    return _fields(first_lines(file))


def rows(file: File) -> list[list[str]]:
    """Cells of its first lines, parted by what stands most often in the first one; one cell each where nothing does.
    None where there are records, or the file cannot be read."""
    lines = [text_of(line).rstrip("\r\n") for line in first_lines(file)]
    if not lines or _begins_a_record(lines[0]):
        return []
    separator = max(SEPARATORS, key=lines[0].count)
    if len(separator) > 1 or separator not in lines[0]:
        return [line.split(separator) for line in lines]
    with contextlib.suppress(csv.Error):
        return list(csv.reader(lines, delimiter=separator))
    return []


def header(file: File) -> frozenset[str]:
    """The cells of its first line, in lower case."""
    return frozenset(cell.strip().lower() for cell in next(iter(rows(file)), []))


def holds_records(file: File) -> bool:
    """Whether it has a record per line; by its name where the file is empty or cannot be read."""
    first = next(iter(first_lines(file)), None)
    if first is None:
        return re.search(r"\.(csv|tsv|txt|dat)$", file.name, re.IGNORECASE) is None
    return _begins_a_record(text_of(first))


def _begins_a_record(line: str) -> bool:
    """Or a list of records, which says so when it is read."""
    return line.lstrip().startswith(("{", "[{")) or line.strip() == "["


def first_lines(file: File) -> tuple[bytes, ...]:
    """Those that are not empty, as far as they are whole; none of a file that cannot be read."""
    try:
        state = file.path.stat()
    except OSError:
        return ()
    return _lines(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=512)
def _fields(lines: tuple[bytes, ...]) -> frozenset[str]:
    found: set[str] = set()
    for line in lines:
        if isinstance(record := parsed(line), dict):
            found |= {str(name) for name in record}
    return frozenset(found)


@lru_cache(maxsize=512)
def _lines(file: File, changed: int, size: int) -> tuple[bytes, ...]:  # noqa: ARG001 - of a file that changed anew
    found: list[bytes] = []
    left = BYTES
    with contextlib.suppress(*DAMAGED, StudioError, OSError), file.open() as handle:
        while len(found) < LINES and left > 0 and (line := handle.text.readline(left)):
            left -= len(line)
            if line.strip() and (line.endswith(b"\n") or left > 0):
                found.append(line.removeprefix(BOM))
    return tuple(found)
