"""Files of data sets at their owners' addresses: looked at first, fetched when asked, checked, and found again."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.datasets import FETCHED
from engine.errors import StudioError
from engine.fetch import CHUNK, digest, download, size_of, text_at
from engine.monitor import Monitor
from engine.packed import DAMAGED
from engine.paths import writable


@dataclass(frozen=True)
class RemoteFile:
    """One file as its owners publish it."""

    name: str
    urls: tuple[str, ...]
    """Addresses, tried in this order."""
    md5: str = ""
    """As published, where it is known; ``"+"`` where it is published beside the file, at its address and ``.md5``."""


@dataclass(frozen=True)
class AvailableFile:
    """A file that a server offers."""

    remote: RemoteFile
    url: str
    size: int | None
    """Bytes, where the server says so."""


def available_files(remotes: Sequence[RemoteFile], monitor: Monitor) -> list[AvailableFile]:
    """For each file the first address that answers; fetches nothing.

    Raises:
        StudioError: a file cannot be had anywhere; names each attempt.
        Cancelled: the monitor asked to stop.
    """
    found = []
    for remote in remotes:
        failures = []
        for url in remote.urls:
            monitor.check()
            try:
                found.append(AvailableFile(remote, url, size_of(url)))
                break
            except StudioError as error:
                failures.append(f"{url}: {error.what}")
        else:
            raise StudioError(
                f"{remote.name} cannot be fetched: {'; '.join(failures)}",
                where=remote.name,
                remedy="bring it by other means, and set data.path to its folder",
            )
    return found


def fetch(found: Sequence[AvailableFile], folder: Path, monitor: Monitor) -> Path:
    """Fetch files into ``folder``, going on where an earlier attempt broke off, and check them: by digest where one is
    published, by size, and by what is within them.

    Raises:
        StudioError: too little space, unreachable, truncated or corrupt.
        Cancelled: the monitor asked to stop; the next call goes on.
    """
    writable(folder)
    missing = sum(offer.size or 0 for offer in found if not (folder / offer.remote.name).exists())
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise StudioError(
            f"{readable_size(missing)} to fetch, {readable_size(free)} free",
            where=str(folder),
            remedy="make room, or set DELREC_HOME to a larger disk",
        )
    record = folder / FETCHED
    kept: dict[str, dict[str, object]] = {}
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(record.read_text(encoding="utf-8"))
    for offer in found:
        target = folder / offer.remote.name
        md5 = _published(offer)
        download(offer.url, target, monitor, size=offer.size, md5=md5 or None, resume=True)
        _check(target, monitor)
        checked = "digest" if md5 else "size" if offer.size else "content"
        monitor.message(f"{target.name}: {readable_size(target.stat().st_size)}, its {checked} is right")
        facts = {**asdict(offer), "size": target.stat().st_size, "md5": md5 or digest(target, "md5")}
        kept[target.name] = {key: facts[key] for key in ("url", "size", "md5")}
    record.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return folder


def readable_size(size: float) -> str:
    """A size for people: ``"11.8 GB"``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"


def _published(offer: AvailableFile) -> str:
    if offer.remote.md5 != "+":
        return offer.remote.md5
    with contextlib.suppress(StudioError):  # then the size has to do
        if match := re.search(r"\b[0-9a-f]{32}\b", text_at(f"{offer.url}.md5").lower()):
            return match[0]
    return ""


def _check(path: Path, monitor: Monitor) -> None:
    """Read a packed file to its end, where its own check sum stands."""
    try:
        for _ in _pieces(path):
            monitor.check()
    except (*DAMAGED, OSError):
        path.unlink()
        raise StudioError("corrupt download: it cannot be unpacked", where=str(path), remedy="try again") from None


def _pieces(path: Path) -> Iterator[bytes]:
    if path.suffix == ".gz":
        with gzip.open(path) as handle:
            while piece := handle.read(CHUNK):
                yield piece
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    while piece := member.read(CHUNK):
                        yield piece
