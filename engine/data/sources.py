"""Where ML-100K comes from: the cache, then each known source in turn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.config import DataConfig
from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.movielens import ARCHIVE, LAYOUTS, read_movielens
from engine.data.raw import Raw
from engine.data.readers.csv import READER as OWN_TABLES
from engine.data.tables import INTERACTIONS, ITEMS, write_tables
from engine.datasets import MANIFEST
from engine.errors import StudioError
from engine.fetch import digest, download, intact, locked
from engine.locations import movielens_folder
from engine.monitor import Monitor
from engine.paths import writable
from engine.wheels import WheelMember, wheel_members

FORMAT = 1
"""Version of the cached form; another one in the cache is replaced."""

GROUPLENS_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
GROUPLENS_MD5 = "0e33842e24a9c977be4e0107933c0723"
"""As published beside the archive."""

RECBOLE = ("recbole", "1.2.1")
RECBOLE_FOLDER = "recbole/dataset_example/ml-100k/"
RECBOLE_SHA256 = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}

_FILES = (ITEMS, INTERACTIONS)
Tables = tuple[Catalogue, Interactions]


def movielens_100k(monitor: Monitor) -> Raw:
    """ML-100K from the cache, or fetched, checked and cached as the two CSV files of :mod:`engine.data.tables`.

    Raises:
        StudioError: no source answers (each attempt is named), or the data folder cannot be written.
        Cancelled: the monitor asked to stop.
    """
    folder = movielens_folder()
    with locked(folder / "ml-100k", monitor):
        if (cached := _from_cache(folder, monitor)) is not None:
            return cached
        (catalogue, log), source = _fetch(folder, monitor)
        _store(folder, catalogue, log, source)
    return Raw.of(catalogue, log, source)


def _from_grouplens(folder: Path, monitor: Monitor) -> Tables:
    return read_movielens(download(GROUPLENS_URL, folder / ARCHIVE, monitor, md5=GROUPLENS_MD5))


def _from_recbole(folder: Path, monitor: Monitor) -> Tables:
    members = [WheelMember(RECBOLE_FOLDER + name, RECBOLE_SHA256[name], folder / name) for name in LAYOUTS["RecBole"]]
    wheel_members(*RECBOLE, members, monitor)
    return read_movielens(folder)


SOURCES: tuple[tuple[str, Callable[[Path, Monitor], Tables]], ...] = (
    ("GroupLens' archive", _from_grouplens),
    (f"the copy in the {' '.join(RECBOLE)} wheel", _from_recbole),
)
"""Tried in this order: name, and how to fetch into a folder and read."""


def _fetch(folder: Path, monitor: Monitor) -> tuple[Tables, str]:
    failures = []
    scratch = folder / "fetched"
    for name, fetch in SOURCES:
        monitor.message(f"ML-100K: trying {name}")
        try:
            tables = fetch(writable(scratch), monitor)
        except StudioError as error:
            failures.append(f"{name}: {error.what}")
            monitor.message(f"ML-100K: {name} failed: {error.what}")
        else:
            monitor.message(f"ML-100K: read from {name}")
            return tables, name
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    raise StudioError(
        f"MovieLens-100K could not be fetched: {'; '.join(failures)}",
        where="data.dataset=ml-100k",
        remedy=f"bring {ARCHIVE} by other means and set data.path to it or to its folder",
    )


def _store(folder: Path, catalogue: Catalogue, log: Interactions, source: str) -> None:
    """Write the tables, then the manifest that vouches for them: without it they do not count."""
    manifest = folder / MANIFEST
    part = folder / ".manifest.json.part"
    try:
        manifest.unlink(missing_ok=True)
        write_tables(folder, catalogue, log)
        content = {"format": FORMAT, "source": source, "sha256": {name: digest(folder / name) for name in _FILES}}
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")
        part.replace(manifest)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StudioError(f"cannot write: {reason}", where=str(folder), remedy="check disk space and rights") from None


def _from_cache(folder: Path, monitor: Monitor) -> Raw | None:
    if not (folder / MANIFEST).is_file():
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            monitor.message(f"The cached copy in {folder} has another format; it is made anew")
            return None
        damaged = [name for name in _FILES if not intact(folder / name, manifest["sha256"][name])]
        source = str(manifest["source"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        damaged, source = [MANIFEST], ""
    if damaged:
        monitor.message(f"The cached copy in {folder} is damaged ({', '.join(damaged)}); it is fetched anew")
        return None
    raw = OWN_TABLES.read(DataConfig(dataset="csv", path=str(folder)), 0, monitor)
    return replace(raw, source=source, notes=raw.notes[-1:], as_written=False)
