"""What a run keeps of its data: enough to know them again, to say what differs, and to find them among added rows.

Of every item, user and interaction a number made from its ids is kept, and no more, because data may not be passed on
with a run (MovieLens' may not): eight bytes for an item's id, eight for its title, four for an interaction. What no
model of the run reads is left out: alternative titles, genres and brands unless ``data.text`` names them, and times
beyond the order of a user's interactions unless ``data.split=temporal`` goes by them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from engine.config import DataConfig
from engine.data.catalogue import Catalogue
from engine.data.dataset import Dataset
from engine.errors import StudioError
from engine.labels import plural

FORMAT = 1
ARRAYS = ("items", "titles", "users", "lengths", "interactions")


@dataclass(frozen=True)
class Fingerprint:
    """Numbers that tell a data set from others. Equal data give equal ones, whatever the order of a file's rows."""

    items: np.ndarray
    """uint64 ``[items]``, made from each item's id in the files."""
    titles: np.ndarray
    """uint64 ``[items]``, made from what is read of each item."""
    users: np.ndarray
    """uint64 ``[users]``, made from each user's id."""
    lengths: np.ndarray
    """int64 ``[users]``: interactions of each user."""
    interactions: np.ndarray
    """uint32 ``[interactions]``, made from user and item, user after user, oldest first."""
    whole: str
    """SHA-256 of the same, with all bits of the interactions."""
    times: str
    """SHA-256 of the order in time over all users, whatever the unit of time; empty where no split goes by it."""

    @classmethod
    def of(cls, dataset: Dataset, config: DataConfig) -> Fingerprint:
        """``config`` says what of the data is read."""
        catalogue = dataset.catalogue
        items = _numbers(catalogue.raw_ids)
        titles = _numbers(_read(catalogue, config, item) for item in range(len(catalogue)))
        users = _numbers(dataset.user_ids)
        lengths = np.array([len(sequence) for sequence in dataset.sequences], np.int64)
        pairs = _mixed(_mixed(np.repeat(users, lengths)) + items[np.concatenate(dataset.sequences)])
        whole = _digest(items, titles, users, lengths, pairs)
        shortened = (pairs >> np.uint64(32)).astype(np.uint32)
        times = ""
        if config.split == "temporal":
            moments = np.unique(np.concatenate(dataset.timestamps), return_inverse=True)[1]
            times = _digest(moments.astype(np.int64))
        return cls(items, titles, users, lengths, shortened, whole, times)

    @classmethod
    def load(cls, path: Path) -> Fingerprint:
        """Read what :meth:`save` wrote.

        Raises:
            StudioError: the file is missing, damaged or of a newer format.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata()
                if int(about["format"]) > FORMAT:
                    raise StudioError("a newer DELRec Studio wrote it", where=str(path), remedy="update DELRec Studio")
                items, titles, users, lengths, interactions = (file.get_tensor(name) for name in ARRAYS)
            items, titles, users = (numbers.view(np.uint64) for numbers in (items, titles, users))
            interactions = interactions.view(np.uint32)
            return cls(items, titles, users, lengths, interactions, about["whole"], about["times"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            raise StudioError(
                "the fingerprint of the run's data is missing or damaged",
                where=str(path),
                remedy="restore the file from a copy or an export of the run, or make the run anew",
            ) from None

    def save(self, path: Path) -> None:
        """Write it, all or nothing.

        Raises:
            StudioError: the file cannot be written.
        """
        import torch

        from engine.training import write_atomically

        arrays = {name: getattr(self, name) for name in ARRAYS}
        signed = {name: array.view(array.dtype.str.replace("u", "i")) for name, array in arrays.items()}
        tensors = {name: torch.from_numpy(array) for name, array in signed.items()}
        write_atomically(tensors, path, {"format": str(FORMAT), "whole": self.whole, "times": self.times})

    def same(self, other: Fingerprint) -> bool:
        """Whether both are of the same data."""
        return (self.whole, self.times) == (other.whole, other.times)

    def part_of(self, dataset: Dataset, config: DataConfig) -> Dataset | None:
        """The data that this is the fingerprint of, where ``dataset`` is the same with nothing but rows added.

        Found by leaving out what is not known, and proven by its fingerprint; ``None`` where that is another one.
        """
        now = Fingerprint.of(dataset, config)
        items = np.isin(now.items, self.items)
        kept = np.isin(now._keys, self._keys)
        users = np.flatnonzero(np.isin(now.users, self.users))
        if not items.any() or not len(users):
            return None
        places = np.cumsum(items) - 1
        bounds = np.cumsum(now.lengths)[:-1]
        masks = np.split(kept & items[np.concatenate(dataset.sequences)], bounds)
        part = replace(
            dataset,
            catalogue=dataset.catalogue.take(np.flatnonzero(items)),
            sequences=tuple(places[dataset.sequences[user][masks[user]]] for user in users),
            timestamps=tuple(dataset.timestamps[user][masks[user]] for user in users),
            user_ids=tuple(dataset.user_ids[user] for user in users),
        )
        return part if self.same(Fingerprint.of(part, config)) else None

    def differences(self, now: Dataset, config: DataConfig) -> str:
        """What became of the data since, in words: ``"3 titles changed, 12 interactions added"``."""
        later = Fingerprint.of(now, config)
        known = np.isin(later.items, self.items)
        place = {number: position for position, number in enumerate(self.items.tolist())}
        before = np.array([self.titles[place[number]] for number in later.items[known].tolist()], np.uint64)
        changed = np.flatnonzero(known)[before != later.titles[known]]
        found = [
            _count(len(changed), "title", "changed", _example(now, changed)),
            *_gained_and_lost(self.items, later.items, "item"),
            *_gained_and_lost(self._keys, later._keys, "interaction"),
            _count(self._reordered(later), "user", "with interactions in another order"),
        ]
        if self.times != later.times and not any(found):
            found.append("other times of interactions, by which data.split=temporal parts them")
        return ", ".join(part for part in found if part)

    @cached_property
    def _keys(self) -> np.ndarray:
        """uint64 ``[interactions]``: user and interaction in one number."""
        owners = np.repeat(self.users, self.lengths) & np.uint64(0xFFFFFFFF00000000)
        keys: np.ndarray = owners | self.interactions.astype(np.uint64)
        return keys

    def _reordered(self, later: Fingerprint) -> int:
        """Users whose interactions, as far as both know them, are in another order."""
        both = [mine._keys[np.isin(mine._keys, other._keys)] for mine, other in ((self, later), (later, self))]
        if len(both[0]) != len(both[1]):  # never, but for numbers that are equal by chance
            return 0
        return len(np.unique(both[0][both[0] != both[1]] >> np.uint64(32)))


def _read(catalogue: Catalogue, config: DataConfig, item: int) -> str:
    """What prompts may say of an item."""
    parts = [catalogue.titles[item], str(catalogue.years[item])]
    if config.text == "title+category":
        parts += catalogue.genres[item]
    if config.text == "title+brand":
        parts.append(catalogue.brands[item])
    return "\n".join(parts)


def _gained_and_lost(before: np.ndarray, now: np.ndarray, noun: str) -> tuple[str, str]:
    gained, lost = (~np.isin(now, before)).sum(), (~np.isin(before, now)).sum()
    return _count(int(gained), noun, "added"), _count(int(lost), noun, "removed")


def _count(number: int, noun: str, what: str, example: str = "") -> str:
    return f"{plural(number, noun)} {what}{example}" if number else ""


def _example(dataset: Dataset, items: np.ndarray) -> str:
    if not len(items):
        return ""
    catalogue, item = dataset.catalogue, int(items[0])
    return f" ({'e.g. ' * (len(items) > 1)}item {catalogue.raw_ids[item]!r} is {catalogue.display(item)!r} now)"


def _numbers(texts: Iterable[str]) -> np.ndarray:
    """uint64: a number for each text, the same everywhere."""
    sums = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(sums, np.dtype("<u8")).astype(np.uint64)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """uint64: each number with its bits spread over all places (the finaliser of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: np.ndarray = numbers ^ (numbers >> np.uint64(31))
    return result


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{len(array)}/".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
