"""What the trust figures of a row's reasons say, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

NOTHING = 1e-4
"""Comprehensiveness up to here is none: removing titles does not move the answer."""


def trust_sentence(own: float, random: float, difference: Mapping[str, float], best: float) -> str:
    """How good a row's leave-one-out reasons are beside random ones, by comprehensiveness.

    Args:
        own, random: mean comprehensiveness of titles removed by their effects and in a random order.
        difference: of the two, paired by user, with the ends of its 95 % interval.
        best: mean of the best order that was found.
    """
    if best <= NOTHING:
        return "Its answers hardly depend on the history, so no title is a reason for them."
    between = f"{difference['value']:+z.3f}, 95 % interval {difference['low']:+z.3f} to {difference['high']:+z.3f}"
    if difference["high"] < 0:
        return f"Its reasons are worse than random ones ({between})."
    if difference["low"] <= 0:
        return f"Its reasons are not clearly better than random ones ({between})."
    reached = f"and reach {own / best:.0%} of the best order found"
    if random <= 0 or own / random > 10:
        return f"Its reasons are far better than random ones ({between}), {reached}."
    return f"Its reasons are {own / random:.1f} times as good as random ones ({between}), {reached}."
