"""Data sets that people bring: normalised once, kept in the data folder under a name, read like any other.

A folder each: ``interactions.parquet`` and ``items.parquet`` hold what a reader found, uncleaned, so that the settings
of the cleaning stay settings; ``manifest.json``, written last, vouches for both.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine import datasets
from engine.data.raw import Log, Raw, RawIdFilter, RawItem
from engine.datasets import MANIFEST
from engine.errors import StudioError
from engine.fetch import digest, locked
from engine.monitor import Monitor
from engine.paths import writable

FORMAT = 1
LOG, ITEMS = "interactions.parquet", "items.parquet"
BATCH = 1 << 16
"""Rows read together."""


@dataclass(frozen=True)
class ImportedDataset:
    """What is known of an imported data set without reading it."""

    name: str
    source: str
    """Which files it was made of, in words."""
    format: str
    """The data set of the registry as which these were read."""
    domain: str
    items_at_least: int
    rows: int
    users: int
    items: int
    notes: tuple[str, ...]
    """What was decided while reading."""
    made: str
    """When, as ISO 8601."""
    formerly: tuple[str, ...] = ()
    """Names that it had: runs made under them still find it."""


def save(raw: Raw, name: str, form: str, monitor: Monitor) -> ImportedDataset:
    """Keep what a reader found under a name that is not taken.

    Raises:
        StudioError: the name will not do, or the folder cannot be written.
        Cancelled: the monitor asked to stop; nothing is left behind.
    """
    folder = free(name)
    reader = datasets.reader(form)
    with locked(folder, monitor):
        free(name)
        scratch = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            writable(scratch)
            listed = _write_items(scratch / ITEMS, raw, monitor)
            _write_log(scratch / LOG, raw.log)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            sizes = (len(raw.log.users), len(raw.log.user_ids), listed)
            own = (reader.domain, reader.items_at_least)
            named = ImportedDataset(name, raw.source, form, *own, *sizes, raw.notes, now)
            sums = {part: digest(scratch / part) for part in (LOG, ITEMS)}
            manifest = {"format": FORMAT, "sha256": sums, "about": asdict(named)}
            (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
            scratch.replace(folder)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StudioError(
                f"cannot write: {reason}", where=str(folder), remedy="check disk space and rights"
            ) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return named


def about(name: str) -> ImportedDataset:
    """What is known of a data set.

    Raises:
        StudioError: there is none of this name, or its folder is damaged or lacks a table.
    """
    try:
        facts = dict(_manifest(name)["about"])
        if not all((datasets.folder(name) / part).is_file() for part in (LOG, ITEMS)):
            raise _damaged(name)
        lists = {key: tuple(facts.get(key, ())) for key in ("notes", "formerly")}
        return ImportedDataset(**{**facts, **lists, "name": name})
    except (KeyError, TypeError, ValueError):
        raise _damaged(name) from None


def load(name: str, monitor: Monitor) -> Raw:
    """What was kept.

    Raises:
        StudioError: there is none of this name, or its files are not those that were written.
        Cancelled: the monitor asked to stop.
    """
    import pyarrow
    from pyarrow import parquet

    named, folder = about(name), datasets.folder(name)
    for part, expected in _manifest(name)["sha256"].items():
        monitor.check()
        if part not in (LOG, ITEMS) or not (folder / part).is_file() or digest(folder / part) != expected:
            raise _damaged(name)
    try:
        table = parquet.read_table(folder / LOG)
    except pyarrow.ArrowException:
        raise _damaged(name) from None
    columns = [table.column(column).combine_chunks() for column in ("user", "item")]
    coded = [column.indices.to_numpy(zero_copy_only=False).astype(np.int32) for column in columns]
    ids = [tuple(column.dictionary.to_pylist()) for column in columns]
    times = table.column("time").to_numpy().astype(np.int64)

    def items(id_filter: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        for batch in parquet.ParquetFile(folder / ITEMS).iter_batches(BATCH):
            monitor.check()
            for row in batch.to_pylist():
                if row["raw"] in id_filter:
                    yield RawItem(**{**row, "genres": tuple(row["genres"]), "aliases": tuple(row["aliases"])})

    log = Log(ids[0], ids[1], coded[0], coded[1], times)
    as_written = datasets.reader(named.format).as_written
    return Raw(log, items, f"{name} ({named.source})", named.notes, as_written)


def delete(name: str) -> None:
    """Remove an imported data set; runs made on it can no longer be asked. Raises :class:`StudioError` for none."""
    folder = _existing(name)
    (folder / MANIFEST).unlink(missing_ok=True)  # from now on it does not count
    shutil.rmtree(folder, ignore_errors=True)


def rename(name: str, new: str) -> None:
    """Give an imported data set another name; by its former one runs still find it, until another has that name.

    Raises:
        StudioError: there is none of this name, it is damaged, or the new one is taken or will not do.
    """
    folder, target, found, manifest = _existing(name), free(new), about(name), _manifest(name)
    formerly = tuple(dict.fromkeys((*found.formerly, name)))
    manifest["about"] = asdict(replace(found, formerly=tuple(old for old in formerly if old != new)))
    part = folder / f".{MANIFEST}.part"
    try:
        part.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
        part.replace(folder / MANIFEST)
        folder.rename(target)
    except OSError as error:
        raise StudioError(f"cannot be renamed: {error.strerror}", where=str(folder), remedy="check rights") from None


def free(name: str) -> Path:
    """The folder of a name that may be given.

    Raises:
        StudioError: it is no name for a folder, or is taken, letter case aside.
    """
    if not re.fullmatch(datasets.NAME, name) or name.endswith("."):
        remedy = "take letters, digits, points and dashes, at most 60, a letter or digit first"
        raise StudioError(f"{name!r} is no name for a data set", where="name", remedy=remedy)
    if name.casefold() in {known.casefold() for known in datasets.names()}:
        raise StudioError(f"there is a data set {name!r} already", where="name", remedy="take another name")
    folder = datasets.folder(name)
    if folder.exists():
        what = "a folder of this name is there, which holds no data set"
        raise StudioError(what, where=str(folder), remedy="remove it, or take another name")
    return folder


def _existing(name: str) -> Path:
    if name not in datasets.imported():
        raise StudioError(f"there is no imported data set {name!r}", where=name, remedy="'delrec data list' lists them")
    return datasets.folder(name)


def _write_log(path: Path, log: Log) -> None:
    import pyarrow
    from pyarrow import parquet

    coded = [
        pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes), pyarrow.array(list(ids), pyarrow.string()))
        for codes, ids in ((log.users, log.user_ids), (log.items, log.item_ids))
    ]
    table = pyarrow.table({"user": coded[0], "item": coded[1], "time": pyarrow.array(log.times)})
    parquet.write_table(table, path, compression="zstd")


def _write_items(path: Path, raw: Raw, monitor: Monitor) -> int:
    """Only items that occur; how many are listed."""
    import pyarrow
    from pyarrow import parquet

    words = pyarrow.list_(pyarrow.string())
    kinds: dict[str, Any] = dict.fromkeys(RawItem._fields, pyarrow.string()) | {"genres": words, "aliases": words}
    schema = pyarrow.schema(list((kinds | {"year": pyarrow.int32()}).items()))
    id_filter, seen = RawIdFilter(set(raw.log.item_ids)), set[str]()
    rows: list[dict[str, Any]] = []
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            if rows:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows.clear()

        for item in raw.items(id_filter, monitor):
            if item.raw not in seen:
                seen.add(item.raw)
                rows.append(item._asdict())
                if len(rows) >= BATCH:
                    flush()
                    monitor.check()
        flush()
    return len(seen)


def _manifest(name: str) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((datasets.folder(name) / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(found, dict) and found.get("format") == FORMAT and isinstance(found.get("sha256"), dict):
            return found
    if name in datasets.imported():
        raise _damaged(name)
    raise StudioError(f"there is no data set {name!r}", where="data.dataset", remedy="'delrec data list' lists them")


def _damaged(name: str) -> StudioError:
    return StudioError(
        f"the imported data set {name!r} is damaged, or another version wrote it",
        where=str(datasets.folder(name)),
        remedy="delete it, and import its files again",
    )
