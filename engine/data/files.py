"""The files of a data set as they were downloaded: in a folder, in an archive, or one by itself, plain or ``.gz``.

Nothing is unpacked to the disk, and no file is read whole: lines are streamed, with a word now and then on how far.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn, cast

from engine import encodings
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.packed import DAMAGED

REPORT_SECONDS = 1.0
BLOCK = 1 << 22
"""Bytes read together."""
GZIP = b"\x1f\x8b"
"""What every gzip file begins with."""
BOM = codecs.BOM_UTF8
"""What some programs put before UTF-8."""
MOST_LINE = 1 << 24
"""Bytes of the longest line; what is longer is no table of rows."""
MOST_GROWTH, GROWTH_FROM = 250, 1 << 28
"""How many times its packed size a file may grow, once so many bytes have come out: text packs less than half as well,
bombs four times as well."""
MOST_FILES = 20_000
"""Names looked at in a folder or an archive."""
DEPTH = 2
"""Folders below the one given in which files are looked for."""


@dataclass(frozen=True)
class File:
    """A file on the disk, or a member of an archive, read as UTF-8 whatever its encoding; ``str()`` names it for
    messages."""

    path: Path
    member: str = ""
    encoding: str = encodings.UTF8
    """Of its text, unless it begins with the mark of another."""

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """Its own name without folders and without what says how it is packed."""
        name = PurePosixPath(self.member).name if self.member else self.path.name
        return re.sub(r"\.gz$", "", name, flags=re.IGNORECASE)

    @property
    def called(self) -> str:
        """Its name before a browser numbered a copy of it: ``movies (1).csv``."""
        return re.sub(r" ?\(\d{1,2}\)(?=\.|$)", "", self.name)

    @property
    def folder(self) -> str:
        """The folder or archive, and the folder within it, in which the file lies."""
        return f"{self.path}/{PurePosixPath(self.member).parent}" if self.member else str(self.path.parent)

    @property
    def label(self) -> str:
        """The name of that folder or archive."""
        return PurePosixPath(self.folder).name.removesuffix(".zip")

    @property
    def path_parts(self) -> list[str]:
        """Names of all folders and archives in which it lies."""
        return [part.removesuffix(".zip") for part in PurePosixPath(Path(self.folder).as_posix()).parts]

    @property
    def packed(self) -> bool:
        return bool(self.member) or self.path.suffix.lower() == ".gz"

    def blocks(self, monitor: Monitor) -> Iterator[bytes]:
        """Its content in pieces of whole lines; says every few seconds how far it is.

        Raises:
            StudioError: it cannot be read, is damaged or cut off, or is no file of lines.
            Cancelled: the monitor asked to stop.
        """
        yield from self._blocks(self.open(), monitor)

    def _blocks(self, opened: contextlib.AbstractContextManager[_Handle], monitor: Monitor) -> Iterator[bytes]:
        with opened as handle:
            report = _ReadProgress(self, handle, monitor)
            size, rest = 0, b""
            try:
                while piece := handle.text.read(BLOCK):
                    size += len(piece)
                    report(size)
                    end = piece.rfind(b"\n") + 1
                    if not end and len(rest) + len(piece) > MOST_LINE:
                        self.fail(f"a line of more than {MOST_LINE} characters", "bring a table of rows")
                    if end:
                        yield rest + piece[:end]
                        rest = b""
                    rest += piece[end:]
            except DAMAGED:
                self.fail("damaged or cut off", "fetch it anew")
            except OSError as error:
                self.fail(f"cannot be read: {error.strerror or error}", "check the file")
        if rest and not rest.endswith(b"\r"):
            monitor.message(f"Warning: {self.name} does not end with the end of a line: it may have been cut off")
        if rest:
            yield rest

    def fail_as_text(self, line: int = 0) -> NoReturn:
        """Raise because it is not text of its encoding; says which one would fit."""
        named = "UTF-8" if self.encoding == encodings.UTF8 else self.encoding
        fitting = self.guessed_encoding()
        other = f"={fitting}, which fits," if fitting not in (None, self.encoding) else ""
        self.fail(f"not {named} text", f"set data.encoding{other} or save the file as UTF-8", line)

    def _fail_as_marked(self, line: int) -> NoReturn:
        self.fail("not the text that its first bytes say it is, or cut off", "save the file as UTF-8", line)

    def guessed_encoding(self) -> str | None:
        """In which encoding it probably is, by all its lines that are not UTF-8; None where nothing fits, or it says
        its encoding itself or cannot be read."""
        odd: list[bytes] = []
        size = 0
        with contextlib.suppress(StudioError):
            with self._bytes() as handle:
                if encodings.marked(handle.begin):
                    return None
            for block in self._blocks(self._bytes(), Monitor()):
                if size < encodings.SAMPLE and not _is_utf8(block):
                    lines = [line for line in block.splitlines(keepends=True) if not _is_utf8(line)]
                    odd, size = odd + lines, size + sum(map(len, lines))
            return encodings.guess(b"".join(odd)) if odd else encodings.UTF8
        return None

    def fail(self, what: str, remedy: str, line: int = 0) -> NoReturn:
        """Raise for the file, or for a line of it."""
        raise StudioError(what, where=f"{self}, line {line}" if line else str(self), remedy=remedy)

    @contextlib.contextmanager
    def open(self) -> Iterator[_Handle]:
        """The unpacked text as UTF-8, with the place in the packed bytes."""
        with self._bytes() as handle:
            mark = encodings.marked(handle.begin)
            codec = mark or self.encoding
            if codec in (encodings.UTF8, "utf-8-sig"):
                yield handle
            else:
                read = encodings.AsUtf8(handle.text, codec, self._fail_as_marked if mark else self.fail_as_text)
                yield replace(handle, text=cast("IO[bytes]", io.BufferedReader(read, BLOCK)))

    @contextlib.contextmanager
    def _bytes(self) -> Iterator[_Handle]:
        """The unpacked bytes, with the place in the packed ones."""
        with contextlib.ExitStack() as stack:
            try:
                raw: IO[bytes] = stack.enter_context(self.path.open("rb"))
                total, text = self.path.stat().st_size, raw
                if self.member:
                    archive = stack.enter_context(zipfile.ZipFile(raw))
                    total = archive.getinfo(self.member).compress_size
                    raw = text = stack.enter_context(archive.open(self.member))
                begin = raw.read(len(GZIP))
                raw.seek(0)
                if begin == GZIP:  # whatever it is called: some browsers unpack and keep the ending
                    text = cast("IO[bytes]", stack.enter_context(gzip.open(raw)))
                plain, begin = text is raw and not self.member, text.read(encodings.MOST_MARK)
                text.seek(0)
            except zipfile.BadZipFile:
                self.fail("not a readable archive, or a damaged copy", "fetch it anew")
            except DAMAGED:
                self.fail("damaged or cut off", "fetch it anew")
            except KeyError:
                self.fail("is gone from the archive", "read it again")
            except RuntimeError:
                self.fail("locked by a password or packed in a way that cannot be read", "unpack the archive")
            except OSError as error:
                self.fail(f"cannot be read: {error.strerror or error}", "check the file")
            yield _Handle(text, raw, total, begin, plain=plain)


@dataclass
class _Handle:
    text: IO[bytes]
    raw: IO[bytes]
    total: int
    """Bytes of the packed file."""
    begin: bytes
    """The first ones of the unpacked text."""
    plain: bool
    """It is not packed."""


class _ReadProgress:
    def __init__(self, file: File, handle: _Handle, monitor: Monitor) -> None:
        self.file, self.handle, self.monitor = file, handle, monitor
        self.reported_at = time.monotonic()

    def __call__(self, size: int) -> None:
        """``size`` unpacked bytes have come."""
        self.monitor.check()
        packed = self.handle.total
        if size >= GROWTH_FROM and not self.handle.plain and size > MOST_GROWTH * packed:
            self.file.fail(
                f"{packed} bytes that grow more than {MOST_GROWTH}-fold", "bring the file that was published"
            )
        if time.monotonic() - self.reported_at >= REPORT_SECONDS:
            self.reported_at = time.monotonic()
            at = size if self.handle.plain else self.handle.raw.tell()
            share = f"{min(at / packed, 1):.0%} of {packed / 1e6:.0f} MB" if packed else f"{size / 1e6:.0f} MB"
            self.monitor.message(f"Reading {self.file.name}: {share}")


def text_of(block: bytes) -> str:
    """Lines as text: UTF-8, or latin-1 as GroupLens wrote until 2003, which accents make unreadable as UTF-8."""
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("latin-1")


def _is_utf8(text: bytes) -> bool:
    try:
        return b"\0" not in text and (text.isascii() or bool(text.decode()))
    except UnicodeDecodeError:
        return False
