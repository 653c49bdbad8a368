"""The weights of opinions: found again where they are known, near zero for an opinion that knows nothing."""

from __future__ import annotations

import numpy as np
import pytest

from engine.plus.mix import fit_weights

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


def test_where_nobody_knows_anything_one_still_orders_the_items() -> None:
    wrong = -np.eye(ITEMS, dtype=np.float32)[np.arange(USERS) % ITEMS] * 50
    weights = fit_weights([wrong, wrong], NOBODY, np.arange(USERS) % ITEMS)
    assert sorted(weights.tolist()) == [0.0, pytest.approx(1e-3)]
