"""Counting baselines, by counts done by hand."""

from __future__ import annotations

import numpy as np

from engine.teachers import Markov, Popularity

TRAIN = [np.array([0, 1, 2, 1]), np.array([0, 1]), np.array([3, 2]), np.array([], dtype=np.int64), np.array([1])]


def test_popularity_counts_interactions() -> None:
    scores = Popularity(TRAIN, 5).catalogue_scores([[0, 1], []])
    assert scores.tolist() == [[2, 4, 2, 1, 0]] * 2


def test_markov_counts_followers_and_half_of_those_one_further() -> None:
    scores = Markov(TRAIN, 5).catalogue_scores([[3, 0], [0], [3]])
    prior = np.array([2, 4, 2, 1, 0]) / 16
    np.testing.assert_allclose(scores[0], prior + np.array([0, 2, 0.5, 0, 0]))  # 0→1 twice, 0→·→2 once
    np.testing.assert_array_equal(scores[0], scores[1])  # only the last item counts
    np.testing.assert_allclose(scores[2], prior + np.array([0, 0, 1, 0, 0]))


def test_markov_falls_back_on_popularity() -> None:
    model = Markov(TRAIN, 5)
    order = np.argsort(-Popularity(TRAIN, 5).counts, kind="stable")
    for history in ([], [4]):  # nothing watched; a film that nobody left
        assert np.argsort(-model.catalogue_scores([history])[0], kind="stable").tolist() == order.tolist()


def test_popularity_never_outweighs_a_transition() -> None:
    train = [np.array([0, 1, 2])] + [np.array([3])] * 1000
    scores = Markov(train, 4).catalogue_scores([[0]])[0]
    assert np.argsort(-scores).tolist() == [1, 2, 3, 0]  # 0→1, half of 0→·→2, and only then the crowd's film
