"""Small data sets in the formats in which they are published, all with the same facts, made anew for each test."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

ITEMS = {
    "B000000001": ("Silver Harbour", 1995, ("Games", "Puzzle"), "Acme"),
    "B000000002": ("The Quiet, Quiet River", 2001, ("Games", "Drama"), "Otto & Sons"),
    "B000000003": ("Café Noir", 1999, ("Games", "Comedy"), ""),
    "B000000004": ("Tom & Jerry's Station", 2004, ("Games", "Action"), "Acme"),
    "B000000005": ("Neon Garden", 2010, ("Games", "Puzzle"), "Zed"),
    "B000000006": ("Never Chosen", 2012, ("Games",), "Zed"),
}
"""By id: title, year, categories from the general to the particular, brand. ``&`` is written as an entity where a
format has them."""
DAY = 86_400
FIRST = 1_388_534_400  # 2014-01-01
LOG = [
    (user, item, FIRST + DAY * day)
    for user, days in {"A1": (0, 1, 2, 3, 4), "A2": (4, 3, 2, 1, 0), "A3": (9, 5, 7, 6, 8)}.items()
    for item, day in zip(list(ITEMS)[:5], days, strict=True)
]
"""User, item, time; not in the order of time."""
SEQUENCES = {
    user: [item for _, item, _ in sorted((row for row in LOG if row[0] == user), key=lambda row: row[2])]
    for user in ("A1", "A2", "A3")
}
NUMBER = {raw: str(position) for position, raw in enumerate(ITEMS, 1)}
"""Ids of formats whose ids are numbers."""
Row = tuple[str, str, int]
Write = Callable[[Path, list[Row]], object]


def gz(path: Path, text: str | bytes) -> Path:
    path.write_bytes(gzip.compress(text.encode() if isinstance(text, str) else text))
    return path


def lines(rows: Iterable[object]) -> str:
    return "".join(f"{row}\n" for row in rows)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("'", "&#39;")


def posted(moment: int, form: str = "%B %-d, %Y") -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).strftime(form)


def ml_100k(folder: Path, rows: list[Row]) -> None:
    log = lines(f"{user[1:]}\t{NUMBER[item]}\t3\t{moment}" for user, item, moment in rows)
    listed = lines(
        f"{NUMBER[raw]}|{title} ({year})|01-Jan-1995||url|{'|'.join('0' * 19)}"
        for raw, (title, year, *_) in ITEMS.items()
    )
    (folder / "u.data").write_text(log)
    (folder / "u.item").write_bytes(listed.encode("latin-1"))


def ml_1m(folder: Path, rows: list[Row]) -> None:
    log = lines(f"{user}::{NUMBER[item]}::5::{moment}" for user, item, moment in rows)
    listed = lines(f"{NUMBER[raw]}::{title} ({year})::Puzzle|Drama" for raw, (title, year, *_) in ITEMS.items())
    (folder / "ratings.dat").write_text(log)
    (folder / "movies.dat").write_bytes(listed.encode("latin-1"))


def ml_latest(folder: Path, rows: list[Row]) -> None:
    log = "userId,movieId,rating,timestamp\r\n" + "".join(
        f"{user},{NUMBER[item]},4.0,{moment}\r\n" for user, item, moment in rows
    )
    listed = "movieId,title,genres\r\n" + "".join(
        f'{NUMBER[raw]},"{title} ({year})",(no genres listed)\r\n' for raw, (title, year, *_) in ITEMS.items()
    )
    with zipfile.ZipFile(folder / "ml-latest-small.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ml-latest-small/ratings.csv", log)
        archive.writestr("ml-latest-small/movies.csv", listed)
        archive.writestr("ml-latest-small/README.txt", "terms")


def goodbooks(folder: Path, rows: list[Row]) -> None:
    ordered = sorted(rows, key=lambda row: row[2])
    log = "user_id,book_id,rating\n" + lines(f"{user},{NUMBER[item]},4" for user, item, _ in ordered)
    header = "book_id,goodreads_book_id,authors,original_publication_year,title\n"
    listed = header + lines(
        f'{NUMBER[raw]},99,"{brand}",{year}.0,"{title}"' for raw, (title, year, _, brand) in ITEMS.items()
    )
    (folder / "ratings.csv").write_text(log)
    (folder / "books.csv").write_text(listed)


def recbole(folder: Path, rows: list[Row], name: str = "Amazon_Beauty") -> None:
    log = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + lines(
        f"{user}\t{item}\t5.0\t{moment}.0" for user, item, moment in rows
    )
    listed = "item_id:token\tbrand:token\ttitle:token_seq\tcategories:token_seq\n" + lines(
        f"{raw}\t{brand}\t{escaped(title)}\t{', '.join(kinds[1:])}" for raw, (title, _, kinds, brand) in ITEMS.items()
    )
    gz(folder / f"{name}.inter.gz", log)
    gz(folder / f"{name}.item.gz", listed)


def amazon_2014(folder: Path, rows: list[Row], category: str = "Home_and_Kitchen") -> None:
    reviews = lines(
        json.dumps({"reviewerID": user, "asin": item, "overall": 5.0, "unixReviewTime": moment, "reviewText": "x"})
        for user, item, moment in rows
    )
    listed = lines(
        {"asin": raw, "title": escaped(title), "categories": [list(kinds), ["Other"]], "brand": brand}
        for raw, (title, _, kinds, brand) in ITEMS.items()
    )
    gz(folder / f"reviews_{category}_5.json.gz", reviews)
    gz(folder / f"meta_{category}.json.gz", listed)


def amazon_2018(folder: Path, rows: list[Row], category: str = "Gift_Cards") -> None:
    reviews = lines(
        json.dumps({"overall": 5.0, "verified": True, "reviewerID": user, "asin": item, "unixReviewTime": moment})
        for user, item, moment in rows
    )
    listed = lines(
        json.dumps({"category": list(kinds), "title": f"  {escaped(title)} ", "brand": brand, "asin": raw})
        for raw, (title, _, kinds, brand) in ITEMS.items()
    )
    gz(folder / f"{category}_5.json.gz", reviews)
    gz(folder / f"meta_{category}.json.gz", listed)


def amazon_2023(folder: Path, rows: list[Row], category: str = "All_Beauty") -> None:
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in sorted({user for user, *_ in rows}):
        own = sorted((row for row in rows if row[0] == user), key=lambda row: row[2])
        for place, (_, item, moment) in enumerate(own):
            part = {len(own) - 1: "test", len(own) - 2: "valid"}.get(place, "train")
            history = " ".join(before for _, before, _ in own[:place])
            parts[part].append(f"{user},{item},5.0,{moment * 1000 + 7},{history}")
    for part, told in parts.items():
        gz(folder / f"{category}.{part}.csv.gz", "user_id,parent_asin,rating,timestamp,history\n" + lines(told))
    listed = lines(
        json.dumps({"main_category": "X", "title": title, "store": brand, "categories": kinds, "parent_asin": raw})
        for raw, (title, _, kinds, brand) in ITEMS.items()
    )
    gz(folder / f"meta_{category}.jsonl.gz", listed)


def steam(folder: Path, rows: list[Row]) -> None:
    users = dict.fromkeys(user for user, *_ in rows)
    reviews = lines(
        {
            "user_id": user,
            "reviews": [
                {"posted": f"Posted {posted(moment)}.", "item_id": NUMBER[item], "review": "it's {fine}"}
                for own, item, moment in rows
                if own == user
            ],
        }
        for user in users
    )
    gz(folder / "australian_user_reviews.json.gz", reviews)
    steam_games(folder)


def steam_games(folder: Path) -> None:
    listed = lines(
        {
            "developer": brand,
            "genres": list(kinds[1:]),
            "title": title,
            "release_date": f"{year}-01-04",
            "id": NUMBER[raw],
        }
        for raw, (title, year, kinds, brand) in ITEMS.items()
    )
    gz(folder / "steam_games.json.gz", listed)


def steam_v2(folder: Path, rows: list[Row]) -> None:
    reviews = lines(
        f"{{u'username': u'{user}', u'product_id': u'{NUMBER[item]}', u'date': u'{posted(moment, '%Y-%m-%d')}', "
        f"u'text': u'don\\'t', u'early_access': False, u'hours': 0.1}}"
        for user, item, moment in rows
    )
    gz(folder / "steam_reviews.json.gz", reviews)
    steam_games(folder)


def own_tables(folder: Path, rows: list[Row]) -> None:
    log = "user,item,timestamp\n" + lines(f"{user},{item},{moment}" for user, item, moment in rows)
    listed = "item,title,year\n" + lines(f'{raw},"{title}",{year}' for raw, (title, year, *_) in ITEMS.items())
    (folder / "interactions.csv").write_text(log)
    (folder / "items.csv").write_text(listed)


class Writers(dict[str, Write]):
    """By the name of the data set. Whoever writes files of one without a function fails, and no other test."""

    def __missing__(self, name: str) -> Write:
        def lacking(folder: Path, rows: list[Row]) -> None:
            pytest.fail(f"WRITE of tests/data/samples.py has no function for {name}")

        return lacking


WRITE = Writers(
    {
        "ml-100k": ml_100k,
        "ml-1m": ml_1m,
        "ml-latest": ml_latest,
        "steam": steam,
        "beauty": recbole,
        "home-and-kitchen": amazon_2014,
        "amazon-2014": amazon_2014,
        "amazon-2018": amazon_2018,
        "amazon-2023": amazon_2023,
        "goodbooks-10k": goodbooks,
        "recbole": recbole,
        "csv": own_tables,
    }
)
"""Titles are those of ``ITEMS``; users and items are called as there, or by numbers."""
ITEMS_ALONE = ("meta_*", "steam_games*")
"""Files of items that do not say where the interactions are: several files of these may go with them."""
