"""The two tables that ``data.dataset=csv`` takes without being told anything, written for a cache."""

from __future__ import annotations

import csv
from pathlib import Path

from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions

INTERACTIONS = "interactions.csv"
ITEMS = "items.csv"


def write_tables(folder: Path, catalogue: Catalogue, log: Interactions) -> None:
    """Write what :data:`engine.data.readers.csv.READER` reads back: equal titles, rows and times."""
    with (folder / ITEMS).open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("item", "title", "year", "genres", "aliases"))
        for raw, title, year, genres, aliases in zip(
            catalogue.raw_ids, catalogue.titles, catalogue.years, catalogue.genres, catalogue.aliases, strict=True
        ):
            writer.writerow((raw, title, year or "", "|".join(genres), "|".join(aliases)))
    with (folder / INTERACTIONS).open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("user", "item", f"timestamp_{log.unit}"))
        raw_ids = catalogue.raw_ids
        writer.writerows(
            (user, raw_ids[item], moment)
            for user, item, moment in zip(log.users, log.items.tolist(), log.timestamps.tolist(), strict=True)
        )
