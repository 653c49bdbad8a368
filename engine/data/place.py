"""Where a data set's files are: a folder, an archive, or one file with its neighbours."""

from __future__ import annotations

import contextlib
import re
import stat
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from engine import encodings
from engine.data.files import File
from engine.errors import StudioError
from engine.packed import DAMAGED

MOST_FILES = 20_000
"""Names looked at in a folder or an archive."""
DEPTH = 2
"""Folders below the one given in which files are looked for."""


class Place:
    """Where ``data.path`` points: a folder, an archive, or one file with its neighbours.

    Args:
        encoded: encoding of the files that do not say theirs.

    Attributes:
        files: all files there, those above before those below, by name.
        chosen: the file that was named, where one was.
        faults: archives that cannot be read.

    Raises:
        StudioError: nothing is there, or the archive is unreadable or holds hostile names.
    """

    def __init__(self, path: Path, encoded: str = encodings.UTF8) -> None:
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
                siblings = (file for file in path.parent.iterdir() if file != path and file.is_file())
                self.files = [self.chosen, *(File(file) for file in sorted(siblings)[:MOST_FILES])]
            else:
                raise StudioError(f"there is no {path}", where="data.path", remedy="correct data.path")
            self.files = [replace(file, encoding=encoded) for file in self.files]
            self.chosen = self.chosen and self.files[0]
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

    def lacks(self, name: str, expected: str) -> StudioError:
        """What to raise where the files of ``name`` are not here: says which were looked for and what is here."""
        if fault := self.packed_otherwise():
            return fault
        here = ", ".join(file.name for file in self.files[:4]) + (", …" if len(self.files) > 4 else "")
        if self.faults:
            here = f"{here or 'nothing else'}; {'; '.join(self.faults[:2])}"
        return StudioError(
            f"no files of {name}: looked for {expected}, found {here or 'nothing'}",
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
    except NotImplementedError as error:
        what = f"packed in a way that cannot be read ({error})"
        raise StudioError(what, where=str(path), remedy="unpack the archive") from None
    except (*DAMAGED, ValueError):
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
