"""A subset of the vocabulary or of the catalogue, as the sorted ids in it."""

from __future__ import annotations

import torch
from torch import Tensor


def places_in(subset: Tensor, ids: Tensor) -> Tensor:
    """Where each of ``ids`` stands in the sorted ``subset [V]``, both int64: of the shape of ``ids``.

    Raises:
        ValueError: one is not in it; a search alone would answer with its neighbour's place.
    """
    places = torch.searchsorted(subset, ids)
    if len(strange := ids[subset[places.clamp(max=len(subset) - 1)] != ids]):
        raise ValueError(f"{int(strange[0])} is not in the subset of {len(subset)}")
    return places
