"""What the columns of somebody's tables mean: said by ``data.columns``, else guessed by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine.data.timestamps import PER_SECOND, Unit

NONE = "-"
"""What ``data.columns`` says where there is no such column."""
NAMES: Mapping[str, tuple[str, ...]] = {
    "user": (
        *("user", "userid", "username", "uid", "reviewerid", "reviewer", "customerid", "customer", "memberid"),
        *("visitorid", "visitor", "clientid", "accountid", "profilename", "sessionid", "session", "personid", "reader"),
        *("client", "buyer"),
    ),
    "item": (
        *("item", "itemid", "iid", "parentasin", "asin", "productid", "product", "sku", "movieid", "movie", "filmid"),
        *("bookid", "book", "isbn", "gameid", "appid", "artistid", "trackid", "songid", "businessid", "articleid"),
        *("newsid", "courseid", "recipeid", "venueid", "showid", "animeid", "beerid", "listingid", "contentid"),
        *("stockcode", "id"),
    ),
    "timestamp": (
        *("timestamp", *(f"timestamp{unit}" for unit in PER_SECOND), "time", "unixreviewtime", "unixtime", "ts"),
        *("datetime", "date", "when", "createdat", "created", "eventtime", "ratedat", "reviewdate", "reviewtime"),
        *(
            "dateadded",
            "purchasedate",
            "orderdate",
            "invoicedate",
            "playedat",
            "watchedat",
            "readat",
            "reviewtimestamp",
        ),
    ),
    "title": (
        *("title", "movietitle", "itemname", "itemtitle", "producttitle", "productname", "booktitle", "gametitle"),
        *("appname", "artistname", "trackname", "songtitle", "originaltitle", "headline", "name", "description"),
    ),
    "year": ("year", "releaseyear", "publicationyear", "yearofpublication", "originalpublicationyear", "publishyear"),
    "genres": ("genres", "genre", "categories", "category", "class", "tags", "maincategory"),
    "brand": ("brand", "author", "authors", "bookauthor", "artist", "developer", "publisher", "director", "store"),
    "aliases": ("aliases", "alias"),
}
"""By role, the usual names of its column as :func:`plain` writes them, the better ones first."""
ITEM_ROLES = ("item", "title", "year", "genres", "brand", "aliases")
LOG_ROLES = ("user", "item", "timestamp")
KNOWN = frozenset(name for names in NAMES.values() for name in names)


def plain(name: str) -> str:
    """A column's name for comparing: ``User ID`` and ``user_id:token`` are ``userid``."""
    return re.sub(r"[\W_]+", "", name.partition(":")[0]).lower()


def roles(names: Sequence[str], assigned: Mapping[str, str]) -> dict[str, int]:
    """The place of each role's column among ``names``; a role without one is left out.

    Args:
        assigned: by role, see :func:`place_of`, or ``-`` for none. What this table lacks counts for another one.
    """
    found = {role: place for role, name in assigned.items() if (place := place_of(names, name)) is not None}
    bare = [plain(name) for name in names]
    for role, usual in NAMES.items():
        if role in found or assigned.get(role) == NONE:
            continue
        places = (bare.index(name) for name in usual if name in bare)
        place = next((place for place in places if place not in found.values()), None)
        if place is not None and not (role == "item" and bare[place] == "id" and "user" in found):
            found[role] = place  # beside a user an id is that of the row
    return found


def unit_of(name: str) -> Unit | None:
    """The unit that a column's name says: that of ``timestamp_ms``."""
    units: dict[str, Unit] = {f"timestamp{unit}": unit for unit in PER_SECOND}
    return units.get(plain(name))


def place_of(names: Sequence[str], name_or_place: str) -> int | None:
    """The place among a table's columns of a name; of several, parted by bars, that of the first found."""
    folded = [known.casefold() for known in names]
    for name in () if name_or_place == NONE else (name_or_place, *name_or_place.split("|")):
        for known, key in ((names, name), (folded, name.casefold())):
            if key in known:
                return list(known).index(key)
    return None


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, and so hardly names its column."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
