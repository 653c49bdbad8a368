"""Prompts that the run's own is held against: another teacher's, and one distilled from lists without a pattern.

They are distilled as the run's own was: same settings, same seed and so the same beginning, batches and words. Nothing
differs but the lists that the teacher gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import distributed
from engine.architectures import ARCHITECTURES, TeacherName
from engine.distill import distil
from engine.errors import StudioError
from engine.labels import label
from engine.llm import SoftPrompt
from engine.models import Models
from engine.monitor import Monitor
from engine.ranking import History, PrefixRanker
from engine.run_folder import RunFolder
from engine.seeds import generator
from engine.stage_files import FALSIFY
from engine.stages import other_teachers
from engine.teachers import Teacher, load_teacher, train_teacher
from engine.teachers.base import CatalogueScorer

RANDOM_LISTS = "prompt of random lists"
RANDOM_FILE = "random-lists"
SPREAD = 2.0
"""Standard deviation of random lists' log-probabilities: about as far apart as a teacher's."""
Other = RunFolder | TeacherName
"""Whose prompt a run's own is compared with: that of another run, or one distilled from another teacher."""


@dataclass(frozen=True)
class Control:
    """A prompt to compare with; ``teacher`` is the one it was distilled from, if it is a real one."""

    name: str
    prompt: SoftPrompt
    source: str
    teacher: PrefixRanker | None = None
    label: str = ""
    """How prompts call that teacher."""


class RandomLists(CatalogueScorer):
    """A teacher that has nothing to teach: every history gets a list of its own, drawn at random and kept to."""

    name = RANDOM_FILE

    def __init__(self, n_items: int, seed: int) -> None:
        self.n_items, self.seed = n_items, seed

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        draws = [generator(self.seed, RANDOM_FILE, *map(int, it)).normal(0, SPREAD, self.n_items) for it in histories]
        scores = np.array(draws, dtype=np.float32).reshape(len(histories), self.n_items)
        normalised: np.ndarray = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        return normalised


class Renamed(Monitor):
    """Passes reports on under names of their own, so that three distillations can be told apart."""

    def __init__(self, monitor: Monitor, name: str) -> None:
        self.monitor, self.name = monitor, name

    def progress(self, stage: str, done: int, total: int) -> None:
        self.monitor.progress(self.name, done, total)

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self.monitor.metrics(self.name, step, values)

    def should_stop(self) -> bool:
        return self.monitor.should_stop()


def find_controls(
    models: Models, run: RunFolder, folder: str, monitor: Monitor, *, other: Other | None, train: bool
) -> list[Control]:
    """Another teacher's prompt and one of random lists; those that ``folder`` in the run's folder lacks are left out.

    Args:
        other: the other teacher, or a run whose prompt is taken for another teacher's; ``None``:
            :func:`other_teacher`.
        train: distil and keep those that would be left out.

    Raises:
        Cancelled: the monitor asked to stop; calling again continues.
        StudioError: ``other`` does not fit the run.
    """
    controls = []
    words = "distilled for this test with the run's settings"
    name = other_teacher(models, other)
    if isinstance(other, RunFolder):
        controls.append(control_of_run(models, other))
    elif train or _file(run, folder, name).exists():
        called = label(name)
        teacher = models.teachers.get(name) or _train_teacher(models, run, folder, name, monitor)
        prompt = _distilled(models, run, folder, name, teacher, monitor)
        controls.append(Control(f"prompt of {called}", prompt, f"{words} from {called}", teacher, called))
    if train or _file(run, folder, RANDOM_FILE).exists():
        random = RandomLists(models.split.n_items, models.config.seed)
        prompt = _distilled(models, run, folder, RANDOM_FILE, random, monitor)
        controls.append(Control(RANDOM_LISTS, prompt, f"{words} from random lists"))
    return controls


