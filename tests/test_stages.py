"""What is known of stages without importing what trains them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest

from engine.environment import modules_behind
from engine.labels import label
from engine.recipe import stage_recipes
from engine.rows import LLM_ROWS, all_rows
from engine.settings import load_config
from engine.stage_files import LEFT
from engine.stages import STAGES, TITLES, StageSpec, stage_names, stage_title
from jobs.forecast import STAGES as FORECAST
from tests.stage_world import SWITCHED_ON

CONCEPTS = Path(__file__).parents[1] / "docs" / "concepts"
EVERY = load_config("smoke", overrides=SWITCHED_ON)


def test_tests_go_through_every_stage() -> None:
    left_out = set(TITLES) - set(stage_names(EVERY))
    assert not left_out, f"switch {', '.join(left_out)} on in SWITCHED_ON of tests/stage_world.py"


def test_every_stage_that_trains_is_known_by_the_metric_that_it_selects_by() -> None:
    makers = {stage: import_module(stage.code[0]) for stage in STAGES if stage.code}
    assert sum(bool(stage.selects) for stage in STAGES) >= 4
    assert {stage.name: getattr(maker, "SELECT", "") for stage, maker in makers.items()} == {
        stage.name: stage.selects for stage in makers
    }


def test_every_stage_that_trains_is_called_briefly_in_charts() -> None:
    """Else its curves have none."""
    brief, selects = {it.name for it in STAGES if it.brief}, {it.name for it in STAGES if it.selects}
    assert brief == selects, "engine/stages.py: a stage has a brief title if it selects, and else none"


def test_every_row_has_a_name_for_people() -> None:
    assert [row for row in all_rows(EVERY) if label(row) == row] == [], "engine/labels.py has no words for it"


def test_every_row_of_the_language_model_can_be_left_out_of_the_table() -> None:
    assert EVERY.eval.llm_rows == tuple(row.name for row in LLM_ROWS), "engine.config.EvalConfig.llm_rows names each"


def test_the_concepts_tell_of_every_stage() -> None:
    """By the module that trains it, or the path of that."""
    told = "".join(page.read_text(encoding="utf-8") for page in CONCEPTS.glob("*.md")).replace("/", ".")
    for stage in STAGES[:-1]:
        assert not stage.code or stage.code[0] in told, f"{stage.name}: docs/concepts names nothing of {stage.code[0]}"


@pytest.mark.parametrize(
    ("register", "place"), [(LEFT, "LEFT of engine/stage_files.py"), (FORECAST, "STAGES of jobs/forecast.py")]
)
def test_every_stage_has_its_line_in_other_registers(register: Mapping[str, object], place: str) -> None:
    assert list(register) == list(TITLES), f"{place}: a line for every stage, in the order of engine/stages.py"


def test_what_stages_share_is_told_apart_by_the_code_that_makes_it() -> None:
    made = {stage.name for stage in STAGES if stage.code} - {"evaluate"}
    assert made == set(stage_recipes(EVERY)), "engine.recipe.stage_recipes has a recipe for each stage with code"
    for stage in STAGES:
        for module in stage.code:
            import_module(module)


def test_what_comes_of_a_teacher_is_told_apart_by_the_code_that_trains_it() -> None:
    other = load_config("smoke", overrides=[*SWITCHED_ON, f"teacher.lr={EVERY.teacher.lr / 2}"])
    ours, theirs = stage_recipes(EVERY), stage_recipes(other)
    learners = [stage for stage in STAGES if ours.get(stage.name) != theirs.get(stage.name)]
    assert {"distil", "finetune", "plus"} <= {stage.name for stage in learners}
    for stage in learners:
        behind = modules_behind(stage.code)
        assert "engine.teachers.train" in behind, f"{stage.name}: its code in engine/stages.py names or imports it"


def test_a_stage_names_the_teacher_as_people_do() -> None:
    assert [stage_title(name) for name in ("teacher", "teacher:gru4rec", "teacher:sasrec-2")] == [
        "Train teacher",
        "Train teacher (GRU4Rec)",
        "Train teacher (SASRec, copy 2)",
    ]


@pytest.mark.parametrize("selects", ["NDCG@10", "objective", "log-likelihood", ""])
def test_only_what_ranks_can_be_searched_for(selects: str) -> None:
    assert StageSpec("x", "X", selects=selects).ranks is (selects == "NDCG@10")
