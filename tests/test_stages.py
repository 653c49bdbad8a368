"""What is known of stages without importing what trains them."""

from __future__ import annotations

from engine.config import RunConfig
from engine.distill import stage as distil
from engine.finetune import stage as finetune
from engine.stages import SELECTED_BY, TITLES, stage_names, stage_title
from engine.teachers import train as teacher


def test_every_stage_that_trains_is_known_by_the_metric_that_it_selects_by() -> None:
    trainers = {"teacher": teacher, "text": teacher, "distil": distil, "finetune": finetune}
    assert {name: module.SELECT for name, module in trainers.items()} == SELECTED_BY


def test_every_stage_has_a_title() -> None:
    config = RunConfig.model_validate({"plus": {"enabled": True}, "llm": {"prompts": "sequence"}})
    assert set(stage_names(config)) == set(TITLES)


def test_a_stage_names_the_teacher_as_people_do() -> None:
    assert [stage_title(name) for name in ("teacher", "teacher:gru4rec", "teacher:sasrec-2")] == [
        "Train teacher",
        "Train teacher (GRU4Rec)",
        "Train teacher (SASRec, copy 2)",
    ]
