"""The smallest change that flips the answer, where it is known by construction."""

from __future__ import annotations

import numpy as np
from explain_world import Checkerboard, copying, instance

from engine.explain.counterfactual import counterfactual
from engine.explain.effects import leave_one_out
from engine.explain.predictor import Predictor
from engine.explain.removal import Delete
from engine.explain.report_parts import Counterfactual


def search(predictor: Predictor, **settings: object) -> Counterfactual:
    effects = leave_one_out(predictor, [Delete()])["delete"].margin
    return counterfactual(predictor, effects, **settings)  # type: ignore[arg-type]


def test_the_one_item_that_carries_the_answer_is_found() -> None:
    found = search(copying([1, 2, 3], [10, 11, 12], i2={10: 5.0}, i3={11: 1.0}, i1={12: 2.0}))
    assert found.removal is not None
    assert (found.removal.positions, found.removal.top_before, found.removal.top_after) == ((1,), 10, 12)
    assert (found.removal.rank_after, found.removal.smallest, found.removal.verified) == (3.0, True, True)
    assert found.single_changes == (1,)
    assert "single title changes the top answer" in found.sentence


def test_where_two_items_carry_it_no_single_removal_is_said_to() -> None:
    # each of the two alone keeps candidate 10 ahead of 11
    predictor = copying([1, 2, 3, 4], [10, 11], i1={10: 3.0}, i3={10: 3.0}, i4={11: 2.0})
    found = search(predictor)
    assert found.removal is not None
    assert found.removal.positions == (0, 2)
    assert found.removal.smallest
    assert found.single_changes == ()
    assert found.sentence.startswith("No single removal changes it")


def test_a_change_that_needs_more_than_three_is_grown_and_thinned_out() -> None:
    # five of the six even items must go before 9 overtakes 8
    predictor = Predictor(Checkerboard(), instance([2, 4, 6, 10, 12, 14, 3, 5], [8, 9]))
    found = search(predictor)
    assert found.removal is not None
    assert len(found.removal.positions) == 5
    assert found.removal.top_after == 9
    assert not found.removal.smallest, "larger sets are not searched exhaustively"


def test_what_nothing_changes_is_said_plainly() -> None:
    found = search(copying([1, 2, 3], [10, 11], i1={10: 1.0}, i2={10: 1.0}, i3={10: 1.0}))
    assert (found.removal, found.replacement) == (None, None)
    assert found.sentence == "No single removal changes it, nor any larger one that was tried."


def test_a_replacement_is_found_where_no_removal_is() -> None:
    predictor = copying([1, 2], [10, 11], i1={10: 1.0}, i2={10: 1.0}, i7={11: 5.0}, i6={11: 0.5})
    found = search(predictor, pool=[6, 7, 1])
    assert found.removal is None
    assert found.replacement is not None
    assert (found.replacement.replacements, found.replacement.top_after) == ((7,), 11)
    assert found.replacement.verified


def test_every_answer_is_asked_again_by_itself() -> None:
    predictor = copying([1, 2, 3], [10, 11, 12], i2={10: 5.0}, i3={11: 1.0})
    search(predictor)
    rule = predictor.ranker
    assert rule.calls[-1] == 1  # type: ignore[attr-defined]


def test_the_budget_holds() -> None:
    predictor = Predictor(Checkerboard(), instance(list(range(2, 42, 2)), [100, 101]))
    before = predictor.asked
    counterfactual(predictor, np.arange(20.0), budget=30)
    assert predictor.asked - before <= 30 + 2 * 20


def test_a_history_of_one_title_is_searched_too() -> None:
    found = search(copying([1], [11, 10], i1={10: 1.0}))
    assert found.removal is not None
    assert found.removal.positions == (0,)


def test_removing_all_of_a_short_history_is_tried_as_removing_the_only_one_is() -> None:
    class Eager:
        """Without any history 11 leads, with any 10 does."""

        name = "eager"

        def scores(self, histories: list[np.ndarray], candidates: np.ndarray) -> np.ndarray:
            leads = [10 if len(history) else 11 for history in histories]
            return np.array([[float(c == lead) for c in row] for lead, row in zip(leads, candidates, strict=True)])

    for size in (1, 2, 3):
        found = search(Predictor(Eager(), instance([*range(1, size + 1)], [10, 11])))
        assert found.removal is not None, size
        assert found.removal.positions == tuple(range(size))
        assert (found.removal.top_after, found.removal.smallest) == (11, True)
