"""What two runs share is made once: results of stages, kept in the data folder by all that determines them.

::

    cache/stages/<key>/about.json    which run made it, how long it took, its files with their checksums
    cache/stages/<key>/<files>       the result itself, and curves.jsonl
    cache/stages/<key>.lock          held by the run that makes it now; others wait for it

A key is a digest of the settings that matter (:mod:`engine.recipe`), of the data, the language model, the code of the
stage, the libraries and the processor: whatever could change a figure in its last digit makes another key. A result
appears whole, by a renaming, or not at all; one that is damaged or vanishes while it is read is made anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine import distributed
from engine.environment import processor, stage_code
from engine.monitor import Monitor
from engine.paths import home
from engine.recipe import digest
from engine.run_folder import RunFolder
from engine.stages import STAGES
from engine.variables import number
from engine.whole_files import is_abandoned, write_text

SETTING = "DELREC_SHARED_MB"
FORMAT = 1
ABOUT, CURVES = "about.json", "curves.jsonl"
DRAFT = ".draft-"
WAIT_SECONDS = 0.5
LIBRARIES = ("torch", "transformers", "peft", "numpy", "tokenizers", "safetensors")
CODE = {stage.name: stage.code for stage in STAGES} | {"prior": ("engine.calibration", "engine.models")}
"""Modules whose code, with all that they import, makes the result of each stage, or of what calibration fits."""


def folder() -> Path:
    """Where shared results are."""
    return home() / "cache" / "stages"


def limit_bytes() -> float:
    """``DELREC_SHARED_MB``: as much is kept, that used last; 0 shares nothing.

    Raises:
        StudioError: it is no size.
    """
    megabytes = number(SETTING, "4000", 1e9, "a size", "write megabytes, e.g. 4000; 0 shares nothing", zero=True)
    return megabytes * 1e6


def shares(processes: int) -> bool:
    """Whether a run of so many processes shares results; several add up otherwise than one."""
    return processes == 1 and limit_bytes() > 0


@dataclass(frozen=True)
class CacheOrigin:
    """Where a result came from: the run that made it, and the seconds that it took there."""

    run_id: str
    seconds: float


class StageCache:
    """Shared results as one run sees them, if it :func:`shares` any.

    Args:
        facts: what determines its results beside settings: the data's fingerprint, the language model's record.
    """

    def __init__(self, run: RunFolder, facts: Mapping[str, Any], monitor: Monitor) -> None:
        self.run, self.facts, self.monitor = run, dict(facts), monitor
        self.on = shares(distributed.world_size())

    def key(self, stage: str, recipe: str) -> str:
        """Of the result of a stage, or of a part of it, with this recipe."""
        code = stage_code(CODE[stage.partition(":")[0]])
        return digest({"format": FORMAT, "recipe": recipe, "code": code, "machine": _machine(), **self.facts})

    @contextlib.contextmanager
    def stage(self, name: str, recipe: str, files: Mapping[str, Path]) -> Iterator[bool]:
        """Yields whether the result of a whole stage was taken over; if not, the body makes ``files``.

        While another run makes the same, it is waited for.

        Raises:
            Cancelled: the monitor asked to stop meanwhile.
        """
        if not self.on:
            yield False
            return
        key = self.key(name, recipe)
        with self._turn(name, key):
            origin = self.take(key, files)
            if origin is not None:
                self._replay_curves(name, key)
                self.monitor.taken(name, origin.run_id, seconds=origin.seconds)
                self.run.take_over(name, origin.seconds, origin.run_id, self.monitor)
            yield origin is not None
            if origin is None:
                seconds = next((it["seconds"] for it in self.run.stages() if it["name"] == name), 0.0)
                curves = [point for point in self.run.curves() if point["stage"] == name]
                self.keep(key, name, files, seconds, curves)

    def take(self, key: str, files: Mapping[str, Path]) -> CacheOrigin | None:
        """Copy a result to where ``files`` says; ``None`` where there is none, or no sound one."""
        place = folder() / key[:32]
        try:
            about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
            sums = dict(about["files"])
            if about["key"] != key or sums.keys() - {CURVES} != set(files):
                return None
            for name, path in files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                _copy(place / name, path)
                if _sum(path) != sums[name]:
                    path.unlink()
                    raise ValueError(f"{name} is damaged")
            os.utime(place / ABOUT)
            return CacheOrigin(str(about["run"]), float(about["seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(
        self, key: str, stage: str, files: Mapping[str, Path], seconds: float, curves: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Let others take this result; a full disk keeps them from it, and does no harm here."""
        place = folder() / key[:32]
        draft = folder() / f"{DRAFT}{key[:32]}.{os.getpid()}"
        try:
            draft.mkdir(parents=True, exist_ok=True)
            sums = {}
            for name, path in files.items():
                _copy(self.run.files.checked(path), draft / name)
                sums[name] = _sum(draft / name)
            if curves:
                write_text(draft / CURVES, "".join(json.dumps(point) + "\n" for point in curves))
                sums[CURVES] = _sum(draft / CURVES)
            about = {"key": key, "stage": stage, "run": self.run.run_id, "seconds": seconds, "files": sums}
            write_text(draft / ABOUT, json.dumps(about, indent=1))
            if place.exists():  # a damaged one: what is sound is never made again
                shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)
            clean(limit_bytes())
        except OSError as error:
            self.monitor.message(f"{stage}: its result is not shared with other runs: {error.strerror}")
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @contextlib.contextmanager
    def _turn(self, stage: str, key: str) -> Iterator[None]:
        """Until nobody else makes this; a run that is killed lets go by itself."""
        folder().mkdir(parents=True, exist_ok=True)
        path, announced = folder() / f"{key[:32]}.lock", False
        lock = FileLock(path)
        while not lock.is_locked:
            self.monitor.check()
            try:
                lock.acquire(timeout=WAIT_SECONDS)
            except Timeout:
                if not announced:
                    self.monitor.message(f"{stage}: waits for another run, which makes the same")
                announced = True
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # who waits for it has it open; in the worst case two make the same
            lock.release()

    def _replay_curves(self, stage: str, key: str) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            steps: dict[int, dict[str, float]] = {}
            for line in (folder() / key[:32] / CURVES).read_text(encoding="utf-8").splitlines():
                point = json.loads(line)
                steps.setdefault(int(point["step"]), {})[point["name"]] = float(point["value"])
            for step, values in steps.items():
                self.monitor.metrics(stage, step, values)


