"""The distilled pattern: a prompt that copies the teacher shows as agreement, one that does nothing does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from explain_world import LastItem
from stage_world import FORMS
from tiny_run import tiny_models

from engine.errors import Cancelled, StudioError
from engine.explain.pattern import (
    agreements,
    effect_vectors,
    effects_agreement,
    nearest_tokens,
    pattern,
    recency,
    task_accuracy,
)
from engine.llm import SoftPrompt
from engine.metrics.bootstrap import Bootstrap
from engine.models import Models
from engine.monitor import Monitor
from engine.run_folder import RunFolder


@pytest.fixture(scope="module")
def models() -> Models:
    return tiny_models()


def test_a_perfect_copy_of_the_teacher_agrees_fully_and_has_its_effects(models: Models) -> None:
    rankers = {"nothing": LastItem(), "copy": models.teacher}
    found = agreements(models, rankers, 6, Monitor())
    for measure in ("top-1", "overlap@5", "kendall-tau"):
        assert found["copy"][measure]["difference"]["value"] == pytest.approx(
            found["copy"][measure]["figure"]["value"] - found["nothing"][measure]["figure"]["value"], abs=1e-5
        )
        assert found["nothing"][measure]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["copy"]["kendall-tau"]["figure"]["value"] > 0.9
    vectors = effect_vectors(models, rankers, 6, Monitor())
    boot = Bootstrap(6, 200, seed=0)
    correlation = effects_agreement(vectors, boot)
    assert correlation["copy"]["value"] == pytest.approx(1.0)
    assert recency(vectors, boot)["copy"] == recency(vectors, boot)["teacher"]


def test_the_recency_profile_begins_with_the_newest_item() -> None:
    vectors = {"teacher": [np.array([0.0, 0.0, 3.0]), np.array([0.0, 2.0])]}
    profile = recency(vectors, Bootstrap(2, 200, seed=0))["teacher"]
    assert [place["value"] for place in profile] == [2.5, 0.0], "3/1 and 2/1, then nothing, as far as both go"


def test_vectors_without_order_agree_with_nothing() -> None:
    vectors = {"teacher": [np.zeros(3), np.arange(3.0)], "llm": [np.arange(3.0), np.arange(3.0)]}
    assert effects_agreement(vectors, Bootstrap(2, 200, seed=0))["llm"]["value"] == 0.5


@pytest.mark.parametrize("form", FORMS)
def test_a_run_is_held_against_its_teacher_in_every_state(form: str) -> None:
    models = tiny_models(form=form)
    other = {"gru4rec": SoftPrompt.from_vocabulary(models.backbone, 3, seed=9)}
    found = pattern(models, Monitor(), other, users=4, effect_users=3)
    names = ["no prompt", "random prompt", "distilled prompt", "prompt of gru4rec"]
    assert list(found["effects"]) == names
    assert list(found["agreement"]) == [*names, "popularity", "markov"], "those who read no title, for scale"
    assert list(found["recency"]) == ["teacher", *names]
    assert found["ranks"] is None
    assert (found["users"], found["effect_users"]) == (4, 3)
    assert len(found["tokens"]["nearest"]) == 3
    assert "no reading of it" in found["tokens"]["warning"]
    assert found == pattern(models, Monitor(), other, users=4, effect_users=3)


def test_the_nearest_tokens_are_title_tokens_and_exact_where_the_prompt_holds_one() -> None:
    models = tiny_models()
    token = models.backbone.tokens(" game A")[0]
    models.soft_prompt = SoftPrompt(models.backbone.embedding().weight[[token]], models.backbone.name)
    (nearest,) = nearest_tokens(models)
    assert nearest[0] == {"token": models.backbone.tokenizer.decode([token]), "cosine": pytest.approx(1.0)}


def test_the_accuracy_of_stage_1_is_read_from_its_curves(tmp_path: Path) -> None:
    points = [("distil", 0, "validation.accuracy.ta", 0.1), ("distil", 9, "validation.accuracy.ta", 0.4)]
    points += [("distil", 9, "loss.ta", 2.0), ("finetune", 9, "validation.accuracy.ta", 0.9)]
    lines = [f'{{"stage": "{s}", "step": {n}, "name": "{name}", "value": {v}}}' for s, n, name, v in points]
    (tmp_path / "curves.jsonl").write_text("\n".join(lines))
    assert task_accuracy(RunFolder(tmp_path)) == {"ta": [{"step": 0, "value": 0.1}, {"step": 9, "value": 0.4}]}


def test_what_cannot_be_measured_is_refused() -> None:
    class Stop(Monitor):
        def should_stop(self) -> bool:
            return True

    with pytest.raises(StudioError, match="no soft prompt"):
        pattern(tiny_models("distill.prompt=none"), Monitor(), users=3, effect_users=3)
    with pytest.raises(StudioError, match="two users"):
        pattern(tiny_models(), Monitor(), users=1)
    with pytest.raises(Cancelled):
        pattern(tiny_models(), Stop(), users=3, effect_users=3)
