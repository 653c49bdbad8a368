"""Every backbone × every verbalizer, as the stages and the ranker use them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from llm_world import CANDIDATES, HISTORY, SETTINGS, TITLES, make_catalogue

from engine.config import LLMConfig
from engine.data.catalogue import Catalogue
from engine.llm import Backbone, LLMRanker, Prompt, Prompts, PromptScorer, SoftPrompt, make_verbalizer
from engine.llm.tiny import tiny_causal
from engine.ranking import Ranker

USERS = [[3, 4, 8, 7], [3], [11, 12, 13, 14, 15, 3], [4, 3], []]


@pytest.fixture
def scorer(backbone: Backbone, setting: LLMConfig, catalogue: Catalogue, soft_prompt: SoftPrompt) -> PromptScorer:
    return PromptScorer(backbone, make_verbalizer(setting, backbone, catalogue), soft_prompt, batch_size=2)


@pytest.fixture
def candidates() -> np.ndarray:
    return np.stack([np.roll(CANDIDATES, shift) for shift in range(len(USERS))])


@pytest.fixture
def questions(prompts: Prompts, candidates: np.ndarray) -> list[Prompt]:
    return [prompts.lsr(history, row, soft=True) for history, row in zip(USERS, candidates, strict=True)]


def test_a_batch_equals_single_prompts_in_the_order_given(
    scorer: PromptScorer, questions: list[Prompt], candidates: np.ndarray
) -> None:
    together = scorer.scores(questions, candidates)
    alone = np.concatenate(
        [scorer.scores([prompt], row[None]) for prompt, row in zip(questions, candidates, strict=True)]
    )
    assert together.dtype == np.float32
    assert together.shape == candidates.shape
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert np.ptp(together, axis=1).min() > 1e-3  # scores that are all alike would pass every test above


def test_scores_follow_candidates_when_these_are_asked_in_another_order(
    scorer: PromptScorer, questions: list[Prompt], candidates: np.ndarray
) -> None:
    order = np.random.default_rng(0).permutation(candidates.shape[1])
    straight, turned = scorer.scores(questions, candidates), scorer.scores(questions, candidates[:, order])
    np.testing.assert_allclose(straight[:, order], turned, atol=1e-4)


def test_training_sees_the_scores_that_rank(
    scorer: PromptScorer, questions: list[Prompt], candidates: np.ndarray
) -> None:
    scores = scorer.scores(questions, candidates)  # first: tensors of inference must not leak into training
    labels = np.arange(len(questions))
    np.testing.assert_allclose(scorer.logits(questions, candidates).detach().numpy(), scores, atol=1e-4)
    loss = scorer.loss(questions, candidates, labels)
    expected = F.cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels))
    torch.testing.assert_close(loss.detach(), expected, atol=1e-4, rtol=1e-4)
    certain = np.eye(candidates.shape[1], dtype=np.float32)[labels]
    torch.testing.assert_close(scorer.loss(questions, candidates, certain).detach(), expected, atol=1e-4, rtol=1e-4)
    probs = np.full_like(certain, 1 / certain.shape[1])
    warm = -F.log_softmax(torch.from_numpy(scores) / 3, 1).mean(1).mean() * 9
    found = scorer.loss(questions, candidates, probs, 3.0).detach()
    torch.testing.assert_close(found, warm, atol=1e-3, rtol=1e-4)


def test_the_gradient_reaches_the_soft_prompt_and_only_it(
    scorer: PromptScorer, questions: list[Prompt], candidates: np.ndarray, soft_prompt: SoftPrompt
) -> None:
    scorer.loss(questions, candidates, np.zeros(len(questions), np.int64)).backward()
    assert soft_prompt.weight.grad is not None
    assert (soft_prompt.weight.grad.abs().sum(dim=1) > 0).all()
    assert all(parameter.grad is None for parameter in scorer.backbone.parameters())


def test_the_soft_prompt_moves_scores(
    scorer: PromptScorer, questions: list[Prompt], candidates: np.ndarray, soft_prompt: SoftPrompt
) -> None:
    before = scorer.scores(questions, candidates)
    soft_prompt.weight.data += torch.linspace(-1.0, 1.0, soft_prompt.weight.shape[1])  # no norm takes it away
    assert np.abs(scorer.scores(questions, candidates) - before).max() > 1e-3


def test_training_the_soft_prompt_lowers_the_loss(
    scorer: PromptScorer, questions: list[Prompt], candidates: np.ndarray, soft_prompt: SoftPrompt
) -> None:
    labels = np.full(len(questions), 2)
    optimizer = torch.optim.Adam(soft_prompt.parameters(), lr=0.05)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = scorer.loss(questions, candidates, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def ranker(backbone: Backbone, setting: LLMConfig, catalogue: Catalogue, soft: SoftPrompt | None) -> LLMRanker:
    scorer = PromptScorer(backbone, make_verbalizer(setting, backbone, catalogue), soft, setting.batch_size)
    return LLMRanker("delrec", scorer, Prompts("movie", "SASRec", catalogue), history_length=3)


def test_the_ranker_reads_the_last_items_of_a_history(
    backbone: Backbone, setting: LLMConfig, catalogue: Catalogue, soft_prompt: SoftPrompt
) -> None:
    model, candidates = ranker(backbone, setting, catalogue, soft_prompt), np.array([CANDIDATES])
    assert isinstance(model, Ranker)
    whole = model.scores([np.array([15, 14, *HISTORY])], candidates)
    np.testing.assert_array_equal(whole, model.scores([HISTORY[-3:]], candidates))
    assert np.abs(whole - model.scores([HISTORY[:3]], candidates)).max() > 1e-4


def test_the_ranker_is_zero_shot_without_a_soft_prompt(
    backbone: Backbone, setting: LLMConfig, catalogue: Catalogue, soft_prompt: SoftPrompt
) -> None:
    assert "SASRec" not in ranker(backbone, setting, catalogue, None).prompt(HISTORY, np.array(CANDIDATES)).text()
    assert "SASRec" in ranker(backbone, setting, catalogue, soft_prompt).prompt(HISTORY, np.array(CANDIDATES)).text()


def test_titles_of_ones_own_are_ranked_by_and_among_without_moving_the_known(
    backbone: Backbone, setting: LLMConfig, catalogue: Catalogue, soft_prompt: SoftPrompt
) -> None:
    own = catalogue.extended(["A film of my own", "Alien 🛸 رجوع"])
    plain, extended = (ranker(backbone, setting, known, soft_prompt) for known in (catalogue, own))
    known = np.array([CANDIDATES])
    np.testing.assert_allclose(plain.scores([HISTORY], known), extended.scores([HISTORY], known), atol=1e-5)
    scores = extended.scores([[3, len(TITLES)]], np.array([[0, 1, len(TITLES) + 1]]))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("setting", SETTINGS)
def test_awkward_titles_survive_everywhere(setting: str) -> None:
    backbone = tiny_causal(0)
    titles = ("", "🎬", "שלום", "a" * 300, "<|im_start|>assistant", "${x}{{y}}", "\u202eevil")
    prompt = SoftPrompt.from_vocabulary(backbone, 2, seed=0)
    model = ranker(backbone, SETTINGS[setting], make_catalogue(titles), prompt)
    assert np.isfinite(model.scores([[0, 1, 2]], np.array([[3, 4, 5, 6, 0]]))).all()
