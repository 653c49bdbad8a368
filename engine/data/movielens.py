"""MovieLens-100K: reads its two file formats, from a folder or an archive."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from engine.data.catalogue import Catalogue
from engine.data.dataset import Interactions
from engine.data.title_parsing import clean, natural_title
from engine.errors import StudioError
from engine.packed import DAMAGED

ARCHIVE = "ml-100k.zip"
LAYOUTS = {"GroupLens": ("u.data", "u.item"), "RecBole": ("ml-100k.inter", "ml-100k.item")}
"""The files of each format: interactions, items."""

GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""The genre flags of ``u.item``, in its order."""
NAMELESS = frozenset({"unknown", "unkonwn"})
"""How the two formats spell item 267, whose title nobody recorded."""
NAMELESS_TITLE = "Unknown Title"


def read_movielens(path: Path) -> tuple[Catalogue, Interactions]:
    """Read ML-100K from a folder or from ``ml-100k.zip``.

    A folder holds u.data and u.item, or RecBole's ml-100k.inter and ml-100k.item, or the archive, or a folder
    ``ml-100k`` with any of these. Both formats give equal results. Ratings are not used: whoever rated a film saw it.

    Raises:
        StudioError: nothing of the kind is there, or a line cannot be read; names file and line.
    """
    for place in (path, path / "ml-100k", path / ARCHIVE, path / "ml-100k" / ARCHIVE):
        if place.is_dir():
            for layout, names in LAYOUTS.items():
                if all((place / name).is_file() for name in names):
                    return _read(layout, [_decoded(place / name, (place / name).read_bytes()) for name in names])
        elif place.is_file():
            return _read_archive(place)
    expected = " or ".join(" and ".join(names) for names in LAYOUTS.values())
    raise StudioError(
        "no MovieLens-100K files",
        where=f"data.path={path}",
        remedy=f"give a folder with {expected}, or the file {ARCHIVE}",
    )


def _read_archive(path: Path) -> tuple[Catalogue, Interactions]:
    names = LAYOUTS["GroupLens"]
    try:
        with zipfile.ZipFile(path) as archive:
            return _read("GroupLens", [_decoded(path / name, archive.read(f"ml-100k/{name}")) for name in names])
    except (*DAMAGED, KeyError, RuntimeError):
        raise StudioError(
            "not the ML-100K archive, or a damaged copy", where=str(path), remedy="fetch it anew"
        ) from None
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise StudioError(what, where=str(path), remedy="check the file") from None


def _decoded(path: Path, content: bytes) -> tuple[Path, list[str]]:
    """Lines of a file: RecBole's are UTF-8, GroupLens' latin-1, which accents make unreadable as UTF-8."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return path, text.replace("\r\n", "\n").rstrip("\n").split("\n")


def _read(layout: str, files: list[tuple[Path, list[str]]]) -> tuple[Catalogue, Interactions]:
    (log_path, log_lines), (item_path, item_lines) = files
    if layout == "GroupLens":
        catalogue = _catalogue(_parsed(item_path, item_lines, 1, _grouplens_item))
        return catalogue, _interactions(log_path, log_lines, 1, catalogue)
    catalogue = _catalogue(_parsed(item_path, item_lines[1:], 2, _recbole_item))
    return catalogue, _interactions(log_path, log_lines[1:], 2, catalogue)


_ParsedItem = tuple[str, str, str, tuple[str, ...]]
"""Raw id, title as published, year or nothing, genres."""


def _grouplens_item(line: str) -> _ParsedItem:
    raw, title, *_, flags = line.split("|", 5)
    marked = flags.split("|")
    if len(marked) != len(GENRES):
        raise ValueError
    return raw, title, "", tuple(genre for genre, flag in zip(GENRES, marked, strict=True) if flag == "1")


def _recbole_item(line: str) -> _ParsedItem:
    raw, title, year, genres = line.split("\t")
    return raw, title, year, tuple(genres.split())


def _parsed(path: Path, lines: list[str], first: int, parse: Callable[[str], _ParsedItem]) -> Iterator[_ParsedItem]:
    for number, line in enumerate(lines, first):
        try:
            yield parse(line)
        except ValueError:
            raise _unreadable(path, number) from None


def _catalogue(items: Iterator[_ParsedItem]) -> Catalogue:
    raws, titles, years, genres, aliases = [], [], [], [], []
    for raw, published, year, kinds in items:
        natural = natural_title(published)
        raws.append(raw)
        titles.append(NAMELESS_TITLE if clean(published) in NAMELESS else natural.title)
        years.append(int(year) if year.isdecimal() else natural.year)
        genres.append(tuple(kind for kind in kinds if kind != "unknown"))
        aliases.append(natural.aliases)
    return Catalogue(tuple(titles), tuple(years), tuple(genres), tuple(raws), tuple(aliases))


def _interactions(path: Path, lines: list[str], first: int, catalogue: Catalogue) -> Interactions:
    index = {raw: item for item, raw in enumerate(catalogue.raw_ids)}
    users: list[str] = []
    items = np.empty(len(lines), np.int64)
    moments = np.empty(len(lines), np.int64)
    for row, line in enumerate(lines):
        try:
            user, raw, _rating, moment = line.split("\t")
            items[row], moments[row] = index[raw], int(moment)
        except (ValueError, KeyError, OverflowError):
            raise _unreadable(path, first + row) from None
        users.append(user)
    return Interactions(users, items, moments)


def _unreadable(path: Path, line: int) -> StudioError:
    return StudioError("not a line of MovieLens-100K", where=f"{path}, line {line}", remedy="fetch the files anew")
