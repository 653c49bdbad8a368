"""A run as one zip file, and back. What comes back is a stranger's until it has been checked.

::

    archive.json    {"format": 1, "delrec_studio": "0.1.0"}
    record.json     what the database knows: settings, state, stages, curves, results, explanations
    files/…         the run's folder
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from db import naming, runs, transfer
from db.naming import ID, run_folder
from db.runs import Run
from db.store import writing
from db.transfer import ExportedRun
from engine.errors import StudioError
from engine.packed import DAMAGED
from engine.paths import home, writable
from engine.run_folder import RunFolder
from engine.settings import stored_config
from engine.whole_files import is_abandoned, write_text

FORMAT = 1
ABOUT, RECORD, FILES = "archive.json", "record.json", "files/"
STAGED = ".import-"

SUFFIXES = {".json", ".jsonl", ".yaml", ".txt", ".md", ".safetensors", ".parquet"}
"""What a run's folder consists of; nothing that runs code when it is read."""
INCOMPRESSIBLE = {".safetensors", ".parquet"}
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
DEEPEST = 4
MOST_FILES = 1000
LARGEST_RECORD = 64 * 2**20
LARGEST_TOTAL = 16 * 2**30
LARGEST_RATIO = 200
"""Bytes that one byte of the archive may unpack to, beyond the first ``FREE_BYTES``."""
FREE_BYTES = 16 * 2**20
CHUNK = 2**20


def write(run: Run, target: Path) -> None:
    """Write a run that has ended to ``target``, atomically; links and files of other kinds are left out.

    Raises:
        StudioError: the run has not ended, was taken up meanwhile, or the file cannot be written.
    """
    if run.active or run.state == "queued":
        remedy = "wait for its end, or cancel it first"
        raise StudioError(f"run {run.name!r} cannot be exported, it is {run.state}", where=run.id, remedy=remedy)
    if lost := _lost(run):
        remedy = "restore the run's folder from a copy, or run it again"
        raise StudioError(f"run {run.name!r} cannot be exported, {lost}", where=str(run.folder), remedy=remedy)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            about = {"format": FORMAT, "delrec_studio": version("delrec-studio")}
            archive.writestr(ABOUT, json.dumps(about))
            archive.writestr(RECORD, transfer.read(run).model_dump_json())
            for name, path in _files(run.folder):
                stored = path.suffix in INCOMPRESSIBLE
                method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                archive.write(path, FILES + name, compress_type=method)
        now = runs.get(run.id)
        if (now.state, now.started_at) != (run.state, run.started_at):
            raise StudioError(f"run {run.name!r} was taken up meanwhile", where=run.id, remedy="export it at its end")
        partial.replace(target)
    except OSError as error:
        remedy = "free some space or choose another place"
        raise StudioError(f"cannot write the archive: {error.strerror}", where=str(target), remedy=remedy) from None
    finally:
        with suppress(OSError):
            partial.unlink()


def _lost(run: Run) -> str:
    """What is gone of the files that a run left, in words; empty if nothing is."""
    if not run.folder.is_dir():
        return "its folder is gone" if run.started_at else ""
    if gone := RunFolder.open(run.folder).missing(finished=run.state == "done"):
        return f"its files are gone or others than it left: {', '.join(gone)}"
    return ""


def read(path: Path, name: str | None = None) -> str:
    """Import an archive and return the run's id: its old one, or a new one if that is taken here.

    A name that is taken gets a number, unless it was chosen with ``name``. The run appears whole or not at all.

    Raises:
        StudioError: no archive of a run, a damaged or hostile one, one of a newer version, too little space, or a
            ``name`` that is taken or unusable.
    """
    chosen = None if name is None else naming.valid_name(name)
    staged = writable(home() / "runs") / f"{STAGED}{secrets.token_hex(8)}"
    try:
        with _opened(path) as archive:
            entries = _checked(archive, path)
            record = _record(archive, path)
            staged.mkdir()
            for entry in entries:
                _extract(archive, entry, staged / entry.filename.removeprefix(FILES))
        return _settle(record, staged, chosen, path)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def sweep() -> None:
    """Remove what imports that were killed left behind, once they are surely dead."""
    for leftover in (home() / "runs").glob(f"{STAGED}*"):
        with suppress(OSError):
            if is_abandoned(leftover):
                shutil.rmtree(leftover, ignore_errors=True)


