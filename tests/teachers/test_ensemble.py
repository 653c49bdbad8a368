"""Several teachers as one: the product of their probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from engine.teachers import CatalogueScorer, Ensemble, Teacher
from tests.teachers.conftest import walk


@pytest.fixture
def two(rankers: dict[str, CatalogueScorer]) -> list[Teacher]:
    return [ranker for ranker in (rankers["sasrec"], rankers["caser"]) if isinstance(ranker, Teacher)]


def test_probabilities_are_the_normalised_geometric_mean(two: list[Teacher]) -> None:
    first, second = (np.exp(teacher.catalogue_scores([walk(3, 4)])[0].astype(np.float64)) for teacher in two)
    expected = np.sqrt(first * second) / np.sqrt(first * second).sum()
    found = Ensemble(two).catalogue_scores([walk(3, 4)])[0]
    np.testing.assert_allclose(np.exp(found.astype(np.float64)), expected, rtol=1e-4, atol=1e-9)


def test_an_ensemble_of_one_is_that_teacher(two: list[Teacher]) -> None:
    histories = [walk(3, 4), walk(0, 0)]
    alone = two[0].catalogue_scores(histories)
    np.testing.assert_allclose(Ensemble(two[:1]).catalogue_scores(histories), alone, atol=1e-5)
