"""What a run leaves behind, and how it is read back.

::

    config.yaml               the whole configuration
    run.json                  format version, run id, creation time, digest of config.yaml
    llm.json                  what answers depend on beside settings: number format, frame of prompts, fingerprints
    environment.json          versions, processor, sources of data and weights
    data.safetensors          the fingerprint of catalogue and interactions
    teacher.safetensors       the teacher; teacher-gru4rec.safetensors for further ones
    soft_prompt.safetensors   the distilled prompt
    adapter/                  AdaLoRA in PEFT's own format
    calibration.json          what is taken off likelihoods, by row, where that was fitted
    head.safetensors          the verbalizer's head that was trained with it, where there is one
    text.safetensors          DELRec-plus's text recommender, where there is one
    plus.json                 the weights of DELRec-plus
    validation.json           how well rows do on validation users: who answers for the run by default
    metrics.json              the results table
    predictions.parquet       scores and ranks of every model for every test user
    curves.jsonl, log.txt     training curves, log
    stages.json               finished stages and their seconds
    falsification.json        the falsification tests, once taken; falsification/ the prompts they compare with
    checkpoints/              only while the run is unfinished
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from engine import distributed
from engine.compatibility import check_parts, earlier, modernised
from engine.config import RunConfig
from engine.errors import StudioError
from engine.locations import settled
from engine.monitor import Monitor
from engine.rows import fitted_rows
from engine.settings import load_config, to_yaml
from engine.stages import stage_names, teacher_stage, trained_teachers
from engine.verbalizers import VERBALIZERS
from engine.whole_files import is_whole

FORMAT = 4
"""Since 2 a run keeps the fingerprint of its data, and its items' dense ids go by their ids, not by a file's rows.
Until 3 its settings may be such as :mod:`engine.compatibility` lists; until 4 DELRec-plus had no text recommender."""


class RunFolder:
    """Paths and records of one run; holds no models."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.llm = path / "llm.json"
        self.fingerprint = path / "data.safetensors"
        self.soft_prompt = path / "soft_prompt.safetensors"
        self.adapter = path / "adapter"
        self.head = path / "head.safetensors"
        self.text = path / "text.safetensors"
        self.plus = path / "plus.json"
        self.calibration = path / "calibration.json"
        self.validation = path / "validation.json"
        self.metrics = path / "metrics.json"
        self.predictions = path / "predictions.parquet"
        self.log = path / "log.txt"
        self.checkpoints = path / "checkpoints"

    @classmethod
    def create(cls, path: Path, config: RunConfig, run_id: str | None = None) -> RunFolder:
        """Make the folder, with paths made absolute, or open it to resume.

        Raises:
            StudioError: the folder holds a run with another configuration or a newer format, or cannot be written.
        """
        folder = cls(path)
        if (path / "run.json").exists():
            if folder.config() not in (config, settled(config)):
                raise StudioError(
                    "this folder holds a run with another configuration", where=str(path), remedy="choose a new folder"
                )
            return folder
        try:
            path.mkdir(parents=True, exist_ok=True)
            text = to_yaml(settled(config))
            write_text(path / "config.yaml", text)
            record = {"format": FORMAT, "run_id": run_id or path.name, "created": datetime.now(UTC).isoformat()}
            record["config"] = _digest(text)
            write_text(path / "run.json", json.dumps(record, indent=1))
        except OSError as error:
            what, remedy = f"cannot write the run's folder: {error.strerror}", "make room there, then resume the run"
            raise StudioError(what, where=str(path), remedy=remedy) from None
        return folder

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Open an existing run's folder.

        >>> run = engine.RunFolder.open(folder)
        >>> run.config().teacher.name, [stage["name"] for stage in run.stages()][:4]
        ('sasrec', ['data', 'llm', 'teacher', 'distil'])
        >>> sorted(run.curves()[0])
        ['name', 'stage', 'step', 'value']

        Raises:
            StudioError: no run is there, or a newer version of DELRec Studio wrote it.
        """
        folder = cls(Path(path))
        folder._record()
        return folder

    def identity(self) -> str:
        """What is in no other run's folder; empty where there is none."""
        record = self.path / "run.json"
        return record.read_text(encoding="utf-8") if record.is_file() else ""

    @property
    def run_id(self) -> str:
        return str(self._record()["run_id"])

    def teacher(self, name: str | None = None) -> Path:
        """File of the teacher, or of a further teacher called ``name``."""
        return self.path / (f"teacher-{name}.safetensors" if name else "teacher.safetensors")

    def checkpoint(self, stage: str) -> Path:
        return self.checkpoints / f"{stage.replace(':', '-')}.safetensors"

    def config(self) -> RunConfig:
        """The run's configuration; the folder's format is checked first.

        Raises:
            StudioError: it is gone, or another than the run was made with, as what is left of a file that was cut off.
        """
        record = self._record()
        made_by = int(record["format"])
        path = self.path / "config.yaml"
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            remedy = "restore it or start anew"
            raise StudioError("the run has no config.yaml", where=str(path), remedy=remedy) from None
        except ValueError:
            raise _damaged(path) from None
        if record.get("config", _digest(text)) != _digest(text):
            raise _damaged(path)
        if made_by < FORMAT:
            text = yaml.safe_dump(modernised(earlier(text, str(path))))
        return load_config(text=text, where=str(path))

    def check_parts(self) -> None:
        """Raises StudioError where an earlier version made parts of the run that this one does not know."""
        path = self.path / "config.yaml"
        if int(self._record()["format"]) < 3:
            check_parts(earlier(path.read_text(encoding="utf-8"), str(path)), self.path.name)

    def report(self) -> dict[str, Any]:
        """The object in ``metrics.json``."""
        try:
            result: dict[str, Any] = json.loads(self.metrics.read_text(encoding="utf-8"))
        except ValueError:
            raise _damaged(self.metrics) from None
        except OSError:
            raise StudioError(
                "the run has no results yet", where=self.path.name, remedy=f"finish it: delrec resume {self.path.name}"
            ) from None
        return result

    def curves(self) -> list[dict[str, Any]]:
        """Points ``{"stage", "step", "name", "value"}`` in order; steps repeated after a crash count once."""
        path = self.path / "curves.jsonl"
        points: dict[tuple[str, str, int], dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                point = json.loads(line)
            except json.JSONDecodeError:  # the line that a kill cut off
                continue
            points[point["stage"], point["name"], point["step"]] = point
        return list(points.values())

    def stages(self) -> list[dict[str, Any]]:
        """``{"name", "seconds", "done"}`` of each stage begun so far."""
        path = self.path / "stages.json"
        try:
            stages: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        except ValueError:
            raise _damaged(path) from None
        return stages

    def is_done(self, stage: str) -> bool:
        return any(entry["name"] == stage and entry["done"] for entry in self.stages())

    def has_learned(self) -> bool:
        """Whether it holds anything that was learned from its data."""
        begun = {entry["name"] for entry in self.stages()}
        return bool(begun - {"data", "llm"}) or self.checkpoints.exists() or self.metrics.exists()

    @property
    def keeps_model_record(self) -> bool:
        """Whether the run kept what its answers depend on beside settings; earlier versions did not."""
        return "config" in self._record()

    def knows_no_fingerprint(self) -> bool:
        """Whether an earlier version made the run, which kept no fingerprint of its data."""
        return not self.fingerprint.exists() and int(self._record()["format"]) < 2

    @contextlib.contextmanager
    def stage(self, name: str, monitor: Monitor, *, total: int = 0, unit: str = "step") -> Iterator[None]:
        """Report and time a stage; it is recorded as done only if its body ends well."""
        monitor.check()
        earlier = next((entry["seconds"] for entry in self.stages() if entry["name"] == name), 0.0)
        began = time.monotonic()
        monitor.stage(name, "running", total=total, unit=unit)
        finished = False
        try:
            yield
            finished = True
        finally:
            seconds = round(earlier + time.monotonic() - began, 3)
            stages = {entry["name"]: entry for entry in self.stages()}
            stages[name] = {"name": name, "seconds": seconds, "done": finished}  # a resumed stage keeps its place
            write_text(self.path / "stages.json", json.dumps(list(stages.values()), indent=1))
        distributed.barrier()  # the others find what this one wrote
        monitor.stage(name, "done", seconds=seconds)

    def missing(self, *, finished: bool) -> list[str]:
        """Files, relative to the folder, that its finished stages left and that are gone or cut off.

        Args:
            finished: the whole run is done, whatever ``stages.json`` says.
        """
        config = self.config()
        done = [name for name in stage_names(config) if finished or self.is_done(name)]
        left = {
            "data": [self.fingerprint] if int(self._record()["format"]) >= 2 else [],
            "llm": [self.llm] if self.keeps_model_record else [],
            "distil": [self.soft_prompt],
            "finetune": adapter_files(self.adapter)
            + ([self.head] if VERBALIZERS[config.llm.verbalizer].learns else []),
            "text": [self.text],
            "plus": [self.plus],
            "evaluate": [self.metrics, self.predictions],
        }
        for name in trained_teachers(config):
            left[teacher_stage(config, name)] = [self.teacher(None if name == config.teacher.name else name)]
        if config.distill.prompt in ("random", "run"):
            left["evaluate"].append(self.soft_prompt)
        if fitted_rows(config):
            left["evaluate"].append(self.calibration)
        paths = [path for stage in done for path in left.get(stage, [])]
        return [path.relative_to(self.path).as_posix() for path in paths if not is_whole(path)]

    def skip(self, name: str, monitor: Monitor) -> None:
        """Report a stage that an earlier attempt finished."""
        seconds = next(entry["seconds"] for entry in self.stages() if entry["name"] == name)
        monitor.stage(name, "skipped", seconds=seconds)

    def take_over(self, name: str, seconds: float, source: str, monitor: Monitor) -> None:
        """Record a stage as done whose result is that of the run ``source``, where it took ``seconds``."""
        stages = {entry["name"]: entry for entry in self.stages()}
        stages[name] = {"name": name, "seconds": seconds, "done": True, "source": source}
        write_text(self.path / "stages.json", json.dumps(list(stages.values()), indent=1))
        monitor.stage(name, "skipped", seconds=seconds)

    def clear_checkpoints(self) -> None:
        if distributed.is_main_process():
            shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _record(self) -> dict[str, Any]:
        path = self.path / "run.json"
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            version = int(record["format"])
        except FileNotFoundError:
            raise StudioError("no run is here", where=str(self.path), remedy="'delrec runs' lists the runs") from None
        except (OSError, ValueError, KeyError, TypeError):
            remedy = "restore it or start the run anew"
            raise StudioError("run.json is damaged", where=str(path), remedy=remedy) from None
        if version > FORMAT:
            raise StudioError(
                f"the run was written by a newer DELRec Studio (format {version}, this one reads {FORMAT})",
                where=str(self.path),
                remedy="update DELRec Studio",
            )
        return record


def adapter_files(folder: Path) -> list[Path]:
    """What PEFT writes of an adapter."""
    return [folder / "adapter_config.json", folder / "adapter_model.safetensors"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _damaged(path: Path) -> StudioError:
    remedy = "restore it, or start the run anew"
    return StudioError(f"{path.name} is not what was written: cut off or changed", where=str(path), remedy=remedy)


def append(path: Path, lines: str) -> None:
    """Add whole lines to a file; one that a kill or a full disk cut off stays alone.

    Of several processes only the first writes, here and in :func:`write_text`.
    """
    if not distributed.is_main_process():
        return
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                lines = f"\n{lines}"
        file.write(lines.encode())


def write_text(path: Path, text: str) -> None:
    """Write a small file so that ``path`` is either the old one or the whole new one."""
    if not distributed.is_main_process():
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
