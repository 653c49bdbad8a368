"""The weights of opinions: found again where they are known, near zero for an opinion that knows nothing."""

from __future__ import annotations

import numpy as np
import pytest

from engine.plus.mix import LARGEST, fit_weights, shortlisted

USERS, ITEMS = 4000, 12
random = np.random.default_rng(3)
TEACHER, LLM = (random.normal(size=(USERS, ITEMS)).astype(np.float32) for _ in range(2))
NOBODY: list[list[int]] = [[]] * USERS


def choices(scores: np.ndarray) -> np.ndarray:
    """An item for each user, drawn with probabilities in proportion to ``exp(scores)``."""
    return (scores + random.gumbel(size=scores.shape)).argmax(1)


def test_weights_that_made_the_choices_are_found_again() -> None:
    weights = fit_weights([TEACHER, LLM], NOBODY, choices(1.5 * TEACHER + 0.6 * LLM))
    assert weights.tolist() == pytest.approx([1.5, 0.6], abs=0.08)


def test_an_opinion_that_knows_nothing_counts_little() -> None:
    weights = fit_weights([TEACHER, LLM], NOBODY, choices(TEACHER))
    assert weights.tolist() == pytest.approx([1.0, 0.0], abs=0.08)


def test_items_of_the_history_do_not_matter() -> None:
    histories = [[3]] * USERS
    scores = TEACHER.copy()
    scores[:, 3] = -np.inf
    targets = choices(scores)
    expected = fit_weights([TEACHER, LLM], histories, targets)
    liked = TEACHER.copy()
    liked[:, 3] = 50.0
    assert fit_weights([liked, LLM], histories, targets).tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_equal_constants_change_nothing() -> None:
    targets = choices(TEACHER + LLM)
    shifted = TEACHER + random.normal(size=(USERS, 1)).astype(np.float32)
    assert fit_weights([shifted, LLM], NOBODY, targets).tolist() == pytest.approx(
        fit_weights([TEACHER, LLM], NOBODY, targets).tolist(), abs=1e-3
    )


@pytest.mark.parametrize("users", [1, 2, 5])
def test_a_part_that_is_right_about_a_handful_is_not_believed_without_bound(users: int) -> None:
    for first in range(0, 200, users):
        right, other = TEACHER[first : first + users], LLM[first : first + users]
        weights = fit_weights([right, other], NOBODY[:users], right.argmax(1)).tolist()
        assert max(weights) <= LARGEST * 1.001
        mixed = weights[0] * right + weights[1] * other
        assert (mixed.argmax(1) == right.argmax(1)).all(), "it is right about them still"


def test_where_nobody_knows_anything_one_still_orders_the_items() -> None:
    wrong = -np.eye(ITEMS, dtype=np.float32)[np.arange(USERS) % ITEMS] * 50
    weights = fit_weights([wrong, wrong], NOBODY, np.arange(USERS) % ITEMS)
    assert sorted(weights.tolist()) == [0.0, pytest.approx(1e-3)]


def test_weights_that_made_the_choices_are_found_again_among_the_best_alone() -> None:
    listed = shortlisted([TEACHER, LLM], NOBODY, choices(1.5 * TEACHER + 0.6 * LLM), top=3)
    assert len(listed[2]) < USERS, "whose choice is among nobody's best is left out"
    assert fit_weights(*listed).tolist() == pytest.approx([1.5, 0.6], abs=0.12)


def test_the_best_of_each_opinion_are_told_apart_without_those_of_the_history() -> None:
    teacher = np.array([[9, 8, 7, 0, 1, 2], [5, 4, 3, 2, 1, 0], [9, 8, 0, 0, 0, 0]], np.float32)
    llm = np.array([[0, 0, 0, 9, 8, 1], [5, 4, 3, 2, 1, 0], [9, 8, 0, 0, 0, 0]], np.float32)
    (ours, theirs), beyond, columns = shortlisted([teacher, llm], [[0], [], []], np.array([3, 1, 4]), top=2)
    assert ours.tolist() == [[8, 7, 0, 1], [5, 4, 5, 5]], "items 1, 2, 3 and 4; 0 and 1; of the third nobody knows 4"
    assert theirs.tolist() == [[0, 0, 9, 8], [5, 4, 5, 5]]
    assert [list(left) for left in beyond] == [[], [2, 3]]
    assert columns.tolist() == [2, 1]


def test_where_no_choice_is_among_the_best_all_items_are_told_apart() -> None:
    scores = np.array([[3, 2, 1, 0]], np.float32)
    (same,), histories, targets = shortlisted([scores], [[1]], np.array([3]), top=2)
    assert (same.tolist(), [list(history) for history in histories], targets.tolist()) == (scores.tolist(), [[1]], [3])


def test_who_tells_the_best_apart_counts_more_than_who_tells_what_does_not_fit() -> None:
    """The teacher knows one item in two; of the rest, which nobody puts on top, another knows the half that is left."""
    items, users = 400, 1500
    teacher, other = (random.normal(size=(users, items)).astype(np.float32) for _ in range(2))
    other[:, items // 2 :] += 3
    tail = items // 2 + np.arange(users) % (items // 2)
    targets = np.where(np.arange(users) % 2 == 0, teacher.argmax(1), tail)
    nobody: list[list[int]] = [[]] * users

    def found(weights: list[float]) -> float:
        mixed = weights[0] * teacher + weights[1] * other
        return float((mixed.argmax(1) == targets).mean())

    whole = fit_weights([teacher, other], nobody, targets).tolist()
    best = fit_weights(*shortlisted([teacher, other], nobody, targets, top=10)).tolist()
    assert found(best) > found(whole) + 0.1
