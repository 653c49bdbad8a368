"""Intervals: what must hold for any sample, and agreement with theory where theory is known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.metrics.bootstrap import Bootstrap


def test_the_interval_of_a_constant_is_that_constant() -> None:
    assert Bootstrap(37, 500, 0).interval(np.full(37, 0.1)) == (0.1, 0.1, 0.1)


def test_identical_models_do_not_differ() -> None:
    values = np.random.default_rng(0).random(50)
    assert Bootstrap(50, 500, 0).paired_difference(values, values) == (0.0, 0.0, 0.0)


def test_a_model_better_for_every_user_by_the_same_amount_is_better_by_exactly_that() -> None:
    values = np.random.default_rng(0).integers(0, 2, 50).astype(float)
    assert Bootstrap(50, 500, 0).paired_difference(values + 0.25, values) == (0.25, 0.25, 0.25)


def test_pairing_narrows_the_interval_of_models_that_fail_on_the_same_users() -> None:
    random = np.random.default_rng(1)
    a = random.integers(0, 2, 400).astype(float)
    b = np.where(random.random(400) < 0.9, a, 1 - a)
    bootstrap = Bootstrap(400, 1000, 0)
    paired, single_a, single_b = bootstrap.paired_difference(a, b), bootstrap.interval(a), bootstrap.interval(b)
    unpaired = np.hypot(single_a.high - single_a.low, single_b.high - single_b.low)
    assert paired.high - paired.low < 0.6 * unpaired


def test_width_agrees_with_the_normal_approximation() -> None:
    values = np.repeat([1.0, 0.0], [300, 643])  # standard error sqrt(p (1 - p) / n) = .0152
    value, low, high = Bootstrap(943, 5000, 3).interval(values)
    assert value == pytest.approx(300 / 943)
    assert (high - low) / (2 * 1.96) == pytest.approx(0.01517, rel=0.05)
    assert low < value < high


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    samples = (random.random((200, 300)) < 0.3).astype(float)  # 300 experiments of 200 users
    intervals = Bootstrap(200, 400, 0).intervals(samples)
    assert 0.9 <= np.mean([low <= 0.3 <= high for _, low, high in intervals]) <= 0.985


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(0).random(100)
    assert Bootstrap(100, 300, 4).interval(values) == Bootstrap(100, 300, 4).interval(values)
    assert Bootstrap(100, 300, 4).interval(values) != Bootstrap(100, 300, 5).interval(values)


def test_columns_share_their_resamples_and_equal_single_intervals() -> None:
    values = np.random.default_rng(0).random((3000, 3))
    bootstrap = Bootstrap(3000, 1500, 2)  # more than one block of resamples
    together = bootstrap.intervals(values)
    for column, interval in zip(values.T, together, strict=True):
        assert interval == pytest.approx(bootstrap.interval(column), abs=1e-12)
    assert bootstrap.intervals(np.stack([values[:, 0], -values[:, 0]], axis=1))[1] == pytest.approx(
        (-together[0].value, -together[0].high, -together[0].low)
    )
