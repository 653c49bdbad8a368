"""Integrated gradients: complete on tiny models, exact on a linear one, and zero for what is not looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from explain_world import Checkerboard, instance
from torch import Tensor

from engine.architectures import ARCHITECTURES
from engine.config import LLMConfig, TeacherConfig
from engine.data import Catalogue
from engine.errors import StudioError
from engine.explain.gradients import _TextPath, integrated_gradients
from engine.llm import Backbone, Embedded, LLMRanker, Prompts, PromptScorer, SoftPrompt, Verbalizer, make_verbalizer
from engine.llm.conditioner import Conditioner
from engine.llm.tiny import tiny_causal
from engine.llm.verbalizers.base import VerbalizerInputs
from engine.models import WithoutAdapter
from engine.teachers import Teacher
from tests.stage_world import FAMILIES

TITLES = tuple(f"movie {letter}" for letter in "ABCDEFGHIJKL")
CATALOGUE = Catalogue(TITLES, (None,) * 12, ((),) * 12, tuple(map(str, range(12))))
CASE = instance([0, 1, 2, 3], [6, 7, 8], target=1)


class CopiesItem(Verbalizer):
    """A linear model that looks at the embeddings of one history item alone: known attributions."""

    name = "copies-item"

    def __init__(self, span: slice) -> None:
        self.span = span

    @classmethod
    def make(cls, given: VerbalizerInputs) -> CopiesItem:
        raise AssertionError("made by the test, not by a run's settings")

    def scores(self, batch: Embedded, candidates: Tensor) -> Tensor:
        brought = batch.inputs[:, self.span].sum(dim=(1, 2))
        columns = torch.arange(candidates.shape[1])
        return (brought[:, None] * (columns == CASE.target)).float()


def ranker(backbone: Backbone, verbalizer: Verbalizer, soft: SoftPrompt | None = None) -> LLMRanker:
    scorer = PromptScorer(backbone, verbalizer, soft)
    return LLMRanker("llm", scorer, Prompts("movie", "SASRec", CATALOGUE), 10)


def conditional_prompt(backbone: Backbone, name: str, n_items: int) -> SoftPrompt:
    """With random weights everywhere."""
    torch.manual_seed(0)
    teacher = Teacher(n_items, TeacherConfig.model_validate({"name": name, "width": 8, "max_length": 3}))
    teacher.network.eval()
    prompt = SoftPrompt.from_vocabulary(backbone, 3, seed=1)
    prompt.conditioner = Conditioner(teacher, backbone.width)
    prompt.conditioner.projection.data.normal_(std=0.3)
    return prompt.requires_grad_(False)


def test_all_of_a_linear_models_lead_goes_to_the_one_item_it_looks_at() -> None:
    backbone = tiny_causal(0)
    prompt = Prompts("movie", "SASRec", CATALOGUE).lsr(CASE.history, CASE.candidates, soft=False)
    span = backbone.encode(prompt).spans["history", 2]
    found = integrated_gradients(ranker(backbone, CopiesItem(span)), CASE, steps=2)
    assert found.items[[0, 1, 3]].tolist() == [0, 0, 0]
    assert abs(found.items[2]) > 0.1
    assert found.items[2] == pytest.approx(found.lead - found.baseline, rel=1e-4)
    assert found.completeness_error < 1e-4


@pytest.mark.parametrize("make", FAMILIES.values())
@pytest.mark.parametrize("verbalizer", ["title-tokens", "title-likelihood"])
@pytest.mark.parametrize("soft", [False, True])
def test_attributions_add_up_to_the_lead_the_better_the_more_steps(make: object, verbalizer: str, soft: bool) -> None:
    backbone = make(0)  # type: ignore[operator]
    prompt = SoftPrompt.from_vocabulary(backbone, 3, seed=1) if soft else None
    made = make_verbalizer(LLMConfig(verbalizer=verbalizer), backbone, CATALOGUE)
    llm = ranker(backbone, made, prompt)
    few, many = (integrated_gradients(llm, CASE, steps) for steps in (2, 64))
    assert np.abs(many.items).max() > 0
    assert many.completeness_error < 0.02 * max(np.abs(many.items).sum(), abs(many.lead - many.baseline))
    assert many.completeness_error <= few.completeness_error
    scores = llm.scores([CASE.history], CASE.candidates[None])[0]
    rival = CASE.candidates.tolist().index(many.rival)
    assert many.lead == pytest.approx(scores[CASE.target] - scores[rival], abs=1e-3)


def test_the_path_begins_as_long_as_it_ends_where_embeddings_of_tokens_are_scaled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Gemma 3's embedding module does, or Transformers beside it."""
    backbone = tiny_causal(0)
    lengths = []
    for scale in (1.0, 8.0):
        monkeypatch.setattr(backbone, "embed_tokens", lambda ids, by=scale: by * backbone.embedding()(ids))
        path = _TextPath(ranker(backbone, make_verbalizer(LLMConfig(), backbone, CATALOGUE)), CASE)
        (start,), (end,), (spans,) = path.start, path.end, path.spans
        lengths.append(start[spans[0]].norm(dim=1).mean() / end[spans[0]].norm(dim=1).mean())
    torch.testing.assert_close(*lengths)


