"""DELRec-plus's parts: they add up to its lead, and each has the history item that it leans on most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.explain.parts import part_shares, parts_sentence
from engine.explain.predictor import Instance, Predictor
from engine.plus import PlusRanker, PlusWeights
from engine.ranking import History

ITEMS = 8


class Leaning:
    """Likes item i + 4 as often as item i stands in the history, ``gain`` for each."""

    reads_titles = False

    def __init__(self, name: str, gain: float) -> None:
        self.name, self.gain = name, gain

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        scores = np.zeros((len(histories), ITEMS), np.float32)
        for row, history in zip(scores, histories, strict=True):
            for item in history:
                row[(int(item) + 4) % ITEMS] += self.gain * (1 + int(item))
        return scores

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        return np.take_along_axis(self.catalogue_scores(histories), candidates, axis=1)


def predictor(weights: dict[str, float], gains: dict[str, float]) -> Predictor:
    parts = {name: Leaning(name, gain) for name, gain in gains.items()}
    ranker = PlusRanker(parts, PlusWeights({}, weights), ITEMS)
    return Predictor(ranker, Instance(np.array([0, 1, 2]), np.array([6, 5, 4, 7]), 0))


def test_parts_add_up_to_the_lead_of_the_sum() -> None:
    asked = predictor({"sasrec": 0.7, "delrec": 0.2}, {"sasrec": 1.0, "delrec": -2.0})
    shares = part_shares(asked, 1)
    scores = asked.full()
    assert sum(share.lead for share in shares) == pytest.approx(scores[0] - scores[1], abs=1e-6)
    assert sum(share.target for share in shares) == pytest.approx(scores[0], abs=1e-6)
    assert [share.model for share in shares] == ["sasrec", "delrec"], "heaviest lead first"
    assert {share.model: share.weight for share in shares} == {"sasrec": 0.7, "delrec": 0.2}


def test_each_part_names_the_item_whose_deletion_takes_most_from_its_lead() -> None:
    shares = {share.model: share for share in part_shares(predictor({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": -1.0}), 1)}
    # Item 2 makes candidate 6 (the target) liked, item 1 candidate 5 (the rival); b turns both round.
    assert shares["a"].because == 2
    assert shares["b"].because == 1
    assert shares["a"].effects.tolist() == pytest.approx([0.0, -2.0, 3.0])


def test_words_say_who_prefers_which_and_who_has_no_say() -> None:
    shares = part_shares(predictor({"sasrec": 1.0, "delrec": 1.0, "gru4rec": 0.0},
                               {"sasrec": 1.0, "delrec": -1.0, "gru4rec": 1.0}), 1)  # fmt: skip
    said = parts_sentence(shares, ["Alien", "Heat", "Fargo"], "Jaws", "Psycho")
    assert said == ("SASRec prefers Jaws, most of all because of Fargo; DELRec prefers Psycho; GRU4Rec has no say.")


def test_a_title_that_ends_in_a_full_stop_ends_the_sentence() -> None:
    shares = part_shares(predictor({"sasrec": 1.0, "delrec": 1.0, "gru4rec": 1.0},
                                   {"sasrec": -1.0, "delrec": -1.0, "gru4rec": -1.0}), 1)  # fmt: skip
    said = parts_sentence(shares, ["Alien", "Heat", "Fargo"], "Jaws Etc.", "Brushes, Etc.")
    assert said.endswith("Etc.")
    assert ".." not in said
