"""How far texts about recommendations differ from each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from engine.explain.evidence import Evidence
from engine.explain.mentions import MARK, Mentions


def skeleton(text: str, evidence: Evidence) -> str:
    """The text without what it is about: every title and every number is a mark."""
    return re.sub(r"\d+", "1", MARK.sub("…", Mentions(evidence).mark(text)))


def distinct_2(texts: Sequence[str]) -> float:
    """Share of different pairs of neighbouring words among all such pairs of the texts; 0 where there are none."""
    pairs = [pair for text in texts for pair in pairwise(text.split())]
    return len(set(pairs)) / len(pairs) if pairs else 0.0


def commonest(skeletons: Sequence[str]) -> float:
    """Share of the texts that have the commonest skeleton; there must be one text at least."""
    return Counter(skeletons).most_common(1)[0][1] / len(skeletons)
