"""A small generated data set with a pattern to learn: tests and the smoke preset need no download."""

from __future__ import annotations

import numpy as np

from engine.config import DataConfig
from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.raw import Raw
from engine.data.readers.base import Reader
from engine.locations import Presence
from engine.monitor import Monitor
from engine.seeds import generator

USERS = 120
ITEMS = 60
SHORTEST, LONGEST = 8, 18
"""Items in a user's sequence."""
SUCCESSORS = (0.6, 0.25)
"""Chance that an item is followed by its first, its second successor; otherwise by any item."""
DAYS, DAY = 90, 86_400
"""All interactions fall into so many days of so many seconds."""

_HEADS = (
    *("Silver", "Crimson", "Hidden", "Burning", "Quiet", "Broken", "Golden", "Distant", "Wild", "Frozen"),
    *("Paper", "Midnight", "Electric", "Velvet", "Lonely", "Ancient", "Hollow", "Restless", "Emerald", "Savage"),
    *("Gentle", "Copper", "Forgotten", "Marble", "Stolen", "Winter", "Neon", "Sunken", "Crooked", "Brave"),
)
_NOUNS = (
    *("Harbour", "Orchard", "Detective", "Empire", "Garden", "Highway", "Letters", "Mountain", "Orchestra", "Railway"),
    *("River", "Shadows", "Station", "Theatre", "Voyage", "Witness", "Carnival", "Island", "Lighthouse", "Masquerade"),
)
_GENRES = ("Action", "Comedy", "Crime", "Drama", "Mystery", "Romance", "Sci-Fi", "Western")


def synthetic(seed: int) -> tuple[Catalogue, Interactions]:
    """120 users over 60 films; what comes next depends on the film before (a first-order Markov chain).

    Each film has two likely successors, so Markov counts beat popularity, and popularity beats chance (some films
    are successors more often). No user sees a film twice. Equal on every machine for equal seeds.
    """
    random = generator(seed, "synthetic")
    catalogue = _catalogue(random)
    follows = _successors(random)
    users: list[str] = []
    items: list[int] = []
    moments: list[int] = []
    for user in range(USERS):
        sequence = _walk(random, follows, int(random.integers(SHORTEST, LONGEST + 1)))
        users += [str(user + 1)] * len(sequence)
        items += sequence
        moments += (np.sort(random.integers(0, DAYS, len(sequence))) * DAY).tolist()  # users overlap, some days tie
    return catalogue, Interactions(users, np.array(items, np.int64), np.array(moments, np.int64))


def _catalogue(random: np.random.Generator) -> Catalogue:
    pairs = random.choice(len(_HEADS) * len(_NOUNS), size=ITEMS, replace=False)
    titles = []
    for position, pair in enumerate(pairs.tolist()):
        head, noun = _HEADS[pair // len(_NOUNS)], _NOUNS[pair % len(_NOUNS)]
        titles.append(f"The {head} {noun}" if position % 3 == 0 else f"{head} {noun}")
    return Catalogue(
        titles=tuple(titles),
        years=tuple(random.integers(1960, 2020, ITEMS).tolist()),
        genres=tuple(tuple(sorted(random.choice(_GENRES, 2, replace=False).tolist())) for _ in range(ITEMS)),
        raw_ids=tuple(str(item + 1) for item in range(ITEMS)),
    )


def _successors(random: np.random.Generator) -> np.ndarray:
    """int64 ``[items, 2]``: a cycle through all items, and a second successor that favours low ids."""
    cycle = random.permutation(ITEMS)
    follows = np.empty((ITEMS, 2), np.int64)
    follows[cycle, 0] = np.roll(cycle, -1)
    follows[:, 1] = (ITEMS * random.random(ITEMS) ** 3).astype(np.int64)
    return follows


def _walk(random: np.random.Generator, follows: np.ndarray, length: int) -> list[int]:
    sequence = [int(random.integers(ITEMS))]
    while len(sequence) < length:
        draw = random.random()
        first, second = follows[sequence[-1]].tolist()
        chosen = first if draw < SUCCESSORS[0] else second if draw < sum(SUCCESSORS) else int(random.integers(ITEMS))
        while chosen in sequence:
            chosen = int(random.integers(ITEMS))
        sequence.append(chosen)
    return sequence


class Synthetic(Reader):
    title = "generated"
    domain = "movie"
    licence = "none needed"
    about = "120 users and 60 films with a pattern to learn, for tests"

    def presence(self, config: DataConfig) -> Presence:
        return "built in"

    def read(self, config: DataConfig, seed: int, monitor: Monitor) -> Raw:
        return Raw.of(*synthetic(seed), f"generated with seed {seed}")


READER = Synthetic()
