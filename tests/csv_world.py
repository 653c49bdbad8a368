"""Small CSV data with a pattern, written anew wherever a test wants to change them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Rows = list[list[str]]
HEADERS = {"items.csv": ["item", "title", "year"], "interactions.csv": ["user", "item", "timestamp"]}
WORDS = ("Amber", "Birch", "Cobalt", "Dune", "Ember", "Fjord", "Grove", "Harbour")


def items(number: int = 24) -> Rows:
    """Ids that are no places, in no order."""
    order = np.random.default_rng(1).permutation(number)
    return [[f"m{7 * i + 3}", f"{WORDS[i % 8]} {WORDS[(i // 8 + i) % 8]} {chr(65 + i)}", str(1970 + i)] for i in order]


def interactions(users: int = 20, each: int = 8) -> Rows:
    """Each user walks on from item to item; time is shared by all users, so that they can be parted by it."""
    names = sorted(row[0] for row in items())
    return [
        [f"u{user}", names[(3 * user + 2 * step) % len(names)], str(1000 + 50 * step + user)]
        for user in range(users)
        for step in range(each)
    ]


def write(folder: Path, catalogue: Sequence[Sequence[str]], log: Sequence[Sequence[str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("items.csv", catalogue), ("interactions.csv", log)):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEADERS[name], *rows])
    return folder
