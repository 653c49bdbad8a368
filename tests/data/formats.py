"""What the tests of single formats share."""

from __future__ import annotations

from pathlib import Path

from samples import (
    lines,
)

from engine.data import Dataset


def titles(dataset: Dataset) -> dict[str, str]:
    return {raw: dataset.catalogue.display(item) for item, raw in enumerate(dataset.catalogue.raw_ids)}


def one_user(items: int) -> list[int]:
    return list(range(1, items + 1))


def atomic(folder: Path, log: str, items: str, name: str = "x") -> Path:
    (folder / f"{name}.inter").write_text(log, encoding="utf-8")
    (folder / f"{name}.item").write_text(items, encoding="utf-8")
    return folder


INTER = "user_id:token\titem_id:token\ttimestamp:float\n" + lines(f"u\t{n}\t{n}.0" for n in one_user(4))
