"""Likelihoods over a whole catalogue: the titles most like the history are asked about, the rest keep their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from engine.llm.two_step import TitleSimilarity, TwoStepRanker
from engine.ranking import CatalogueRanker, History

# Titles 0, 1, 2 point one way, 3 and 4 another, 5 is a title of one's own that points the first way.
VECTORS = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0], [0.1, 0.9], [1.0, 0.0]])


class Likelihood:
    """Likes a title the more the higher its id, and remembers what it was asked."""

    name = "llm-zero-shot"

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        self.asked.append(candidates)
        return candidates.astype(np.float32) - 100.0


def ranker(top: int) -> tuple[TwoStepRanker, Likelihood]:
    reader = Likelihood()
    return TwoStepRanker(reader, TitleSimilarity(VECTORS, 5, 10), top), reader


def test_similarity_is_the_mean_and_the_largest_cosine() -> None:
    scores = TitleSimilarity(VECTORS * 7, 5, 10).catalogue_scores([[0, 3]])[0]
    assert scores[0] == pytest.approx(0.5 + 1.0)
    cosine = float(torch.nn.functional.cosine_similarity(VECTORS[1], VECTORS[0], dim=0))
    other = float(torch.nn.functional.cosine_similarity(VECTORS[1], VECTORS[3], dim=0))
    assert scores[1] == pytest.approx((cosine + other) / 2 + cosine, abs=1e-6)


def test_only_the_last_items_are_looked_at_and_ones_own_titles_too() -> None:
    similarity = TitleSimilarity(VECTORS, 5, 1)
    np.testing.assert_array_equal(*(similarity.catalogue_scores([h]) for h in ([3, 0], [0])))
    np.testing.assert_array_equal(*(similarity.catalogue_scores([h]) for h in ([5], [0])))


def test_likelihood_orders_the_chosen_and_similarity_the_rest() -> None:
    two_step, reader = ranker(2)
    assert isinstance(two_step, CatalogueRanker)
    scores = two_step.catalogue_scores([[0]])[0]
    assert sorted(reader.asked[0][0].tolist()) == [1, 2], "most like the history, which is not asked about itself"
    assert np.argsort(-np.delete(scores, 0)).tolist() == [1, 0, 3, 2], (
        "2 and 1 by likelihood, then 4 and 3 by similarity"
    )
    assert scores[[1, 2]].min() >= 0 > scores[[3, 4]].max()


def test_candidates_are_all_ranked_by_likelihood() -> None:
    two_step, reader = ranker(1)
    candidates = np.array([[3, 5, 1]])
    np.testing.assert_array_equal(two_step.scores([[0]], candidates), reader.scores([[0]], candidates))


def test_catalogue_and_candidates_are_asked_in_one_reading() -> None:
    two_step, reader = ranker(2)
    histories, candidates = [[0], [3, 4]], np.array([[3, 5, 1], [0, 1, 2]])
    catalogue, listed = two_step.both_scores(histories, candidates)
    assert len(reader.asked) == 1
    np.testing.assert_array_equal(catalogue, two_step.catalogue_scores(histories))
    np.testing.assert_array_equal(listed, two_step.scores(histories, candidates))


def test_without_a_history_and_with_a_small_catalogue_all_scores_are_numbers() -> None:
    scores = ranker(50)[0].catalogue_scores([[], [0, 1, 2, 3]])
    assert scores.shape == (2, 5)
    assert np.isfinite(scores).all()
