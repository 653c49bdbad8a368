"""Names of a run's stages in their order, with words for people. Light enough for any page to import."""

from __future__ import annotations

from engine.architectures import TeacherName
from engine.config import RunConfig
from engine.labels import label

TITLES = {
    "data": "Load data, split, candidates",
    "llm": "Load language model",
    "teacher": "Train teacher",
    "distil": "Stage 1: distil soft prompt",
    "finetune": "Stage 2: fine-tune with AdaLoRA",
    "plus": "DELRec-plus: all positions, beside the teacher",
    "evaluate": "Evaluate on test users",
}
SELECTED_BY = {"teacher": "NDCG@10", "distil": "objective", "finetune": "NDCG@10", "plus": "NDCG@10"}
"""The validation metric by which a stage that trains keeps its best weights; higher is better."""


def stage_names(config: RunConfig) -> list[str]:
    """The stages that a run with this configuration goes through, first to last."""
    names = ["data", "llm", *(teacher_stage(config, name) for name in trained_teachers(config))]
    if config.distill.prompt in ("distilled", "lsr"):
        names.append("distil")
    if config.finetune.enabled:
        names.append("finetune")
    if config.plus.enabled:
        names.append("plus")
    return [*names, "evaluate"]


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


def teacher_stage(config: RunConfig, name: str) -> str:
    """The stage in which the teacher of that name is trained."""
    return "teacher" if name == config.teacher.name else f"teacher:{name}"


def stage_title(name: str) -> str:
    """What a person reads for a stage's name."""
    base, _, detail = name.partition(":")
    return f"{TITLES[base]} ({label(detail)})" if detail else TITLES[base]
