"""The full catalogue: histories left out, the LLM's order inside the teacher's best K, the teacher's below."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import StudioError
from engine.metrics.full import (
    catalogue_listing,
    catalogue_ranks,
    list_length,
    rerank_scores,
    reranked_ranks,
    sort_listing,
    top_items,
)
from engine.metrics.ranks import Ranks

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], np.float32)


def _rank(scores: np.ndarray, history: list[int], target: int) -> float:
    return float(catalogue_ranks(scores[None], [np.array(history)], np.array([target])).expected[0])


def test_items_of_the_history_are_never_recommended() -> None:
    assert top_items(SCORES, [0, 2], 3).tolist() == [1, 3, 4]
    assert _rank(SCORES, [0, 2], 3) == 2
    assert _rank(SCORES, [], 3) == 4


def test_an_own_title_beyond_the_catalogue_excludes_nothing() -> None:
    assert top_items(SCORES, [6, 99], 2).tolist() == [0, 1]


def test_a_target_in_its_own_history_is_refused() -> None:
    with pytest.raises(ValueError, match="own history"):
        catalogue_ranks(SCORES[None], [np.array([0])], np.array([0]))


def test_the_best_items_agree_with_a_plain_sort() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        scores = random.integers(0, 8, 40).astype(np.float32)
        history = random.choice(40, 6, replace=False)
        expected = [i for i in sorted(range(40), key=lambda i: (-scores[i], i)) if i not in history]
        assert top_items(scores, history, 12).tolist() == expected[:12]


def test_scores_of_minus_infinity_are_only_the_worst() -> None:
    scores = np.array([-np.inf, 1.0, -np.inf, 0.0], np.float32)
    assert top_items(scores, [1], 3).tolist() == [3, 0, 2]
    assert _rank(scores, [1], 2) == 2.5


def test_lists_are_as_long_as_the_longest_history_allows() -> None:
    assert list_length([[0], [1, 2, 2]], 6, 20) == 4
    assert list_length([[0], [1, 2, 2]], 6, 3) == 3
    with pytest.raises(StudioError, match="every item"):
        list_length([[0, 1]], 2, 20)


def _reranked(target: int, llm: list[float], k: int = 3, teacher: np.ndarray = SCORES) -> Ranks:
    listing = catalogue_listing(teacher[None], [np.array([0])], k)
    ranks = catalogue_ranks(teacher[None], [np.array([0])], np.array([target]))
    return reranked_ranks(listing.items, np.array([llm]), np.array([target]), ranks)


def test_inside_the_list_the_llm_decides() -> None:
    # the teacher's best without item 0: 1, 2, 3
    assert _reranked(3, [0.0, 1.0, 2.0]).expected.tolist() == [1.0]
    assert _reranked(1, [0.0, 1.0, 2.0]).expected.tolist() == [3.0]
    assert _reranked(1, [5.0, 5.0, 2.0]).expected.tolist() == [1.5]


def test_below_the_list_the_teacher_decides() -> None:
    assert _reranked(4, [0.0, 1.0, 2.0]).expected.tolist() == [4.0]
    assert _reranked(5, [0.0, 1.0, 2.0]).expected.tolist() == [5.0]


def test_an_llm_without_opinion_shares_the_list_out_evenly() -> None:
    assert _reranked(2, [0.0, 0.0, 0.0]).expected.tolist() == [2.0]


def test_an_llm_that_repeats_the_teacher_gets_the_teachers_ranks() -> None:
    for target in range(1, 6):
        assert _reranked(target, [0.8, 0.7, 0.6]).expected[0] == _rank(SCORES, [0], target)


def test_ties_of_the_teacher_at_the_end_of_the_list() -> None:
    teacher = np.array([9, 5, 3, 3, 3, 1], np.float32)  # without item 0: 1 first, then 2, 3, 4 alike
    ranks = _reranked(4, [1.0, 2.0], k=2, teacher=teacher)  # 1 and 2 are listed, 3 and 4 share places 3 and 4
    assert (ranks.better.tolist(), ranks.tied.tolist()) == ([2], [1])


def test_every_final_list_is_a_ranking() -> None:
    """Over all possible targets the expected ranks add up to 1 + 2 + … + 5."""
    for teacher in (SCORES, np.array([9, 5, 3, 3, 3, 1], np.float32)):
        total = sum(_reranked(target, [1.0, 1.0, 2.0], teacher=teacher).expected[0] for target in range(1, 6))
        assert total == 15


def test_the_llm_does_not_see_the_teachers_order() -> None:
    listed = np.tile(np.arange(10), (3, 1)) + np.arange(3)[:, None]
    seen: list[np.ndarray] = []

    class LikesTheFirst:
        name = "first"

        def scores(self, histories: object, candidates: np.ndarray) -> np.ndarray:
            seen.append(candidates)
            return np.tile(-np.arange(10.0), (len(candidates), 1))

    scores, _ = rerank_scores(LikesTheFirst(), [[0]] * 3, listed)
    assert np.array_equal(np.sort(seen[0], axis=1), listed)
    assert not (seen[0] == listed).all(axis=1).any()
    for i in range(3):  # the scores come back to their items
        assert dict(zip(listed[i], scores[i], strict=True)) == {item: -place for place, item in enumerate(seen[0][i])}
    rerank_scores(LikesTheFirst(), [[5]], listed[1:2])
    assert np.array_equal(seen[1][0], seen[0][1])  # the same items are shown in the same order, whoever asks


def test_the_final_order_keeps_the_teachers_where_scores_are_equal() -> None:
    listing = sort_listing(np.array([[7, 3, 9]]), np.array([[1.0, 2.0, 1.0]]))
    assert listing.items.tolist() == [[3, 7, 9]]
    assert listing.scores.tolist() == [[2.0, 1.0, 1.0]]