class RowCache:
    """Rows of the results table among the shared results; see :class:`engine.evaluate.evaluator.RowStore`."""

    def __init__(self, shared: StageCache) -> None:
        self._shared = shared

    def take(self, row: str, key: str, path: Path) -> bool:
        origin = self._shared.take(key, {"row.safetensors": path})
        if origin is not None:
            self._shared.monitor.taken("evaluate", origin.run_id, row, seconds=origin.seconds)
        return origin is not None

    def keep(self, row: str, key: str, path: Path, seconds: float) -> None:
        self._shared.keep(key, f"evaluate {row}", {"row.safetensors": path}, seconds)


def sizes() -> tuple[int, int]:
    """How many results are shared, and the bytes that they take."""
    found = list(_kept())
    return len(found), sum(size for _, _, size in found)


def clean(limit: float) -> int:
    """Remove those used longest ago until ``limit`` bytes are left, and what kills left; returns bytes removed."""
    found = sorted(_kept(), key=lambda it: -it[1])
    total, removed = 0, 0
    for place, _, size in found:
        total += size
        if total > limit:
            gone = place.with_name(f"{DRAFT}gone-{place.name}.{os.getpid()}")
            with contextlib.suppress(OSError):
                place.rename(gone)  # so that nobody finds half of it
                shutil.rmtree(gone, ignore_errors=True)
                removed += size
    for draft in folder().glob(f"{DRAFT}*"):
        with contextlib.suppress(OSError):
            if limit == 0 or is_abandoned(draft):
                shutil.rmtree(draft, ignore_errors=True)
    return removed


def _kept() -> Iterator[tuple[Path, float, int]]:
    """Folder, time of the last use and bytes of each result."""
    for about in folder().glob(f"[0-9a-f]*/{ABOUT}"):
        with contextlib.suppress(OSError):
            size = sum(file.stat().st_size for file in about.parent.iterdir())
            yield about.parent, about.stat().st_mtime, size


def _copy(source: Path, target: Path) -> None:
    """A copy of its own, whole or not at all."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _machine() -> dict[str, Any]:
    """What sums of floats depend on."""
    import torch

    versions = {name: metadata.version(name) for name in LIBRARIES}
    threads = torch.get_num_threads()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {"processor": processor(), "threads": threads, "gpu": gpu, "python": platform.python_version(), **versions}
