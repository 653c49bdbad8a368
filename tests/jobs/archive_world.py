"""A finished run for the tests of archives, and all that is known of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from fake_recipe import config
from safetensors.numpy import save_file

from db import explanations, lifecycle, metrics, results, runs
from db.store import writing
from engine.evaluate.report import ProtocolDetails, Report
from engine.monitor import Monitor
from engine.run_folder import RunFolder
from engine.stage_files import left
from jobs import api, process


def report_of(run_id: str) -> dict[str, Any]:
    number = {"value": 0.1 + 0.2, "low": 0.1, "high": 1 / 3}
    row = {"name": "delrec", "kind": "llm", "candidates": {"HR@1": number}, "full": {}, "agreement": {}}
    pair = {"a": "delrec", "b": "sasrec", "metric": "candidates.HR@1", "difference": 0.1, "low": 0.0, "high": 0.2}
    details = {name: 1 for name, field in ProtocolDetails.model_fields.items() if field.annotation is int}
    details |= {"teacher": "sasrec", "split": "leave-one-out", "negatives": "uniform", "ties": "", "interval": ""}
    values = {"run_id": run_id, "dataset": "tiny", "protocol": "", "users": 3, "seed": 0, "models": [row]}
    values |= {"comparisons": [pair], "stages": [], "peak_memory_mb": 1.0, "protocol_details": details}
    return Report.model_validate(values).model_dump(mode="json")


def finished_run(name: str = "first") -> str:
    """A finished run with a folder, curves, results, tags, a note and an answered question."""
    run = runs.create(name, config().model_dump(mode="json"), preset="smoke", state="starting")
    folder = RunFolder.create(run.folder, config())
    for stage, names in left(config()).items():
        with folder.stage(stage, Monitor()):
            for path in map(folder.path.joinpath, names):
                _write(path, report_of(run.id) if path == folder.metrics else {"kept": 0.5})
    (folder.path / "adapter").mkdir()
    (folder.path / "adapter" / "adapter_model.safetensors").write_bytes(os.urandom(1000))
    folder.log.write_text("distil: begins\n")
    api.annotate(run.id, tags=["a", "ü"], note="two\nlines")
    question = explanations.ask(run.id, "recommend", {"titles": ["Heat"]})
    explanations.claim(question.id, process.owner())
    explanations.finish(question.id, {"items": [1, 2]})
    points = [("distil", name, step, step / 7) for step in range(50) for name in ("loss", "lr")]
    with writing() as session:
        metrics.append(run.id, points, session)
        results.save(run.id, report_of(run.id), session)
        lifecycle.end(run.id, "done", session)
    return run.id


def _write(path: Path, told: dict[str, Any]) -> None:
    """A file of its kind, whole."""
    if path.suffix == ".safetensors":
        save_file({"weight": np.ones((4, 3), dtype=np.float32)}, path)
    elif path.suffix == ".parquet":
        path.write_bytes(b"PAR1....PAR1")
    else:
        path.write_text(json.dumps(told))


def all_known(run_id: str) -> dict[str, Any]:
    run = api.status(run_id)
    kept = ("name", "state", "preset", "config", "seed", "tags", "note", "created_at", "finished_at", "stage", "step")
    files = {
        path.relative_to(run.folder).as_posix(): path.read_bytes()
        for path in sorted(run.folder.rglob("*"))
        if path.is_file()
    }
    return {name: getattr(run, name) for name in kept} | {
        "points": [(point.stage, point.name, point.step, point.value) for point in api.metrics(run_id)],
        "curves": [(curve.name, curve.steps, curve.values) for curve in metrics.curves([run_id], limit=10)],
        "table": [(row.model, row.protocol, row.metric, row.value, row.low) for row in results.table([run_id])],
        "report": api.results(run_id),
        "questions": [(it.kind, it.request, it.state, it.answer, it.created_at) for it in explanations.of(run_id)],
        "files": files,
    }
