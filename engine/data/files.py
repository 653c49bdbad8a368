"""The files of a data set as they were downloaded: in a folder, in an archive, or one by itself, plain or ``.gz``.

Nothing is unpacked to the disk, and no file is read whole: lines are streamed, with a word now and then on how far.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn, cast

from engine.errors import StudioError
from engine.monitor import Monitor

REPORT_SECONDS = 1.0
BLOCK = 1 << 22
"""Bytes read together."""
GZIP = b"\x1f\x8b"
"""What every gzip file begins with."""
BOM = b"\xef\xbb\xbf"
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
    """A file on the disk, or a member of an archive; ``str()`` names it for messages."""

    path: Path
    member: str = ""

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
        with self.open() as handle:
            report = _Report(self, handle, monitor)
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
            except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile):
                self.fail("damaged or cut off", "fetch it anew")
            except NotImplementedError as error:
                self.fail(f"packed in a way that cannot be read ({error})", "unpack the archive")
            except RuntimeError:  # what zipfile says of a password
                self.fail("locked by a password", "unpack the archive")
            except OSError as error:
                self.fail(f"cannot be read: {error.strerror or error}", "check the file")
        if rest:
            monitor.message(f"Warning: {self.name} does not end with the end of a line: it may have been cut off")
            yield rest

    def fail(self, what: str, remedy: str, line: int = 0) -> NoReturn:
        """Raise for the file, or for a line of it."""
        raise StudioError(what, where=f"{self}, line {line}" if line else str(self), remedy=remedy)

    @contextlib.contextmanager
    def open(self) -> Iterator[_Handle]:
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
            except zipfile.BadZipFile:
                self.fail("not a readable archive, or a damaged copy", "fetch it anew")
            except (EOFError, zlib.error):
                self.fail("damaged or cut off", "fetch it anew")
            except KeyError:
                self.fail("is gone from the archive", "read it again")
            except (RuntimeError, NotImplementedError):
                self.fail("locked by a password or packed in a way that cannot be read", "unpack the archive")
            except OSError as error:
                self.fail(f"cannot be read: {error.strerror or error}", "check the file")
            yield _Handle(text, raw, total, plain=text is raw and not self.member)


@dataclass
class _Handle:
    text: IO[bytes]
    raw: IO[bytes]
    total: int
    """Bytes of the packed file."""
    plain: bool
    """It is not packed."""


class _Report:
    def __init__(self, file: File, handle: _Handle, monitor: Monitor) -> None:
        self.file, self.handle, self.monitor = file, handle, monitor
        self.said = time.monotonic()

    def __call__(self, size: int) -> None:
        """``size`` unpacked bytes have come."""
        self.monitor.check()
        packed = self.handle.total
        if size >= GROWTH_FROM and not self.handle.plain and size > MOST_GROWTH * packed:
            self.file.fail(
                f"{packed} bytes that grow more than {MOST_GROWTH}-fold", "bring the file that was published"
            )
        if time.monotonic() - self.said >= REPORT_SECONDS:
            self.said = time.monotonic()
            at = size if self.handle.text is self.handle.raw else self.handle.raw.tell()
            share = f"{min(at / packed, 1):.0%} of {packed / 1e6:.0f} MB" if packed else f"{size / 1e6:.0f} MB"
            self.monitor.message(f"Reading {self.file.name}: {share}")


class Place:
    """Where ``data.path`` points: a folder, an archive, or one file with its neighbours.

    Attributes:
        files: all files there, those above before those below, by name.
        chosen: the file that was named, where one was.
        faults: archives that cannot be read.

    Raises:
        StudioError: nothing is there, or the archive is unreadable or holds hostile names.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.chosen: File | None = None
        self.faults: list[str] = []
        try:
            if path.is_dir():
                self.files = _below(path, self.faults)
            elif path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
                self.files = _members(path)
            elif path.is_file():
                self.chosen = File(path)
                beside = (file for file in path.parent.iterdir() if file != path and file.is_file())
                self.files = [self.chosen, *(File(file) for file in sorted(beside)[:MOST_FILES])]
            else:
                raise StudioError(f"there is no {path}", where="data.path", remedy="correct data.path")
        except OSError as error:
            remedy = "check the folder's rights"
            raise StudioError(f"cannot be read: {error.strerror or error}", where=str(path), remedy=remedy) from None

    def find(self, *patterns: str) -> list[File]:
        """Files whose name matches a pattern in full, letter case aside: those of the first pattern first, the one
        that was named before others, near ones before those below, plain ones before packed ones."""

        def rank(file: File) -> tuple[bool, int, int, bool]:
            return file != self.chosen, len(file.path.parts), file.member.count("/"), file.packed

        near = sorted(self.files, key=rank)
        return [file for pattern in patterns for file in near if re.fullmatch(pattern, file.called, re.IGNORECASE)]

    def pairs(self, *kinds: Sequence[str]) -> dict[str, list[File]]:
        """One file of each kind, by the first pattern that is met, for each folder or archive that has them all; by
        its name. Where none has, files of several folders."""
        found = [self.find(*patterns) for patterns in kinds]
        pairs: dict[str, list[File]] = {}
        for first in found[0]:
            together = [[file for file in files if file.folder == first.folder] for files in found]
            if all(together):
                pairs.setdefault(first.label, [first, *(files[0] for files in together[1:])])
        if not pairs and all(found):
            pairs[found[0][0].label] = [files[0] for files in found]
        return pairs

    def pair(self, *kinds: Sequence[str]) -> list[File] | None:
        """The nearest of :meth:`pairs`."""
        return next(iter(self.pairs(*kinds).values()), None)

    def packed_otherwise(self) -> StudioError | None:
        """What to raise where a file is packed as none is read here."""
        for file in self.files:
            if re.search(r"\.(tar|tgz|7z|rar|bz2|xz|zst|lz4)$", file.name, re.IGNORECASE):
                what = f"{file.name} is packed in a way that is not read"
                return StudioError(what, where=str(file), remedy="unpack it, or pack its files as .gz or .zip")
        return None

    def lacks(self, name: str, wanted: str) -> StudioError:
        """What to raise where the files of ``name`` are not here: says which were looked for and what is here."""
        if fault := self.packed_otherwise():
            return fault
        here = ", ".join(file.name for file in self.files[:4]) + (", …" if len(self.files) > 4 else "")
        if self.faults:
            here = f"{here or 'nothing else'}; {'; '.join(self.faults[:2])}"
        return StudioError(
            f"no files of {name}: looked for {wanted}, found {here or 'nothing'}",
            where=f"data.path={self.path}",
            remedy="correct data.path, or data.dataset if these are another set's files",
        )


