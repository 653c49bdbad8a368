"""Means, spreads and tests: checked against what is known by hand, and against how often a true null is rejected."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.evaluate.paired import UserMetrics
from engine.experiment.statistics import differences, holm, sign_flip, spread
from engine.experiment.tables import Table


def _answers(values, users=None, questions=None) -> UserMetrics:
    values = np.asarray(values, float)
    users = np.arange(len(values)) if users is None else np.asarray(users)
    questions = np.tile([[1, 2]], (len(values), 1)) if questions is None else questions
    return UserMetrics(users, questions, {"HR@1": values})


def test_the_spread_over_seeds_and_the_interval_over_users_are_two_things():
    found = spread({0: _answers([1, 0, 0, 0]), 1: _answers([1, 1, 0, 0])}, "HR@1")
    assert (found.mean, found.seeds) == (0.375, 2)
    assert found.deviation == pytest.approx(np.std([0.25, 0.5], ddof=1))
    assert found.users.value == pytest.approx(0.375)
    assert found.users.low == 0.0
    assert spread({0: _answers([1, 0])}, "HR@1").deviation is None


def test_more_seeds_of_the_same_users_do_not_narrow_the_interval_over_users():
    values = np.random.default_rng(0).random(50).round()
    one, many = (spread(dict.fromkeys(range(n), _answers(values)), "HR@1").users for n in (1, 5))
    assert many == pytest.approx(one)


def test_the_test_of_few_users_is_exact():
    sums = np.array([3.0, 1.0, -2.0, 5.0, 4.0, 0.0])
    signs = np.array(list(itertools.product([1, -1], repeat=5)))
    expected = (np.abs(signs @ sums[:5]) >= abs(sums.sum())).mean()
    assert sign_flip(sums) == expected
    assert sign_flip(np.zeros(4)) == 1.0
    assert sign_flip(np.ones(10)) == 2 / 2**10


def test_a_true_null_is_rejected_as_often_as_stated_and_an_effect_is_found():
    random = np.random.default_rng(1)
    p = np.array([sign_flip(random.integers(-1, 2, 40).astype(float), seed=n) for n in range(200)])
    assert 0.01 <= (p <= 0.05).mean() <= 0.10
    assert sign_flip(random.normal(0.8, 1.0, 60)) < 0.001


def test_seeds_of_one_user_are_no_new_users():
    """Three users that differ, however many seeds agree on it, are never significant."""
    a, b = _answers([1, 1, 1, 0]), _answers([0, 0, 0, 0])
    found = differences({"a": dict.fromkeys(range(20), a), "b": dict.fromkeys(range(20), b)}, "b", "HR@1")["a"]
    assert (found.p, found.seeds, found.better) == (0.25, 20, 20)
    assert found.difference.value == 0.75


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
        ([0.01, 0.01, 0.01, 0.2], [0.04, 0.04, 0.04, 0.2]),
    ],
)
def test_holm(p, corrected):
    assert holm(p) == pytest.approx(corrected)


def test_variants_that_were_asked_other_questions_make_no_pairs():
    other = _answers([1, 0], questions=np.array([[3, 4], [3, 4]]))
    found = differences({"a": {0: _answers([1, 0])}, "b": {0: other}, "c": {1: _answers([1, 0])}}, "a", "HR@1")
    assert found == {"b": None, "c": None}


def test_tables_as_text():
    table = Table(
        "A & B", ["variant", "HR@1"], [["distill.prompt=none, x_y", ".500 ± .010"], ['a "b" | c', ".1"]], "100 %"
    )
    assert r"\caption{A \& B. 100 \%.}" in table.latex()
    assert r"distill.prompt=none, x\_y & .500 $\pm$ .010 \\" in table.latex()
    assert table.csv().splitlines()[1:] == ['"distill.prompt=none, x_y",.500 ± .010', '"a ""b"" | c",.1']
    assert '| a "b" \\| c | .1 |' in table.markdown()
    signs = Table("T", ["a", "p"], [["<b>*x*`|", "< .001"]])
    assert r"$<$b$>$*x*`$|$ & $<$ .001 \\" in signs.latex(), "in usual fonts < is an exclamation mark"
    assert r"| \<b>\*x\*\`\| | \< .001 |" in signs.markdown()
    assert table.markdown().endswith("100 %\n")
    below = Table("T", ["[a]", "b-1"], [["*c", "-.013 [-.1, +.2]"], ["[d]", "1e-4"]]).latex().splitlines()
    assert r"\caption{T.}" in below
    assert r"{}[a] & b-1 \\" in below, "a row break takes what stands in brackets behind it, and a star"
    assert {r"{}*c & $-$.013 [$-$.1, +.2] \\", r"{}[d] & 1e-4 \\"} <= {*below}
