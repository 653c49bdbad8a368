"""Pieces of a run's page: how long ago a stage's validation was best."""

from __future__ import annotations

import pytest

from db.metrics import Best
from db.stages import Stage
from webapp.views.run import best_words


@pytest.mark.parametrize(
    ("state", "unit", "step", "best", "words"),
    [
        ("running", "step", 65, Best(40, 0.3, 60), "best at step 40, 25 steps ago"),
        ("running", "epoch", 13, Best(12, 0.3, 13), "best at epoch 12, 1 epoch ago"),
        ("running", "step", 60, Best(60, 0.3, 60), "best at step 60, just now"),
        ("running", "step", 65, Best(0, 0.3, 60), "best before training, 65 steps ago"),
        ("stopped", "step", 1065, Best(1000, 0.3, 1060), "best at step 1,000, 65 steps ago"),
        ("done", "epoch", 30, Best(12, 0.3, 17), "best at epoch 12 of 17"),
        ("done", "step", 60, Best(0, 0.3, 60), "best before training, none of 60 steps kept"),
    ],
)
def test_the_best_validation_is_told_with_its_age(state: str, unit: str, step: int, best: Best, words: str) -> None:
    assert best_words(Stage("teacher", state, 1.0, step, 100, unit), best) == words
