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
    head.safetensors          the verbalizer's head that was trained with the adapter, where there is one
    calibration.json          what is taken off likelihoods, by row, where that was fitted
    text.safetensors          DELRec-plus's text recommender, where there is one
    plus.json                 the weights of DELRec-plus
    validation.json           how well rows do on validation users: who answers for the run by default
    metrics.json              the results table
    predictions.parquet       scores and ranks of every model for every test user
    curves.jsonl, log.txt     training curves, log
    stages.json               finished stages, their seconds, and digests of the files that they left
    falsification.json        the falsification tests, once taken; falsification/ the prompts they compare with
    checkpoints/              only while the run is unfinished
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from engine import distributed, stage_files
from engine.compatibility import check_parts, earlier, modernised
from engine.config import RunConfig
from engine.errors import StudioError
from engine.locations import settled
from engine.monitor import Monitor
from engine.settings import load_config, to_yaml
from engine.stage_files import StageRecords, damaged
from engine.stages import UNITS, stage_names
from engine.whole_files import is_whole, write_text

FORMAT = 4
"""Since 2 a run keeps the fingerprint of its data, and its items' dense ids go by their ids, not by a file's rows.
Until 3 its settings may be such as :mod:`engine.compatibility` lists; until 4 DELRec-plus had no text recommender."""


class RunFolder:
    """Paths and records of one run; holds no models."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = StageRecords(path)
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
            stored = folder.config().model_copy(update={"run": config.run})  # changes no result
            if stored not in (config, settled(config)):
                raise StudioError(
                    "this folder holds a run with another configuration", where=str(path), remedy="choose a new folder"
                )
            if not folder.metrics.exists():  # they are written last, after their digest
                folder.files.withdraw(folder.metrics)
            return folder
        try:
            path.mkdir(parents=True, exist_ok=True)
            text = to_yaml(settled(config))
            write_text(path / "config.yaml", text)
            record = {"format": FORMAT, "run_id": run_id or path.name, "created": datetime.now(UTC).isoformat()}
            record |= {"config": _digest(text), "files": stage_files.DIGEST}
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
            raise damaged(path) from None
        if record.get("config", _digest(text)) != _digest(text):
            raise damaged(path)
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
            result: dict[str, Any] = json.loads(self.files.checked(self.metrics).read_text(encoding="utf-8"))
        except ValueError:
            raise damaged(self.metrics) from None
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
        begun = [entry for entry in self.files.entries() if "seconds" in entry]
        return [{key: value for key, value in entry.items() if key != "files"} for entry in begun]

    def is_done(self, stage: str) -> bool:
        return any(entry["name"] == stage and entry.get("done") for entry in self.stages())

    def has_learned(self) -> bool:
        """Whether it holds anything that was learned from its data."""
        begun = {entry["name"] for entry in self.stages()}
        return bool(begun - {"data", "llm"}) or self.checkpoints.exists() or self.metrics.exists()

    @property
    def keeps_model_record(self) -> bool:
        """Whether the run kept what its answers depend on beside settings; earlier versions did not."""
        return "config" in self._record()

    @property
    def keeps_digests(self) -> bool:
        """Whether the run keeps digests of what its stages left; earlier versions did not."""
        return "files" in self._record()

    def knows_no_fingerprint(self) -> bool:
        """Whether an earlier version made the run, which kept no fingerprint of its data."""
        return not self.fingerprint.exists() and int(self._record()["format"]) < 2

    @contextlib.contextmanager
    def stage(self, name: str, monitor: Monitor, *, total: int = 0) -> Iterator[None]:
        """Report and time a stage, of ``total`` units; it is recorded as done only if its body ends well."""
        monitor.check()
        earlier = next((entry["seconds"] for entry in self.stages() if entry["name"] == name), 0.0)
        began = time.monotonic()
        monitor.stage(name, "running", total=total, unit=UNITS[name.partition(":")[0]])
        finished = False
        try:
            yield
            finished = True
        finally:
            seconds = round(earlier + time.monotonic() - began, 3)
            self._end(name, finished, seconds=seconds)
        distributed.barrier()  # the others find what this one wrote
        monitor.stage(name, "done", seconds=seconds)

    def check(self) -> None:
        """Make sure that what finished stages left is still that; nothing is known of what earlier versions left.

        What the falsification tests left is theirs alone: they look at it where they read it, and can be taken again.

        Raises:
            StudioError: a file is gone, cut short, changed or another run's, or the record of them is.
        """
        tests = self.files.of(stage_files.FALSIFY)["files"]
        for name, error in self.files.faults():
            if name not in tests:
                raise error
        ended = stage_names(self.config()) if self.keeps_digests and self.metrics.exists() else []
        if lost := self._unrecorded(ended):
            what, where = f"it is not on record what stage {lost[0]!r} left", str(self.files.path)
            raise StudioError(what, where=where, remedy=stage_files.RESTORE)

    def missing(self, *, finished: bool) -> list[str]:
        """Files, relative to the folder, that its finished stages left and that are gone, cut off or others.

        Args:
            finished: the whole run is done, whatever ``stages.json`` says.
        """
        config = self.config()
        ended = self._unrecorded([name for name in stage_names(config) if finished or self.is_done(name)])
        names = [name for stage in ended for name in stage_files.left(config)[stage] if name not in self._never_kept()]
        lost = [name for name, _ in self.files.faults()] + [name for name in names if not is_whole(self.path / name)]
        return lost or [self.files.path.name] * (self.keeps_digests and finished and bool(ended))

    def skip(self, name: str, monitor: Monitor) -> None:
        """Report a stage that an earlier attempt finished."""
        seconds = next((entry["seconds"] for entry in self.stages() if entry["name"] == name), 0.0)
        monitor.stage(name, "skipped", seconds=seconds)

    def take_over(self, name: str, seconds: float, source: str, monitor: Monitor) -> None:
        """Record a stage as done whose result is that of the run ``source``, where it took ``seconds``."""
        self._end(name, True, seconds=seconds, source=source)
        monitor.stage(name, "skipped", seconds=seconds)

    def _end(self, stage: str, done: bool, **facts: Any) -> None:
        """A stage has ended; what it left is on record if it ended well."""
        names = stage_files.left(self.config()).get(stage, []) if done else []
        self.files.end(stage, names, **facts, done=done)

    def _unrecorded(self, stages: Sequence[str]) -> list[str]:
        """Those of the stages of which it is not on record what they left."""
        return [name for name in stages if not self.files.of(name)["files"]]

    def _never_kept(self) -> set[str]:
        """What runs without digests need not have: earlier versions did not all leave it."""
        fingerprint = set() if int(self._record()["format"]) >= 2 else {self.fingerprint.name}
        model = set() if self.keeps_model_record else {self.llm.name}
        return {"environment.json", self.validation.name} | fingerprint | model

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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
