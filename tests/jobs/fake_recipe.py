"""A quick recipe that behaves like the pipeline: stages, curves, checkpoints, cancellation, results.

The name in ``data.path`` chooses how it fails; ``distill.steps`` how many steps it takes. Each step is a link of a
chain of hashes, so the result tells whether a resumed run took exactly the steps of an uninterrupted one. A run that
is to be killed is ``held``: it waits before its last step until it is let go, so that no slow machine lets it end
before.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.errors import Cancelled, StudioError
from engine.folder_monitor import FolderMonitor
from engine.monitor import Monitor, MonitorGroup
from engine.paths import home
from engine.run_folder import RunFolder
from engine.settings import make_config
from engine.whole_files import write_text

STEP_SECONDS = 0.01
CHECKPOINT_STEPS = 20
HELD = "held"
GO = "go"
"""The file in a held run's folder that lets it take its last step."""
ROOM = "room"
"""The file in the data folder with which the disk is no longer full."""


TENSOR = b'{"items":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}'
"""The header of a safetensors file, written here since NumPy takes as long to load as all else that a child needs."""


def config(steps: int = 30, way: str = "well", seed: int = 0) -> RunConfig:
    return make_config(
        {"seed": seed, "data": {"path": f"/{way}"}, "distill": {"steps": steps}, "finetune": {"enabled": False}}
    )


def link(previous: str, step: int) -> str:
    return hashlib.sha256(f"{previous}{step}".encode()).hexdigest()


def chain(steps: int) -> str:
    value = ""
    for step in range(steps):
        value = link(value, step)
    return value


def recipe(config: RunConfig, folder: Path, monitor: Monitor) -> dict[str, Any]:
    run = RunFolder.create(folder, config)
    monitor = MonitorGroup([FolderMonitor(run), monitor])
    with run.stage("data", monitor):
        _fail(Path(config.data.path or "").name)
        run.fingerprint.write_bytes(len(TENSOR).to_bytes(8, "little") + TENSOR + bytes(8))
    with run.stage("distil", monitor, total=config.distill.steps):
        value = _train(config.distill.steps, run, monitor, HELD in (config.data.path or ""))
    report = _report(run.run_id, config, value)
    write_text(run.metrics, json.dumps(report))
    return report


def _train(steps: int, run: RunFolder, monitor: Monitor, held: bool) -> str:
    path = run.path / "checkpoint.json"
    done, value = json.loads(path.read_text()) if path.exists() else (0, "")
    for step in range(done, steps):
        while step == steps - 1 and held and not (run.path / GO).exists() and not monitor.should_stop():
            time.sleep(STEP_SECONDS)
        if monitor.should_stop():
            write_text(path, json.dumps([step, value]))
            raise Cancelled
        time.sleep(STEP_SECONDS)
        value = link(value, step)
        monitor.metrics("distil", step + 1, {"loss": 1.0 / (step + 1)})
        monitor.progress("distil", step + 1, steps)
        if (step + 1) % CHECKPOINT_STEPS == 0:
            write_text(path, json.dumps([step + 1, value]))
    return value


def _fail(way: str) -> None:
    if way == "bad-input":
        raise StudioError("ratings.csv has no column 'item'", where="line 1", remedy="name it in the header")
    if way == "memory":
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")
    if way == "full" and not (home() / ROOM).exists():
        with Path("/dev/full").open("w") as file:
            file.write("one byte")
    if way == "bug":
        raise KeyError("soft_prompt")
    if way == "exit":
        print("Fatal: the maths library is missing", flush=True)
        os._exit(7)
    if way == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if way.endswith("offspring"):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # offspring"])


def _report(run_id: str, config: RunConfig, value: str) -> dict[str, Any]:
    number = {"value": 0.5, "low": 0.4, "high": 0.6}
    models = [
        {"name": name, "kind": kind, "candidates": {"HR@1": number}, "full": {"NDCG@10": number}, "agreement": {}}
        for name, kind in (("sasrec", "teacher"), ("delrec", "llm"))
    ]
    pair = {"a": "delrec", "b": "sasrec", "metric": "candidates.HR@1", "difference": 0.1, "low": 0.0, "high": 0.2}
    return {"run_id": run_id, "seed": config.seed, "chain": value, "models": models, "comparisons": [pair]}
