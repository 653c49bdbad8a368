"""split=cold-items: what is cold is in no training sequence, history or label, and is asked about once per user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.config import DataConfig
from engine.data import Catalogue, Dataset, candidate_sets, split_dataset
from engine.data.split import cold_items
from engine.errors import StudioError

N_ITEMS, N_USERS = 60, 80
COLD = DataConfig(split="cold-items", cold_share=0.3, candidates=8)


def make_dataset(titles: list[str] | None = None, users: int = N_USERS, seed: int = 0) -> Dataset:
    """Users with 5 to 16 of 60 items; items 58 and 59 never occur."""
    random = np.random.default_rng(seed)
    names = tuple(titles or [f"Item {number}" for number in range(N_ITEMS)])
    sequences = tuple(random.permutation(N_ITEMS - 2)[: random.integers(5, 17)] for _ in range(users))
    return Dataset(
        name="toy",
        catalogue=Catalogue(names, (None,) * N_ITEMS, ((),) * N_ITEMS, tuple(map(str, range(N_ITEMS)))),
        sequences=sequences,
        timestamps=tuple(np.arange(len(items)) for items in sequences),
        user_ids=tuple(map(str, range(users))),
        source="a test",
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
def test_no_cold_item_is_learned_from_or_shown(seed: int, share: float) -> None:
    dataset = make_dataset()
    config = COLD.model_copy(update={"cold_share": share})
    split = split_dataset(dataset, config, seed)
    tested, apart = cold_items(dataset, config, seed)
    cold = set(tested.tolist()) | set(apart.tolist())
    assert set(split.cold.tolist()) == cold
    assert len(cold) == round(share * (N_ITEMS - 2))
    assert not cold & {58, 59}  # what never occurs cannot be tested
    assert not set(tested.tolist()) & set(apart.tolist())
    shown = [*split.train, *split.validation.histories, *split.test.histories, split.validation.targets]
    shown += list(split.weighing.histories) if split.weighing else []
    assert not cold & set(np.concatenate(shown).tolist())
    assert set(split.test.targets.tolist()) <= set(tested.tolist())
    assert split.weighing is None or set(split.weighing.targets.tolist()) <= set(apart.tolist())
    assert not split.popularity()[split.cold].any()
    assert set(split.warm.tolist()) == set(range(N_ITEMS)) - cold


def test_a_users_last_choice_of_a_tested_item_is_asked_and_nothing_after_it_is_used() -> None:
    dataset = make_dataset()
    split = split_dataset(dataset, COLD, 0)
    tested, _ = cold_items(dataset, COLD, 0)
    assert len(np.unique(split.test.users)) == len(split.test) > N_USERS / 2
    for user, history, target in zip(split.test.users, split.test.histories, split.test.targets, strict=True):
        items = dataset.sequences[user].tolist()
        place = items.index(target)
        assert not set(items[place + 1 :]) & set(tested.tolist())
        assert history.tolist() == [item for item in items[:place] if item not in split.cold]
        assert split.train[user].tolist() == history[: max(1, len(history) - 1)].tolist()
        own = split.validation.users.tolist().index(user) if len(history) > 1 else None
        if own is not None:
            assert split.validation.targets[own] == history[-1]
    assert split.weighing is not None
    for user, history, target in zip(
        split.weighing.users, split.weighing.histories, split.weighing.targets, strict=True
    ):
        items = dataset.sequences[user].tolist()
        if user in split.test.users:
            asked = split.test.targets[split.test.users.tolist().index(user)]
            assert items.index(target) < items.index(asked)
        assert history.tolist() == [item for item in items[: items.index(target)] if item not in split.cold]
        assert len(history)


def test_who_is_not_asked_trains_with_all_that_is_left() -> None:
    dataset = make_dataset()
    split = split_dataset(dataset, COLD, 0)
    others = set(range(N_USERS)) - set(split.test.users.tolist())
    assert others
    for user in others:
        warm = [item for item in dataset.sequences[user].tolist() if item not in split.cold]
        assert split.train[user].tolist() == warm[: max(1, len(warm) - 1)]


def test_the_seed_alone_decides_what_is_cold() -> None:
    dataset = make_dataset()
    first, again, other = (split_dataset(dataset, COLD, seed) for seed in (0, 0, 1))
    assert np.array_equal(first.cold, again.cold)
    assert not np.array_equal(first.cold, other.cold)
    few = replace(dataset, sequences=dataset.sequences[:60], timestamps=dataset.timestamps[:60])
    assert np.array_equal(split_dataset(few, COLD, 0).cold, first.cold)  # not who chose what


def test_items_that_look_alike_are_cold_together() -> None:
    titles = [f"Item {number // 3}" for number in range(N_ITEMS)]
    dataset = make_dataset(titles)
    split = split_dataset(dataset, COLD, 0)
    tested, apart = cold_items(dataset, COLD, 0)
    alike = dataset.catalogue.look_alikes
    assert len(split.cold) >= round(0.3 * (N_ITEMS - 2))
    kinds = [set(alike[ids].tolist()) for ids in (tested, apart, np.setdiff1d(np.arange(N_ITEMS - 2), split.cold))]
    assert not kinds[0] & kinds[1]
    assert not (kinds[0] | kinds[1]) & kinds[2]


def test_candidates_are_all_cold_and_again_all_warm_but_the_target() -> None:
    dataset = make_dataset()
    split = split_dataset(dataset, COLD, 3)
    cold, warm = (candidate_sets(dataset, split.test, COLD, 3, purpose) for purpose in ("test", "warm"))
    assert np.isin(cold, split.cold).all()
    assert (np.isin(warm, split.cold).sum(axis=1) == 1).all()
    for sets in (cold, warm):
        assert ((sets == split.test.targets[:, None]).sum(axis=1) == 1).all()
        for user, row in zip(split.test.users, sets, strict=True):
            assert len(np.intersect1d(row, dataset.sequences[user])) == 1  # nothing else that she ever chose
    validation = candidate_sets(dataset, split.validation, COLD, 3, "validation")
    assert not np.isin(validation, split.cold).any()


def test_popular_negatives_are_counted_without_the_cold_ones() -> None:
    dataset = make_dataset()
    config = COLD.model_copy(update={"negatives": "popularity"})
    split = split_dataset(dataset, config, 0)
    assert np.isin(candidate_sets(dataset, split.test, config, 0, "test"), split.cold).all()


def test_too_few_cold_items_are_a_sentence() -> None:
    dataset = make_dataset()
    config = COLD.model_copy(update={"cold_share": 0.1})
    split = split_dataset(dataset, config, 0)
    with pytest.raises(StudioError, match=r"unseen cold items for 8 candidates .* or raise data\.cold_share"):
        candidate_sets(dataset, split.test, config, 0, "test")


@pytest.mark.parametrize("share", [0.999, 1e-9])
def test_shares_that_leave_nothing_are_a_sentence_or_work(share: float) -> None:
    config = COLD.model_copy(update={"cold_share": share})
    try:
        split = split_dataset(make_dataset(), config, 0)
    except StudioError as error:
        assert "data.cold_share" in str(error)  # noqa: PT017 - either is right
    else:
        assert len(split.cold) >= 2
        assert len(split.test)


@pytest.mark.parametrize("seed", range(4))
def test_everybody_cold_is_a_sentence(seed: int) -> None:
    one = replace(make_dataset(), sequences=(np.array([0, 1]),), timestamps=(np.array([0, 1]),), user_ids=("1",))
    with pytest.raises(StudioError, match=r"leaves? no .* users with a history"):
        split_dataset(one, COLD, seed)