@pytest.mark.parametrize("teacher", ARCHITECTURES)
@pytest.mark.parametrize("make", FAMILIES.values())
def test_a_conditional_prompts_teacher_is_on_the_path(make: object, teacher: str) -> None:
    """Attributions add up to the lead of the whole model, and the teacher's items have their share of them."""
    backbone = make(0)  # type: ignore[operator]
    prompt = conditional_prompt(backbone, teacher, n_items=12)
    llm = ranker(backbone, make_verbalizer(LLMConfig(), backbone, CATALOGUE), prompt)
    found = integrated_gradients(llm, CASE, 64)
    scores = llm.scores([CASE.history], CASE.candidates[None])[0]
    rival = CASE.candidates.tolist().index(found.rival)
    assert found.lead == pytest.approx(scores[CASE.target] - scores[rival], abs=1e-3)
    assert found.completeness_error < 0.03 * np.abs(found.items).sum()


@pytest.mark.parametrize("teacher", ARCHITECTURES)
def test_what_a_model_sees_of_the_teachers_state_alone_is_all_attributed_to_the_items_of_the_state(
    teacher: str,
) -> None:
    """A linear model of the answer's slot, where no title of the text stands; the teacher reads the last three."""
    backbone = tiny_causal(0)
    prompt = conditional_prompt(backbone, teacher, n_items=12)
    read = Prompts("movie", "SASRec", CATALOGUE).lsr(CASE.history, CASE.candidates, soft=True)
    (slot,) = backbone.encode(read, len(prompt)).slots
    found = integrated_gradients(ranker(backbone, CopiesItem(slice(slot, slot + 1)), prompt), CASE, 64)
    assert np.abs(found.items[1:]).min() > 0
    assert found.items[0] == 0
    assert found.completeness_error < 0.03 * np.abs(found.items).sum()
    assert found.lead != pytest.approx(found.baseline, rel=1e-3)


def test_a_title_that_the_teacher_does_not_know_is_attributed_by_its_text_alone() -> None:
    backbone = tiny_causal(0)
    llm = ranker(
        backbone, make_verbalizer(LLMConfig(), backbone, CATALOGUE), conditional_prompt(backbone, "gru4rec", 2)
    )
    only, some = (integrated_gradients(llm, instance(items, [6, 7, 8], target=1), 32) for items in ([4, 5], [4, 1, 5]))
    assert only.completeness_error < 0.03 * np.abs(only.items).sum()
    assert some.completeness_error < 0.03 * np.abs(some.items).sum()


def test_a_row_without_the_adapter_is_attributed_too() -> None:
    backbone = tiny_causal(0)
    llm = ranker(backbone, make_verbalizer(LLMConfig(), backbone, CATALOGUE))
    plain, wrapped = (integrated_gradients(model, CASE, 4) for model in (llm, WithoutAdapter(llm)))
    assert plain.items == pytest.approx(wrapped.items)


def test_what_has_no_inputs_has_no_gradients() -> None:
    with pytest.raises(StudioError, match="no inputs to differentiate"):
        integrated_gradients(Checkerboard(), CASE)