def _settle(record: ExportedRun, staged: Path, chosen: str | None, path: Path) -> str:
    """Give the unpacked run an id and a name; its folder and its record appear together."""
    with_files = any(staged.iterdir())
    if with_files and RunFolder.open(staged).config() != stored_config(record.run.config):
        raise _refused("its files belong to other settings than its record", path)
    finished = record.run.state == "done"
    if finished and not with_files:
        raise _refused("the run is done and none of its files are in it", path)
    if with_files and (gone := RunFolder.open(staged).missing(finished=finished)):
        raise _refused(f"it lacks what the run left, or holds something else: {', '.join(gone)}", path)
    with writing() as session:
        free = not naming.exists(session, record.run.id)
        run_id = record.run.id if free else naming.new_id(session)
        if not free:
            record = _renumbered(record, staged, run_id, path)
        if chosen is not None:
            naming.refuse_taken(session, chosen)
        try:
            transfer.insert(record, run_id, chosen or transfer.unused_name(record.run.name, session), session)
        except (KeyError, TypeError, AttributeError):
            raise _refused("its record is damaged", path) from None
        if with_files:
            staged.rename(run_folder(run_id))
    return run_id


def _renumbered(record: ExportedRun, staged: Path, run_id: str, path: Path) -> ExportedRun:
    """The record of a run that gets another id; the files that tell its id are changed as well."""
    for file in (staged / "run.json", staged / "metrics.json", staged / "falsification.json"):
        if not file.exists():
            continue
        try:
            content = {**json.loads(file.read_text(encoding="utf-8")), "run_id": run_id}
        except (ValueError, TypeError):
            raise _refused(f"its {file.name} is damaged", path) from None
        write_text(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        RunFolder(staged).files.renew(file)
    report = None if record.report is None else {**record.report, "run_id": run_id}
    return record.model_copy(update={"report": report})


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except OSError as error:
        remedy = "name an archive that 'delrec export' wrote, and see that the disk has space"
        raise StudioError(f"cannot unpack it: {error.strerror or error}", where=path.name, remedy=remedy) from None
    except (*DAMAGED, RuntimeError, ValueError):  # or made with other methods, or no JSON
        raise _refused("it is damaged or no zip file", path) from None


def _checked(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The entries to unpack, once all names, kinds and sizes are harmless."""
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise _refused(f"it holds more than {MOST_FILES} files", path)
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST_TOTAL or total > LARGEST_RATIO * path.stat().st_size + FREE_BYTES:
        raise _refused(f"it would unpack to {total / 1e9:.1f} GB", path)
    free = shutil.disk_usage(writable(home())).free
    if total > free:
        needed = f"it needs {total / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise StudioError(f"too little space: {needed}", where=path.name, remedy="free some space in the data folder")
    seen: set[str] = set()
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        known = entry.filename in (ABOUT, RECORD) or _harmless(entry.filename)
        if not known or entry.is_dir() or entry.filename.casefold() in seen or kind not in (0, stat.S_IFREG):
            raise _refused(f"it holds {entry.filename[:100]!r}", path)
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(f"{entry.filename[:100]!r} is packed in another way", path)
        seen.add(entry.filename.casefold())
    return [entry for entry in entries if entry.filename.startswith(FILES)]


def _harmless(name: str) -> bool:
    """Whether this is a file below ``files/`` with a plain name of a known kind."""
    if not name.startswith(FILES):
        return False
    parts = name.removeprefix(FILES).split("/")
    return len(parts) <= DEEPEST and all(map(PART.fullmatch, parts)) and Path(parts[-1]).suffix in SUFFIXES


def _record(archive: zipfile.ZipFile, path: Path) -> ExportedRun:
    about, found = _json(archive, ABOUT, path), _json(archive, RECORD, path)
    form = about.get("format")
    if not isinstance(form, int):
        raise _refused("it names no format", path)
    if form > FORMAT:
        raise StudioError(
            f"the archive was written by a newer DELRec Studio (format {form}, this one reads {FORMAT})",
            where=path.name,
            remedy="update DELRec Studio",
        )
    from engine.evaluate.report import Report  # takes a second to import, and nothing else here needs it

    try:
        record = ExportedRun.model_validate(found)
        if record.report is not None:
            Report.model_validate(record.report)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise _refused(f"its record is damaged at {place[:100]}", path) from None
    run = record.run
    if not ID.fullmatch(run.id) or (record.report is None) == (run.state == "done"):
        raise _refused("its record contradicts itself", path)
    stored_config(run.config)
    naming.valid_name(run.name)
    naming.valid_notes(run.tags, run.note)
    return record


def _json(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise _refused("it is not the archive of a run", path) from None
    if entry.file_size > LARGEST_RECORD:
        raise _refused("its record is too large", path)
    content = json.loads(archive.read(entry))
    if not isinstance(content, dict):
        raise _refused("its record is damaged", path)
    return content


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, CHUNK)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Names and paths of a run's files that travel, in a fixed order."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for path in (Path(parent) / file for file in sorted(files)):
            name = path.relative_to(folder).as_posix()
            if _harmless(FILES + name) and not path.is_symlink():
                yield name, path


def _refused(reason: str, path: Path) -> StudioError:
    remedy = "export the run again with 'delrec export'"
    return StudioError(f"this archive is not imported: {reason}", where=path.name, remedy=remedy)