def control_of_run(models: Models, other: RunFolder) -> Control:
    """The prompt of another run, best one with another teacher, together with that teacher.

    Raises:
        StudioError: no soft prompt there, one of another language model, or a prompt of the same teacher.
    """
    called = label(other_teacher(models, other))
    prompt = SoftPrompt.load(other.files.checked(other.soft_prompt), models.backbone, models.split.n_items)
    teacher = load_teacher(other.files.checked(other.teacher()), models.split.n_items, models.config.teacher.device)
    return Control(f"prompt of {called}", prompt, f"run {other.run_id}", teacher, called)


def other_teacher(models: Models, requested: Other | None = None) -> TeacherName:
    """The teacher to compare with: the one ``requested``, or the first of ``teacher.also`` or of all but the run's own.

    Raises:
        StudioError: the run's own is wanted.
    """
    own = models.config.teacher.name
    if requested is None:
        return next(name for name in (*other_teachers(models.config), *ARCHITECTURES) if name != own)
    where, name = (
        (requested.run_id, requested.config().teacher.name)
        if isinstance(requested, RunFolder)
        else (requested, requested)
    )
    if name == own:
        raise StudioError(f"the other teacher is {own} too", where=where, remedy="name another")
    return name


def training_minutes(models: Models, run: RunFolder, other: Other | None = None) -> float:
    """What :func:`find_controls` takes to train all, going by what the run itself took."""
    seconds = {stage["name"]: float(stage["seconds"]) for stage in run.stages()}
    if isinstance(other, RunFolder):
        return seconds.get("distil", 0.0) / 60
    teacher = 0.0 if other_teacher(models, other) in models.teachers else seconds.get("teacher", 0.0)
    return (2 * seconds.get("distil", 0.0) + teacher) / 60


def _train_teacher(models: Models, run: RunFolder, folder: str, name: TeacherName, monitor: Monitor) -> PrefixRanker:
    file = run.path / folder / f"teacher-{name}.safetensors"
    config = models.config
    if not file.exists():
        stage = f"teacher:{name}"

        def train() -> None:
            checkpoint = file.with_name(f"checkpoint-{name}.safetensors")
            teacher = train_teacher(name, models.split, config.teacher, config.seed, checkpoint, monitor, stage)
            with distributed.main_process_first():
                _save(teacher, run, file)
            checkpoint.unlink(missing_ok=True)

        _staged(stage, config.teacher.epochs, monitor, train)
    return load_teacher(run.files.checked(file), models.split.n_items, config.teacher.device)


def _distilled(
    models: Models, run: RunFolder, folder: str, name: str, teacher: PrefixRanker, monitor: Monitor
) -> SoftPrompt:
    file = _file(run, folder, name)
    if not file.exists():
        config, stage = models.config, f"distil:{name}"
        settings = config.model_copy(
            update={"distill": config.distill.model_copy(update={"prompt": "distilled", "prompt_run": None})}
        )

        def train() -> None:
            checkpoint = file.with_name(f"checkpoint-{file.name}")
            with models.backbone.without_adapter():
                prompt = distil(
                    settings,
                    models.dataset,
                    models.split,
                    teacher,
                    models.backbone,
                    checkpoint,
                    Renamed(monitor, stage),
                    states_of=teacher if isinstance(teacher, Teacher) else models.teacher,
                )
            with distributed.main_process_first():
                _save(prompt, run, file)
            checkpoint.unlink(missing_ok=True)

        _staged(stage, config.distill.steps, monitor, train)
    return SoftPrompt.load(run.files.checked(file), models.backbone, models.split.n_items)


def _save(made: Teacher | SoftPrompt, run: RunFolder, file: Path) -> None:
    run.files.withdraw(file)
    made.save(file)
    run.files.end(FALSIFY, [file.relative_to(run.path).as_posix()])


def _staged(stage: str, total: int, monitor: Monitor, work: Callable[[], None]) -> None:
    monitor.stage(stage, "running", total=total)
    work()
    monitor.stage(stage, "done")


def _file(run: RunFolder, folder: str, name: str) -> Path:
    return run.path / folder / f"prompt-{name}.safetensors"
