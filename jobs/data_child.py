"""The process that reads data sets for :mod:`jobs.data_work`: a request as JSON on its input, lines of JSON out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from engine import datasets
from engine.config import DataConfig
from engine.data import importing, load_dataset, statistics
from engine.data.dataset import Dataset
from engine.data.description import describe
from engine.data.load import cleaned
from engine.data.readers.base import Reader
from engine.data.remote import AvailableFile, available_files, readable_size
from engine.errors import Cancelled, StudioError
from engine.monitor import Monitor
from engine.run_data import run_dataset
from engine.run_folder import RunFolder
from engine.settings import make_config
from jobs import failures
from jobs.process import end_with_parent

Send = Callable[[str, Any], None]
STOP_GRACE = 2.0


class DataMonitor(Monitor):
    """Tells the parent what is said on the way; stops when asked to."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._stop = False

    def message(self, text: str) -> None:
        self._send("message", " ".join(text.split()))

    def request_stop(self) -> None:
        """From now on :meth:`should_stop` says so."""
        self._stop = True

    def should_stop(self) -> bool:
        return self._stop


def main(parent: int) -> int:
    """Do what is asked; 0, or 1 where a fault was told, or 3 when stopped."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no line of ours
    _be_modest()

    def send(kind: str, value: Any) -> None:
        _write(stream, kind, value)

    monitor = DataMonitor(send)
    signal.signal(signal.SIGTERM, lambda *_: monitor.request_stop())
    end_with_parent(parent, monitor.request_stop, STOP_GRACE)
    try:
        send("result", WORK[(request := json.load(sys.stdin))["do"]](request, send, monitor))
    except Cancelled:
        return 3
    except Exception as error:
        fault = failures.known(error)
        if fault is None:
            raise
        send("error", {"what": fault.what, "where": fault.where, "remedy": fault.remedy})
        return 1
    return 0


def _inspect(request: dict[str, Any], send: Send, monitor: Monitor) -> dict[str, Any]:
    files = [Path(file) for file in request["files"]]
    data_config = _data_config(request)
    found = importing.inspect_files(files, request["form"], None if request["settings"] is None else data_config)
    send("look", asdict(found) | {"fault": None})
    if found.fault is not None:
        to_choose = found.own and "data.columns" in found.fault.remedy
        shown = f"{found.fault.what} Choose it above." if to_choose else str(found.fault)
        return {"fault": shown, "unreadable": True}
    config = data_config.model_copy(update={"encoding": found.encoding})
    with importing.read_together(files, found.format, config, monitor) as (raw, read):
        try:
            return _described(cleaned(raw, read, monitor), read)
        except StudioError as error:
            return {"fault": str(error), "unreadable": False}


def _import(request: dict[str, Any], _: Send, monitor: Monitor) -> dict[str, Any]:
    files = [Path(file) for file in request["files"]]
    return asdict(importing.import_files(files, request["name"], request["form"], _data_config(request), monitor))


def _data_config(request: dict[str, Any]) -> DataConfig:
    return make_config({"data": request["settings"] or {}}).data


def _offers(request: dict[str, Any], _: Send, monitor: Monitor) -> dict[str, Any]:
    reader, config = _of_owners(request)
    files = available_files(reader.remotes(config), monitor)
    known = [offer.size for offer in files if offer.size is not None]
    size = readable_size(sum(known)) if files and len(known) == len(files) else reader.size
    offers = [{"name": offer.remote.name, "url": offer.url, "size": offer.size} for offer in files]
    return {"files": offers, "size": size}


def _fetch(request: dict[str, Any], _: Send, monitor: Monitor) -> dict[str, Any]:
    reader, config = _of_owners(request)
    remotes = {remote.name: remote for remote in reader.remotes(config)}
    offers = [AvailableFile(remotes[offer["name"]], offer["url"], offer["size"]) for offer in request["files"]]
    return {"folder": str(reader.fetch(config, offers, monitor))}


def _of_owners(request: dict[str, Any]) -> tuple[Reader, DataConfig]:
    return datasets.reader(request["dataset"]), DataConfig(dataset=request["dataset"], category=request["category"])


def _describe(request: dict[str, Any], _: Send, monitor: Monitor) -> dict[str, Any]:
    if request["run"]:
        folder = RunFolder.open(Path(request["run"]))
        whole = make_config({"data": request["data"], "seed": request["seed"]})
        return _described(run_dataset(folder, whole, monitor), whole.data)
    config = DataConfig.model_validate(request["data"])
    return _described(load_dataset(config, request["seed"], monitor), config)


def _described(dataset: Dataset, config: DataConfig) -> dict[str, Any]:
    found = statistics(dataset)
    return {"description": describe(dataset, config, found).json(), "statistics": asdict(found), "note": dataset.note}


WORK: dict[str, Callable[[dict[str, Any], Send, Monitor], dict[str, Any]]] = {
    "look": _inspect,
    "import": _import,
    "describe": _describe,
    "offers": _offers,
    "fetch": _fetch,
}


def _be_modest() -> None:
    """Where memory runs out this process is the one to go."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")


def _write(stream: IO[str], kind: str, value: Any) -> None:
    stream.write(json.dumps([kind, value]) + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
