"""What each stage leaves in a run's folder, and whether it is still that.

When a stage ends, ``stages.json`` takes the SHA-256 of every file that it left, in the write that calls it done.
Whoever opens a file of a run has it checked first: one that is gone, cut short, changed or another run's is not read.
Runs of earlier versions have no such record, and are read as they are.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import distributed
from engine.config import RunConfig
from engine.errors import StudioError
from engine.rows import fitted_rows
from engine.stages import stage_names
from engine.verbalizers import VERBALIZERS
from engine.whole_files import write_text

DIGEST = "sha256"
ADAPTER = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors")
"""What PEFT writes of an adapter and reads again."""
HEAD, SOFT_PROMPT, CALIBRATION = "head.safetensors", "soft_prompt.safetensors", "calibration.json"
FALSIFY = "falsify"
"""Who left the falsification tests, which are no stage of a run."""
RESTORE = "put it back from a copy, import the run anew from an export, or start it anew"
AGAIN = "put it back from a copy, or delete it and take the tests again: delrec falsify"
KEPT = 4096
"""Files whose digests are remembered."""


def _llm(config: RunConfig, _: str) -> Sequence[str]:
    prompt = (SOFT_PROMPT,) if config.distill.prompt in ("random", "run") else ()
    return "llm.json", "environment.json", *prompt


def _teacher(_: RunConfig, stage: str) -> Sequence[str]:
    return (f"{stage.replace(':', '-')}.safetensors",)


def _finetune(config: RunConfig, _: str) -> Sequence[str]:
    return *ADAPTER, *((HEAD,) if VERBALIZERS[config.llm.verbalizer].learns else ())


def _evaluate(config: RunConfig, _: str) -> Sequence[str]:
    calibration = (CALIBRATION,) if fitted_rows(config) else ()
    return *calibration, "validation.json", "predictions.parquet", "metrics.json"


LEFT: Mapping[str, Callable[[RunConfig, str], Sequence[str]]] = {
    "data": lambda *_: ("data.safetensors",),
    "llm": _llm,
    "teacher": _teacher,
    "distil": lambda *_: (SOFT_PROMPT,),
    "finetune": _finetune,
    "text": lambda *_: ("text.safetensors",),
    "plus": lambda *_: ("plus.json",),
    "evaluate": _evaluate,
}
"""By the names of :data:`engine.stages.STAGES`: files relative to the folder, of a configuration and the stage as the
run calls it (``teacher:gru4rec``)."""


def left(config: RunConfig) -> dict[str, list[str]]:
    """The files, relative to its folder, that each stage of a run leaves, first to last."""
    return {stage: list(LEFT[stage.partition(":")[0]](config, stage)) for stage in stage_names(config)}


def digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits, remembered until the file system says that it was touched."""
    seen = path.stat()
    return _digest(path, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


@functools.lru_cache(maxsize=KEPT)
def _digest(path: Path, *seen: int) -> str:  # noqa: ARG001 - a file that changed is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, DIGEST).hexdigest()


class StageRecords:
    """``stages.json``: the stages of a run, and digests of what they left. Of several processes the first writes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "stages.json"

    def entries(self) -> list[dict[str, Any]]:
        """Of each that left something ``name`` and ``files``, digests by names; of stages ``seconds`` and ``done`` too.

        Raises:
            StudioError: the file is damaged.
        """
        try:
            found = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else []
            entries = [{"name": entry["name"], "files": {}} | entry for entry in found]
            if not all(isinstance(entry["name"], str) and isinstance(entry["files"], dict) for entry in entries):
                raise TypeError
        except (ValueError, TypeError, KeyError):
            raise damaged(self.path) from None
        return entries

    def of(self, stage: str) -> dict[str, Any]:
        """The entry of a stage, whose ``files`` are none where nothing is on record."""
        return next((entry for entry in self.entries() if entry["name"] == stage), {"name": stage, "files": {}})

    def end(self, stage: str, names: Iterable[str], **facts: Any) -> None:
        """Put on record what is ``facts`` of a stage, and those of the files that are there, in one write."""
        if distributed.is_main_process():
            there = {name: digest(self.folder / name) for name in names if (self.folder / name).is_file()}
            entry = self.of(stage)
            self._put(entry | facts | {"files": entry["files"] | there})

    def write(self, stage: str, path: Path, text: str) -> None:
        """Write a small file of a stage that is under way, on record as soon as it is there."""
        self.withdraw(path)
        write_text(path, text)
        self.end(stage, [self._name(path)])

    def announce(self, stage: str, path: Path, text: str) -> None:
        """Put on record what a file will hold that is about to be written, and whose being there says that all is."""
        if distributed.is_main_process():
            entry = self.of(stage)
            expected = hashlib.sha256(text.encode()).hexdigest()
            self._put(entry | {"files": entry["files"] | {self._name(path): expected}})

    def withdraw(self, path: Path) -> None:
        """Take a file off the record before it is made anew, so that a kill in between leaves no false one."""
        own = self._name(path)
        for entry in self.entries():
            if own in entry["files"]:
                self._put(entry | {"files": {name: it for name, it in entry["files"].items() if name != own}})

    def renew(self, path: Path) -> None:
        """A file that is on record was changed by whoever may."""
        for entry in self.entries():
            if self._name(path) in entry["files"]:
                self.end(entry["name"], [self._name(path)])

    def checked(self, path: Path) -> Path:
        """``path``, which is about to be read, once it is known to be what is on record, if it is.

        Raises:
            StudioError: it is gone, cut short, changed or another run's.
        """
        for _, error in self.faults(self._name(path)):
            raise error
        return path

    def faults(self, only: str = "") -> Iterator[tuple[str, StudioError]]:
        """Each file, or the ``only`` one, that is not what is on record, and what to tell of it."""
        for entry in self.entries():
            stage = entry["name"]
            by = "the falsification tests" if stage == FALSIFY else f"stage {stage!r}"
            for name, kept in entry["files"].items():
                if only not in ("", name):
                    continue
                try:
                    if digest(self.folder / name) == kept:
                        continue
                    fault = f"is not what {by} left: cut short, changed, or another run's"
                except OSError:
                    fault = f"is gone, which {by} left"
                if self.of(stage)["files"].get(name) != kept:  # it was made anew meanwhile
                    continue
                remedy = AGAIN if stage == FALSIFY else RESTORE
                yield name, StudioError(f"{Path(name).name} {fault}", where=str(self.folder / name), remedy=remedy)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _put(self, entry: Mapping[str, Any]) -> None:
        record = {key: value for key, value in entry.items() if key != "files"} | {"files": entry["files"]}
        entries = {it["name"]: it for it in self.entries()} | {
            record["name"]: record
        }  # a resumed stage keeps its place
        write_text(self.path, json.dumps(list(entries.values()), indent=1))


def damaged(path: Path) -> StudioError:
    """What to raise for a file of a run that is there and cannot be read."""
    remedy = "restore it, or start the run anew"
    return StudioError(f"{path.name} is not what was written: cut off or changed", where=str(path), remedy=remedy)
