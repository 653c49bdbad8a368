"""Leave-one-out effects find the reasons that were built into a model."""

from __future__ import annotations

import numpy as np
import pytest
from explain_world import Checkerboard, CopyRule, LastItem, copying, instance

from engine.errors import StudioError
from engine.explain.effects import leave_one_out, sign_agreement, spearman
from engine.explain.predictor import Predictor, margins, probabilities, ranks
from engine.explain.removal import Delete, Placeholder, RandomItem
from engine.explain.side_by_side import agreement_sentence

NOTHING = 99  # an item that brings nothing to anybody


def test_the_margin_is_the_lead_over_the_best_other_candidate() -> None:
    scores = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]], np.float32)
    assert margins(scores, 0).tolist() == [1.0, -5.0]
    assert ranks(scores, 0).tolist() == [1.0, 3.0]
    assert probabilities(np.zeros((1, 4)), 2).tolist() == [0.25]
    assert probabilities(np.array([800.0, 0.0]), 0) == pytest.approx(1.0)


def test_effects_are_what_each_item_brings_to_the_target() -> None:
    predictor = copying([1, 2, 3], [10, 11, 12], i1={10: 5.0}, i2={11: 1.0}, i3={10: 0.5})
    effects = leave_one_out(predictor, [Delete()])["delete"]
    assert effects.margin.tolist() == [5.0, -1.0, 0.5]
    assert (np.sign(effects.probability) == [1, -1, 1]).all()
    assert effects.full.tolist() == [5.5, 1.0, 0.0]


def test_on_a_checkerboard_items_of_the_targets_colour_speak_for_it_and_the_others_against() -> None:
    predictor = Predictor(Checkerboard(), instance([2, 3, 4, 6], [8, 9]))
    assert leave_one_out(predictor, [Delete()])["delete"].margin.tolist() == [1, -1, 1, 1]


def test_why_this_one_rather_than_that_one_weighs_these_two_alone() -> None:
    predictor = copying([1, 2, 3], [10, 11, 12], i1={10: 2.0, 12: 3.0}, i2={11: 1.0}, i3={12: 4.0})
    effects = leave_one_out(predictor, [Delete()])["delete"]
    assert effects.rather_than(1).tolist() == [2.0, -1.0, 0.0]
    assert effects.rather_than(2).tolist() == [-1.0, 0.0, -4.0]


def test_all_variants_of_all_operators_are_one_call() -> None:
    rule = CopyRule({1: {10: 1.0}})
    predictor = Predictor(rule, instance([1, 2, 3], [10, 11]))
    popularity = np.arange(60)
    operators = [Delete(), Placeholder(NOTHING), RandomItem(popularity, np.array([1, 2, 3, 10, 11]), 4, seed=0)]
    found = leave_one_out(predictor, operators)
    assert list(found) == ["delete", "placeholder", "random"]
    assert rule.calls == [1 + 3 + 3 + 12]
    predictor.full()
    assert len(rule.calls) == 1, "what was asked before is remembered"


def test_a_batch_answers_what_single_questions_answer() -> None:
    predictor = copying([1, 2, 3], [10, 11, 12], i1={10: 5.0}, i2={11: 1.0})
    effects = leave_one_out(predictor, [Delete()])["delete"]
    for position, scores in enumerate(effects.without[:, 0]):
        assert (predictor.fresh(np.delete([1, 2, 3], position)) == scores).all()


def test_a_placeholder_keeps_the_places_and_deletion_does_not() -> None:
    history = np.array([1, 2, 3])
    assert [variant.tolist() for variant in Placeholder(NOTHING).without(history, [0, 2])] == [[NOTHING, 2, NOTHING]]
    assert [variant.tolist() for variant in Delete().without(history, [0, 2])] == [[2]]
    assert history.tolist() == [1, 2, 3]


