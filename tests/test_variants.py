"""Variants of a run's language model: each is asked with what was learned with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from explain.tiny_run import random_head, tiny_models
from stage_world import FAMILIES, FORMS

from engine.finetune.adalora import AdaLora
from engine.llm import PromptScorer, SoftPrompt
from engine.llm.verbalizers import TitleHead
from engine.models import Models
from engine.variants import LLMVariants

HISTORIES, CANDIDATES = [np.array([1, 2, 3])], np.array([[4, 5, 6, 7, 20]])


def tuned(form: str, family: str = "causal") -> Models:
    """A run's models with an adapter that does something and two heads that differ."""
    models = tiny_models("finetune.enabled=true", form=form, family=family)
    adalora = AdaLora(models.backbone, models.config.finetune, 0)
    with torch.no_grad():
        for name, parameter in adalora.parameters.items():
            if "lora_E" in name:
                parameter.fill_(3.0)
    models.head = random_head(models, 2)
    return models


def scores(variants: LLMVariants, prompt: SoftPrompt | None, *, adapter: bool) -> np.ndarray:
    return variants.ranker("asked", prompt, adapter=adapter).scores(HISTORIES, CANDIDATES)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_with_its_own_parts_a_variant_is_the_row_of_the_table(form: str, family: str) -> None:
    models = tuned(form, family)
    variants = LLMVariants(models, models.dataset.catalogue)
    for row, adapter in (("delrec", True), ("llm-distilled", False)):
        expected = models.ranker(row).scores(HISTORIES, CANDIDATES)
        np.testing.assert_array_equal(scores(variants, models.soft_prompt, adapter=adapter), expected)
        np.testing.assert_array_equal(variants.row(row).scores(HISTORIES, CANDIDATES), expected)
    with_adapter = scores(variants, models.soft_prompt, adapter=True)
    assert np.abs(with_adapter - scores(variants, models.soft_prompt, adapter=False)).max() > 1e-3


def test_each_prompt_is_read_with_its_own_head() -> None:
    models = tuned("sequence")
    own = models.soft_prompt
    assert own is not None
    variants = LLMVariants(models, models.dataset.catalogue)
    prompts = variants.prompts({"other": SoftPrompt(own.weight, own.backbone_name, random_head(models, 3))})
    other = prompts["run other"]
    assert other is not None

    def expected(prompt: SoftPrompt | None, learned: dict[str, torch.Tensor]) -> np.ndarray:
        head = TitleHead(models.backbone, models.prompts().titles, models.split.popularity(), models.config.seed)
        if learned:
            head.take(learned)
        scorer = PromptScorer(models.backbone, head, prompt)
        asked = [models.prompts().lsr(HISTORIES[0], (), prompt is not None)]
        with models.backbone.without_adapter():
            return scorer.scores(asked, CANDIDATES)

    for prompt, learned in (
        (prompts["removed"], own.head),
        (prompts["shuffled"], own.head),
        (prompts["random"], {}),
        (other, other.head),
    ):
        np.testing.assert_allclose(scores(variants, prompt, adapter=False), expected(prompt, learned), atol=1e-5)
    assert not np.allclose(scores(variants, other, adapter=False), scores(variants, own, adapter=False), atol=1e-3)


def test_with_the_adapter_every_prompt_is_read_with_what_stage_2_taught() -> None:
    models = tuned("sequence")
    variants = LLMVariants(models, models.dataset.catalogue)
    for prompt in variants.prompts().values():
        head = variants.scorer(prompt, adapter=True).verbalizer
        assert isinstance(head, TitleHead)
        assert all(torch.equal(tensor, models.head[name]) for name, tensor in head.learned().items())


def test_where_stage_2_taught_nothing_the_prompts_head_answers() -> None:
    models = replace(tiny_models(form="sequence"))
    variants = LLMVariants(models, models.dataset.catalogue)
    whole = models.ranker("llm-distilled").scores(HISTORIES, CANDIDATES)
    np.testing.assert_array_equal(scores(variants, models.soft_prompt, adapter=True), whole)
