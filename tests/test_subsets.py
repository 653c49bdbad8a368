"""Ids within a sorted subset."""

from __future__ import annotations

import pytest
import torch

from engine.subsets import places_in

SUBSET = torch.tensor([2, 3, 7])


def test_each_id_has_its_place() -> None:
    assert places_in(SUBSET, torch.tensor([[7, 2], [3, 3]])).tolist() == [[2, 0], [1, 1]]
    assert places_in(SUBSET, torch.tensor([], dtype=torch.int64)).tolist() == []


@pytest.mark.parametrize("strange", [0, 5, 8])
def test_what_is_not_in_it_gets_no_neighbours_place(strange: int) -> None:
    with pytest.raises(ValueError, match=f"{strange} is not in the subset of 3"):
        places_in(SUBSET, torch.tensor([2, strange]))
