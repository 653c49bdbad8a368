"""Fetches files once: atomic, checked by size and digest, gone on with where they were cut off, safe when several
processes want the same file."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import httpx

from engine import network
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.paths import writable

CHUNK = 1 << 20
REPORT_SECONDS = 3.0
CONNECT_SECONDS = 4.0
TIMEOUT = httpx.Timeout(30.0, connect=CONNECT_SECONDS)
PLAIN = {"Accept-Encoding": "identity"}


def download(
    url: str,
    target: Path,
    monitor: Monitor,
    *,
    size: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    resume: bool = False,
) -> Path:
    """Fetch ``url`` to ``target``, which is afterwards either the whole checked file or what it was before.

    A ``target`` that already passes the checks is kept; with no check given an existing one is trusted. Two processes
    that ask for the same file fetch it once. ``md5`` is for publishers that state nothing better.

    Args:
        size: expected bytes.
        sha256: expected hexadecimal digest.
        md5: expected hexadecimal digest.
        resume: what has come when the transfer breaks off is kept beside ``target``, and the next call goes on there
            if the server still has the same file.

    Raises:
        StudioError: unreachable, truncated or corrupt, or ``target`` cannot be written; nothing is left behind but
            what can be gone on with.
        Cancelled: the monitor asked to stop.
    """
    with locked(target, monitor):
        if target.is_file() and _fault(target, size, sha256, md5) is None:
            return target
        with partial(target, resume) as part:
            _stream(url, part, monitor, resume)
            if fault := _fault(part, size, sha256, md5):
                part.unlink()
                raise StudioError(f"corrupt or truncated download: {fault}", where=url, remedy="try again later")
            part.replace(target)
    return target


def intact(path: Path, sha256: str) -> bool:
    """Whether ``path`` is a file with this digest."""
    return path.is_file() and digest(path) == sha256


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


@contextlib.contextmanager
def locked(target: Path, monitor: Monitor) -> Iterator[None]:
    """Hold the lock beside ``target`` (its folder is made); waiting for another process can be cancelled."""
    writable(target.parent)
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    waited = False
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except filelock.Timeout:
            monitor.check()
            if not waited:
                monitor.message(f"Waiting: another process is fetching {target.name}")
                waited = True
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def partial(target: Path, keep: bool = False) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.part")  # a fixed name: the caller holds the lock, a killed one's is reused
    try:
        yield part
    except OSError as error:
        raise StudioError(
            f"cannot write the file: {error.strerror or error}", where=str(target), remedy="check disk space and rights"
        ) from None
    finally:
        if not keep:
            part.unlink(missing_ok=True)
        if not part.exists():
            _tag(part).unlink(missing_ok=True)


def size_of(url: str) -> int | None:
    """Bytes of a file to be fetched; ``None`` where the server does not say.

    Raises:
        StudioError: it does not answer, or has no such file.
    """
    with _answers(url):
        answer = httpx.head(url, timeout=TIMEOUT, follow_redirects=True, headers=PLAIN)
        answer.raise_for_status()
        return int(answer.headers.get("content-length", 0)) or None


def text_at(url: str) -> str:
    """A short text, such as a published digest. Raises :class:`StudioError` as :func:`size_of` does."""
    with _answers(url):
        answer = httpx.get(url, timeout=TIMEOUT, follow_redirects=True)
        answer.raise_for_status()
        return answer.text[:1000]


def _stream(url: str, part: Path, monitor: Monitor, resume: bool = False) -> None:
    there = part.stat().st_size if resume and part.is_file() else 0
    version = _version(url, part) if there else ""
    headers = {**PLAIN, "Range": f"bytes={there}-", "If-Range": version} if version else PLAIN
    with (
        _answers(url),
        httpx.stream("GET", url, timeout=TIMEOUT, follow_redirects=True, headers=headers) as response,
    ):
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:  # all had come, or another file
            part.unlink()
            return _stream(url, part, monitor, resume)
        response.raise_for_status()
        goes_on = response.status_code == httpx.codes.PARTIAL_CONTENT
        if resume and not goes_on:
            version = response.headers.get("etag") or response.headers.get("last-modified") or ""
            _tag(part).write_text(f"{url}\n{version}", encoding="utf-8")
        name = Path(httpx.URL(url).path).name
        with part.open("ab" if goes_on else "wb") as handle:
            total = int(response.headers.get("content-length", 0)) + handle.tell()
            if goes_on:
                monitor.message(f"Fetching {name}: going on at {there / 1e6:.1f} MB")
            report = DownloadProgress(name, total, monitor)
            for chunk in response.iter_raw():  # as it is stored: a .gz is not to be unpacked on the way
                handle.write(chunk)
                report(handle.tell())
    return None


@contextlib.contextmanager
def _answers(url: str) -> Iterator[None]:
    """Faults of a server or of the way to it as one line."""
    network.check()
    try:
        yield
    except httpx.HTTPStatusError as error:
        reason = f"{error.response.status_code} {error.response.reason_phrase}".strip()
        raise StudioError(f"the server answered {reason}", where=url, remedy="try again later") from None
    except httpx.HTTPError as error:
        reason = "truncated" if isinstance(error, httpx.RemoteProtocolError) else "not reachable"
        raise StudioError(f"{reason}: {error or type(error).__name__}", where=url, remedy="check the network") from None


def _tag(part: Path) -> Path:
    """Where it is kept of which file a part is."""
    return part.with_name(f"{part.name}.of")


def _version(url: str, part: Path) -> str:
    """What names the version of the file that a part is of; empty where that is not known, or of another address. A
    weak one does not say that the bytes are the same."""
    with contextlib.suppress(OSError, ValueError):
        of, _, version = _tag(part).read_text(encoding="utf-8").partition("\n")
        if of == url and not version.startswith("W/"):
            return version
    return ""


class DownloadProgress:
    """Says every few seconds how far a transfer is, and stops it when the run is cancelled."""

    def __init__(self, name: str, total: int, monitor: Monitor) -> None:
        self.name, self.total, self.monitor = name, total, monitor
        self.reported_at = time.monotonic()

    def __call__(self, done: int) -> None:
        self.monitor.check()
        if done and time.monotonic() - self.reported_at >= REPORT_SECONDS:
            self.reported_at = time.monotonic()
            of = f" of {self.total / 1e6:.1f}" if self.total else ""
            self.monitor.message(f"Fetching {self.name}: {done / 1e6:.1f}{of} MB")


def _fault(path: Path, size: int | None, sha256: str | None, md5: str | None) -> str | None:
    found = path.stat().st_size
    if size is not None and found != size:
        return f"{found} bytes instead of {size}"
    for algorithm, expected in (("sha256", sha256), ("md5", md5)):
        if expected is not None and digest(path, algorithm) != expected:
            return f"its {algorithm.upper()} is not {expected[:12]}…"
    return None