def test_random_items_are_about_as_popular_never_taken_and_the_same_every_time() -> None:
    popularity = np.arange(1000)
    taken = np.array([500, 501, 503])
    operator = RandomItem(popularity, taken, 5, seed=3)
    drawn = [int(variant[0]) for variant in operator.without(np.array([500, 501]), [0])]
    assert len(set(drawn)) == 5
    assert not set(drawn) & set(taken.tolist())
    assert all(abs(item - 500) <= 30 for item in drawn)
    again = RandomItem(popularity, taken, 5, seed=3).without(np.array([500, 501]), [0])
    assert [int(variant[0]) for variant in again] == drawn
    both = operator.without(np.array([500, 501]), [0, 1])
    assert all(len({500, 501, *variant.tolist()}) == 4 for variant in both), "no item comes twice in a history"


@pytest.mark.parametrize("free", [1, 2, 3])
@pytest.mark.parametrize("positions", [[0], [0, 1], [0, 1, 2]])
def test_random_items_are_drawn_however_few_are_left(free: int, positions: list[int]) -> None:
    history = np.array([0, 1, 2])
    operator = RandomItem(np.zeros(3 + free), history, 3, seed=0)
    for variant in operator.without(history, positions):
        assert {*variant[positions].tolist()} <= {*range(3, 3 + free)}
        assert np.delete(variant, positions).tolist() == np.delete(history, positions).tolist()


def test_random_items_give_the_mean_over_their_draws() -> None:
    rule = CopyRule({1: {10: 4.0}, 50: {10: 1.0}, 51: {10: 3.0}})
    predictor = Predictor(rule, instance([1], [10, 11]))
    operator = RandomItem(np.zeros(52), np.setdiff1d(np.arange(52), [50, 51]), 2, seed=0)
    effects = leave_one_out(predictor, [operator])["random"]
    assert sorted(effects.without[0, :, 0].tolist()) == [1.0, 3.0]
    assert effects.margin.tolist() == [4.0 - 2.0]


def test_only_models_with_a_longer_memory_see_older_items() -> None:
    told = instance([2], [3, 4], older=[3])
    scores = [Predictor(Checkerboard(), told, older=older).full().tolist() for older in (False, True)]
    assert scores == [[0.0, 1.0], [1.0, 1.0]]


def test_a_history_of_one_title_has_one_effect() -> None:
    predictor = Predictor(LastItem(), instance([4], [5, 6]))
    assert leave_one_out(predictor, [Delete()])["delete"].margin.tolist() == [1.0]


def test_agreement_of_signs_and_of_orders() -> None:
    assert sign_agreement(np.array([1.0, -2.0, 0.0, 3.0]), np.array([0.1, -9.0, 0.0, -3.0])) == 0.75
    assert spearman(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([5.0, 4.0, 3.0])) == pytest.approx(-1.0)
    assert spearman(np.array([1.0, 2.0]), np.array([7.0, 7.0])) is None
    assert spearman(np.array([1.0]), np.array([7.0])) is None
    # ties share their ranks: 1, 2.5, 2.5 against 1, 2, 3
    assert spearman(np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0, 2.0])) == pytest.approx(1.5 / np.sqrt(1.5 * 2))


def test_an_empty_history_and_a_single_candidate_are_refused() -> None:
    with pytest.raises(StudioError, match="history is empty"):
        instance([], [1, 2])
    with pytest.raises(StudioError, match="two candidates"):
        instance([1], [2])


def test_another_candidate_is_explained_from_the_same_answers() -> None:
    rule = CopyRule({1: {10: 4.0, 12: 5.0}})
    predictor = Predictor(rule, instance([1, 2], [10, 11, 12]))
    leave_one_out(predictor, [Delete()])
    other = leave_one_out(predictor.about(2), [Delete()])["delete"]
    assert other.margin.tolist() == [1.0, 0.0]
    assert len(rule.calls) == 1


def test_what_two_rows_agree_on_is_said_of_as_many_titles_as_there_are() -> None:
    assert "one title" in agreement_sentence("A", "B", None, 1)
    assert "every title counts alike" in agreement_sentence("A", "B", None, 5)
    assert "says little" in agreement_sentence("A", "B", 1.0, 2)