def _below(folder: Path, faults: list[str], depth: int = DEPTH) -> list[File]:
    files: list[File] = []
    folders: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            folders.append(path)
        elif path.suffix.lower() == ".zip" and path.is_file():
            try:
                files += _members(path)
            except StudioError as error:  # perhaps not the one that is looked for
                faults.append(f"{path.name}: {error.what}")
        elif path.is_file():
            files.append(File(path))
    if depth > 1:
        for below in folders:
            if len(files) < MOST_FILES:
                with contextlib.suppress(OSError):
                    files += _below(below, faults, depth - 1)
    return files[:MOST_FILES]


def _members(path: Path) -> list[File]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        what = "not a readable archive, or a damaged copy"
        raise StudioError(what, where=str(path), remedy="fetch it anew") from None
    if len(entries) > MOST_FILES:
        raise StudioError(f"an archive of {len(entries)} files", where=str(path), remedy="bring the published one")
    files = []
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/"))
        odd = parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0] if parts.parts else True
        if odd or stat.S_ISLNK(entry.external_attr >> 16) or not entry.filename.isprintable():
            what = f"the archive holds {entry.filename!r}, which leads out of it"
            raise StudioError(what, where=str(path), remedy="bring the published archive")
        if not entry.is_dir() and not parts.name.startswith(".") and parts.parts[0] != "__MACOSX":
            files.append(File(path, entry.filename))
    return files


def text_of(block: bytes) -> str:
    """Lines as text: UTF-8, or latin-1 as GroupLens wrote until 2003, which accents make unreadable as UTF-8."""
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("latin-1")
