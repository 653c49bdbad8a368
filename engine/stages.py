"""The stages of a run, described once, in their order. Light enough for any page to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.architectures import TeacherName
from engine.config import RunConfig
from engine.curves import OBJECTIVE
from engine.labels import label


def _always(_: RunConfig) -> bool:
    return True


@dataclass(frozen=True)
class StageSpec:
    """A stage of a run.

    Args:
        title: what people read for it.
        brief: the same where room is scarce, in charts; stages without curves have none.
        unit: of its progress.
        selects: the validation metric by which it keeps its best weights, higher is better; "" where it trains nothing.
        enabled: whether a run with this configuration goes through it.
        code: modules whose code, with all that they import, makes its result, that which trains first; none where
            nothing is made that another run could use.
        row: whether what it makes ranks by itself: a row of its name, among the teachers.
    """

    name: str
    title: str
    brief: str = ""
    unit: str = "step"
    selects: str = ""
    enabled: Callable[[RunConfig], bool] = _always
    code: tuple[str, ...] = ()
    row: bool = False

    @property
    def ranks(self) -> bool:
        """Whether it selects by a ranking metric, at its cut-off: others mean another thing with other settings."""
        return "@" in self.selects


STAGES = (
    StageSpec("data", "Load data, split, candidates"),
    StageSpec("llm", "Load language model"),
    StageSpec(
        "teacher",
        "Train teacher",
        "Teacher",
        "epoch",
        "NDCG@10",
        code=("engine.teachers.train", "engine.teachers.ensemble"),
    ),
    StageSpec(
        "distil",
        "Stage 1: distil soft prompt",
        "Stage 1",
        selects=OBJECTIVE,
        enabled=lambda config: config.distill.prompt in ("distilled", "lsr"),
        code=("engine.distill.stage", "engine.llm.sources"),
    ),
    StageSpec(
        "finetune",
        "Stage 2: fine-tune with AdaLoRA",
        "Stage 2",
        selects="NDCG@10",
        enabled=lambda config: config.finetune.enabled,
        code=("engine.finetune.stage", "engine.distill.stage", "engine.llm.sources"),
    ),
    StageSpec(
        "text",
        "DELRec-plus: train the text recommender",
        "Text",
        "epoch",
        "NDCG@10",
        enabled=lambda config: config.plus.enabled and config.plus.text,
        code=("engine.teachers.train", "engine.teachers.text", "engine.llm.title_vectors", "engine.llm.sources"),
        row=True,
    ),
    StageSpec(
        "plus",
        "DELRec-plus: weigh its parts",
        unit="user",
        enabled=lambda config: config.plus.enabled,
        code=("engine.plus.weights", "engine.models"),
    ),
    StageSpec(
        "evaluate",
        "Evaluate on test users",
        code=("engine.models", "engine.evaluate.evaluator"),
    ),
)
"""First to last; ``teacher`` stands for every teacher that a run trains."""
TITLES = {stage.name: stage.title for stage in STAGES}
UNITS = {stage.name: stage.unit for stage in STAGES}
SELECTED_BY = {stage.name: stage.selects for stage in STAGES if stage.selects}


def stage_names(config: RunConfig) -> list[str]:
    """The stages that a run with this configuration goes through, first to last."""
    teachers = [teacher_stage(config, name) for name in trained_teachers(config)]
    enabled = [stage.name for stage in STAGES if stage.enabled(config)]
    return [name for stage in enabled for name in (teachers if stage == "teacher" else [stage])]


def stage_rows(config: RunConfig) -> list[str]:
    """Those that make rows of their own."""
    return [stage.name for stage in STAGES if stage.row and stage.enabled(config)]


def other_teachers(config: RunConfig) -> list[TeacherName]:
    """Teachers trained for comparison only."""
    return [name for name in dict.fromkeys(config.teacher.also) if name != config.teacher.name]


def trained_teachers(config: RunConfig) -> dict[str, tuple[TeacherName, int]]:
    """Architecture and number of copy (from 1) of each teacher that a run trains, the one it distils first.

    First copies are called by their architecture; others (``sasrec-2``) take part in the ensemble only.
    """
    architectures: list[TeacherName] = [config.teacher.name, *other_teachers(config)]
    return {
        name if copy == 1 else f"{name}-{copy}": (name, copy)
        for copy in range(1, config.teacher.copies + 1)
        for name in architectures
    }


def distilled_teacher(config: RunConfig) -> TeacherName:
    """The teacher whose pattern stage 1 distils: the run's own, unless another one's soft prompt is tried with it."""
    return config.distill.teacher or config.teacher.name


def teacher_stage(config: RunConfig, name: str) -> str:
    """The stage in which the teacher of that name is trained."""
    return "teacher" if name == config.teacher.name else f"teacher:{name}"


def stage_title(name: str) -> str:
    """What a person reads for a stage's name."""
    base, _, detail = name.partition(":")
    return f"{TITLES[base]} ({label(detail)})" if detail else TITLES[base]
