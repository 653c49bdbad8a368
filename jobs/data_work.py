"""Reading of data sets for the pages, in a process of its own: it can be stopped, is given up after some time, and
whatever a file does to it, the app goes on."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

from db import runs as run_store
from db.runs import Run
from engine import datasets, interpreter
from engine.config import DataConfig
from engine.data import imported
from engine.errors import Cancelled, StudioError
from jobs import failures, process
from jobs.settings import import_limits

CHILD = interpreter.command("jobs.data_child")
STOP_SECONDS = 3.0
"""Asked to stop it may tidy up for so long, then it is killed."""
PROGRESS_SECONDS = 1.0
"""So often something is told, if only how long it has taken."""

WorkEvent = tuple[Literal["message", "look", "result"], Any]


class DataWork:
    """One piece of work, begun at once. Iterate over :meth:`events` for what comes of it.

    Attributes:
        imports: whether files are imported, or else only read.
    """

    def __init__(self, request: Mapping[str, Any], seconds: float | None = None) -> None:
        self.seconds = import_limits()[1] if seconds is None else seconds
        self.imports = request["do"] == "import"
        self.began = time.monotonic()
        self._stopped = False
        self._kills = failures.memory_kills()
        self._process = subprocess.Popen(
            [*CHILD, str(process.owner().pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=interpreter.environment(PYTHONIOENCODING="utf-8"),
        )
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        threading.Thread(target=self._pump, args=(json.dumps(request).encode(),), daemon=True).start()

    def events(self) -> Iterator[WorkEvent]:
        """What is told on the way (``message``, ``look``), and what comes of it (``result``).

        Raises:
            StudioError: a fault of the files, or it took too long or was killed.
            Cancelled: it was stopped.
        """
        last = "Starting …"
        try:
            while True:
                taken = time.monotonic() - self.began
                if taken > self.seconds and not self._stopped:
                    raise StudioError(
                        f"it took longer than {self.seconds:.0f} s and was given up",
                        where="the files",
                        remedy="import them in the shell (delrec data import), or raise DELREC_IMPORT_SECONDS",
                    )
                try:
                    line = self._lines.get(timeout=PROGRESS_SECONDS)
                except Empty:
                    yield "message", f"{last} ({taken:.0f} s)"
                    continue
                if line is None:
                    break
                kind, value = json.loads(line)
                if kind == "error":
                    raise StudioError(value["what"], where=value["where"], remedy=value["remedy"])
                last = value if kind == "message" else last
                yield kind, value
                if kind == "result":
                    return
            if self._stopped:
                raise Cancelled
            raise self._death()
        finally:
            self.stop()

    def stop(self) -> None:
        """End it; nothing of it is kept. Fine if it has ended."""
        self._stopped = True
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill_group(self._process.pid)
                self._process.wait()

    def _pump(self, request: bytes) -> None:
        """The request in, lines out; the process may end at any moment."""
        streams = self._process
        assert streams.stdin is not None
        assert streams.stdout is not None
        try:
            with streams.stdin as given:
                given.write(request)
        except OSError:
            pass
        with streams.stdout as output:
            for line in output:
                self._lines.put(line)
        self._lines.put(None)

    def _death(self) -> StudioError:
        code = self._process.wait()
        if failures.memory_kills() > self._kills or code == -9:
            remedy = "bring fewer rows, or import them in the shell on a larger machine"
            return StudioError("the files need more memory than there is", where="the files", remedy=remedy)
        return StudioError(
            f"the process that read the files ended unexpectedly ({code})",
            where="the files",
            remedy="import them in the shell, which says more: delrec data import FILES --name NAME",
        )


def inspect_files(paths: Sequence[Path], form: str | None, settings: Mapping[str, str] | None) -> DataWork:
    """Tells the first rows of files (``look``: an :class:`engine.data.importing.FileInspection` as an object), then
    what is left of them after cleaning (``result``, as of :func:`describe`, or ``{"fault": …}`` where nothing is)."""
    return DataWork({"do": "look", "files": list(map(str, paths)), "form": form, "settings": settings})


def bring(paths: Sequence[Path], name: str, form: str | None, settings: Mapping[str, str]) -> DataWork:
    """Imports files; the result is :class:`engine.data.imported.ImportedDataset` as an object."""
    files = list(map(str, paths))
    return DataWork({"do": "import", "files": files, "form": form, "settings": settings, "name": name})


def describe(config: DataConfig, seed: int = 0, run: Run | None = None) -> DataWork:
    """Reads a data set, or that of a run; the result has a ``description`` and ``statistics``."""
    folder = None if run is None else str(run.folder)
    return DataWork({"do": "describe", "data": config.model_dump(mode="json"), "seed": seed, "run": folder})


def offers(dataset: str, category: str | None) -> DataWork:
    """Asks the owners of a data set, or of a part of it; the result has the ``files`` that they offer, each with
    ``name``, ``url`` and ``size``, and the ``size`` of all in words."""
    return DataWork({"do": "offers", "dataset": dataset, "category": category})


def fetch(dataset: str, category: str | None, files: Sequence[Mapping[str, Any]]) -> DataWork:
    """Fetches what :func:`offers` found, however long it takes; stopped, the next call goes on."""
    request = {"do": "fetch", "dataset": dataset, "category": category, "files": list(files)}
    return DataWork(request, seconds=math.inf)


def used_by(name: str) -> list[Run]:
    """Runs that were made on a data set, under this or an earlier name of it, newest first."""
    names = {name}
    if name in datasets.imported():
        with contextlib.suppress(StudioError):  # damaged: nobody knows what it was called
            names |= {*imported.about(name).formerly} - {*datasets.names()}
    return [run for run in run_store.search() if run.config["data"]["dataset"] in names]


def runs_to_lose(name: str) -> list[Run]:
    """As :func:`used_by`, for what is about to be changed.

    Raises:
        StudioError: there is no imported data set of this name.
    """
    if name not in datasets.imported():
        raise StudioError(f"there is no imported data set {name!r}", where=name, remedy="only those can be changed")
    return used_by(name)


def rename(name: str, new: str) -> None:
    """Give an imported data set another name; runs find it under the one that they know.

    Raises:
        StudioError: there is none, the new name will not do, or a run on it is queued or under way.
    """
    _refuse_if_in_use(name, "renamed")
    imported.rename(name, new)


def delete(name: str) -> None:
    """Delete an imported data set; runs made on it keep their results and can no longer be asked.

    Raises:
        StudioError: there is none, or a run on it is queued or under way.
    """
    _refuse_if_in_use(name, "deleted")
    imported.delete(name)


def _refuse_if_in_use(name: str, done: str) -> None:
    busy = [run.name for run in runs_to_lose(name) if run.active or run.state == "queued"]
    if busy:
        shown, verb = ", ".join(busy[:5]), "are" if len(busy) > 1 else "is"
        raise StudioError(
            f"it cannot be {done} now: {shown} {verb} queued or under way on it",
            where=name,
            remedy="wait, or cancel first",
        )
