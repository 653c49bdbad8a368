"""The traps of each published format, one by one (most of them were seen in real files)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from samples import (
    DAY,
    FIRST,
    ITEMS,
    LOG,
    SEQUENCES,
    amazon_2014,
    amazon_2018,
    amazon_2023,
    gz,
    lines,
    recbole,
    steam,
    steam_games,
    steam_v2,
)
from test_readers import EXPECTED, load, shown

from engine.data import Dataset
from engine.errors import StudioError


def titles(dataset: Dataset) -> dict[str, str]:
    return {raw: dataset.catalogue.display(item) for item, raw in enumerate(dataset.catalogue.raw_ids)}


def one_user(items: int) -> list[int]:
    return list(range(1, items + 1))


# MovieLens


def latest(folder: Path, films: list[str], ratings: str | None = None) -> Path:
    """``films`` as written behind the id."""
    listed = "movieId,title,genres\r\n" + "".join(f"{n},{film},Drama|Comedy\r\n" for n, film in enumerate(films, 1))
    log = ratings or "".join(f"1,{n},4.0,{FIRST + n}\r\n" for n in one_user(len(films)))
    (folder / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\r\n{log}", newline="")
    (folder / "movies.csv").write_text(listed, encoding="utf-8", newline="")
    return folder


def test_titles_of_movielens_latest(tmp_path: Path) -> None:
    films = [
        '"American President, The (1995)"',
        '"Misérables, Les (1998)"',
        "Babylon 5",
        "Death Note: Desu nôto (2006–2007)",
        "Fawlty Towers (1975-1979)",
        "The Big Bang Theory (2007-)",
        "Seven (a.k.a. Se7en) (1995)",
        '"Hate (Haine, La) (1995)"',
        '"11\'09""01 - September 11 (2002)"',
        "Moonlight ",
    ]
    dataset = load("ml-latest", latest(tmp_path, films))
    assert list(titles(dataset).values()) == [
        "The American President (1995)",
        "Les Misérables (1998)",
        "Babylon 5",
        "Death Note: Desu nôto (2006)",
        "Fawlty Towers (1975)",
        "The Big Bang Theory (2007)",
        "Seven (1995)",
        "Hate (1995)",
        "11'09\"01 - September 11 (2002)",
        "Moonlight",
    ]
    assert dataset.catalogue.aliases[6:8] == (("Se7en",), ("La Haine",))
    assert dataset.catalogue.genres[0] == ("Drama", "Comedy")


def test_no_genres_listed_is_no_genre(tmp_path: Path) -> None:
    latest(tmp_path, ["A (2001)", "B (2002)", "C (2003)"])
    movies = tmp_path / "movies.csv"
    movies.write_text(movies.read_text().replace("Drama|Comedy", "(no genres listed)"))
    assert load("ml-latest", tmp_path).catalogue.genres == ((), (), ())


def test_ratings_in_the_order_of_films_become_sequences_in_the_order_of_time(tmp_path: Path) -> None:
    log = "".join(f"1,{film},4.0,{FIRST - film}\r\n" for film in (1, 2, 3))
    dataset = load("ml-latest", latest(tmp_path, ["A", "B", "C"], log))
    assert shown(dataset) == {"1": ["C", "B", "A"]}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_movielens_1m_is_latin_1_and_10m_is_utf_8(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "ratings.dat").write_text(lines(f"1::{n}::5::{FIRST - n}" for n in one_user(3)))
    listed = "1::Misérables, Les (1995)::Drama|Musical\n2::Heat (1995)::Crime\n3::Ça (1958)::\n"
    (tmp_path / "movies.dat").write_bytes(listed.encode(encoding))
    dataset = load("ml-1m", tmp_path)
    assert list(titles(dataset).values()) == ["Les Misérables (1995)", "Heat (1995)", "Ça (1958)"]
    assert dataset.catalogue.genres == (("Drama", "Musical"), ("Crime",), ())
    assert shown(dataset)["1"][0] == "Ça"


# RecBole


def atomic(folder: Path, log: str, items: str, name: str = "x") -> Path:
    (folder / f"{name}.inter").write_text(log, encoding="utf-8")
    (folder / f"{name}.item").write_text(items, encoding="utf-8")
    return folder


INTER = "user_id:token\titem_id:token\ttimestamp:float\n" + lines(f"u\t{n}\t{n}.0" for n in one_user(4))


@pytest.mark.parametrize(
    ("item", "title"),
    [
        ("item_id", "title"),
        ("product_id", "app_name"),
        ("id", "name"),
        ("artist_id", "name"),
        ("business_id", "item_name"),
        ("movie_id", "movie_title"),
    ],
)
def test_columns_are_found_by_name_wherever_they_stand(tmp_path: Path, item: str, title: str) -> None:
    log = f"weight:float\t{item}:token\tuser_id:token\n" + lines(f"7\t{n}\tu" for n in one_user(4))
    items = f"url:token\t{title}:token_seq\t{item}:token\n" + lines(f"http\tTitle {n}\t{n}" for n in one_user(4))
    dataset = load("recbole", atomic(tmp_path, log, items))
    assert shown(dataset) == {"u": ["Title 1", "Title 2", "Title 3", "Title 4"]}
    assert dataset.cleaning is not None
    assert "no times in the files" in dataset.cleaning.said()


@pytest.mark.parametrize(
    ("column", "fault"), [("name_of_it", "no column with the titles"), ("title", "no column with the items")]
)
def test_columns_that_cannot_be_guessed_are_asked_for(tmp_path: Path, column: str, fault: str) -> None:
    key = "item_id" if column != "title" else "key"
    items = f"{key}:token\t{column}:token\n" + lines(f"{n}\tTitle {n}" for n in one_user(4))
    with pytest.raises(StudioError, match=f"{fault}.*x.item, line 1.*there are {key}, {column}"):
        load("recbole", atomic(tmp_path, INTER, items))


@pytest.mark.parametrize("missing", ["", "nan", "NaN", "None", " null "])
@pytest.mark.parametrize(("untitled", "users"), [("id", ["1", "B", "C", "D"]), ("drop", ["B", "C", "D"])])
def test_items_without_a_title_are_shown_by_their_id_or_dropped(
    tmp_path: Path, missing: str, untitled: str, users: list[str]
) -> None:
    items = f"item_id:token\ttitle:token\n1\t{missing}\n2\tB\n3\tC\n4\tD\n"
    dataset = load("recbole", atomic(tmp_path, INTER, items), untitled=untitled)
    assert shown(dataset) == {"u": users}
    assert dataset.cleaning is not None
    if untitled == "id":
        assert "1 items without a usable title are shown by their id" in dataset.cleaning.said()
    else:
        assert "1 without a title [1 items]" in dataset.cleaning.said()


def test_a_title_that_is_missing_is_taken_from_the_next_column_of_titles(tmp_path: Path) -> None:
    items = "id:token\ttitle:token\tapp_name:token\n1\t\tReal\n2\tB\tb\n3\tnan\tC\n4\tD\td\n"
    assert shown(load("recbole", atomic(tmp_path, INTER, items))) == {"u": ["Real", "B", "C", "D"]}


def test_quotes_are_quotes_unless_they_hold_a_cell(tmp_path: Path) -> None:
    """RecBole writes no quotes; what pandas wrote has them around cells with quotes, tabs and line ends."""
    cells = ['3" Nails', '"Weird Al"', '"say ""cheese"""', '"two\twords and ""more"""', '"over\nlines"', 'a "b" c']
    items = "item_id:token\ttitle:token\tyear:float\n" + lines(f"{n}\t{cell}\t1999.0" for n, cell in enumerate(cells))
    log = "user_id:token\titem_id:token\n" + lines(f"u\t{n}" for n in range(len(cells)))
    dataset = load("recbole", atomic(tmp_path, log, items))
    expected = ['3" Nails', "Weird Al", 'say "cheese"', 'two words and "more"', "over lines", 'a "b" c']
    assert shown(dataset) == {"u": expected}
    assert set(dataset.catalogue.years) == {1999}


def test_a_cell_too_many_is_passed_over_and_told(tmp_path: Path) -> None:
    log = INTER.replace("u\t2\t2.0", "u\t2\t2.0\tmore")
    dataset = load("recbole", atomic(tmp_path, log, "item_id:token\ttitle:token\n1\tA\n2\tB\textra\n3\tC\t\n4\tD\n"))
    assert shown(dataset) == {"u": ["A", "B", "C", "D"]}
    assert dataset.cleaning is not None
    assert "1 rows have a cell too many" in dataset.cleaning.said()


def test_a_cell_too_few_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"2 cells instead of 3 .*x\.inter, line 3"):
        load("recbole", atomic(tmp_path, INTER.replace("u\t2\t2.0", "u\t2"), "item_id:token\ttitle:token\n1\tA\n"))


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        (["1.4e9", "1400000001.0", "1400000002", "1400000003.0"], "seconds"),
        (["1400000000000", "1400000001000.0", "1400000002000", "1.400000003e12"], "milliseconds"),
        (["0.0", "1.0", "2.0", "3.0"], "plain numbers"),
        (["-3", "-2.5", "-2", "0"], "plain numbers"),
    ],
)
def test_times_may_be_floats_of_any_unit_and_it_is_said_which(tmp_path: Path, cells: list[str], unit: str) -> None:
    log = "user_id:token\titem_id:token\ttimestamp:float\n"
    log += lines(f"u\t{n}\t{cell}" for n, cell in reversed(list(enumerate(cells, 1))))
    dataset = load("recbole", atomic(tmp_path, log, "item_id:token\ttitle:token\n1\tA\n2\tB\n3\tC\n4\tD\n"))
    assert shown(dataset) == {"u": ["A", "B", "C", "D"]}
    assert dataset.cleaning is not None
    assert unit in dataset.cleaning.said()


@pytest.mark.parametrize(
    ("cell", "genres"),
    [
        ("Action Sci-Fi", ("Action", "Sci-Fi")),
        ("Office Electronics, Telephones & Accessories", ("Office Electronics", "Telephones & Accessories")),
        ("Action|Film-Noir", ("Action", "Film-Noir")),
        ("['Action', \"Kids' Games\"]", ("Action", "Kids' Games")),
        ("'Beauty', 'Skin Care'", ("Beauty", "Skin Care")),
        ("", ()),
        ("nan", ()),
    ],
)
def test_lists_of_genres_are_written_in_many_ways(tmp_path: Path, cell: str, genres: tuple[str, ...]) -> None:
    items = "item_id:token\ttitle:token\tgenres:token_seq\n" + lines(f"{n}\tT{n}\t{cell}" for n in one_user(4))
    assert load("recbole", atomic(tmp_path, INTER, items)).catalogue.genres[0] == genres


def test_published_in_parts(tmp_path: Path) -> None:
    header, *rows = INTER.splitlines(keepends=True)
    for part, own in zip(("train", "valid", "test"), (rows[:2], rows[2:3], rows[3:]), strict=True):
        (tmp_path / f"x.{part}.inter").write_text(header + "".join(own))
    (tmp_path / "x.item").write_text("item_id:token\ttitle:token\n1\tA\n2\tB\n3\tC\n4\tD\n")
    assert shown(load("recbole", tmp_path)) == {"u": ["A", "B", "C", "D"]}


def test_several_data_sets_in_a_folder_are_asked_for(tmp_path: Path) -> None:
    for name in ("one", "two"):
        atomic(tmp_path, INTER, f"item_id:token\ttitle:token\n1\t{name}\n2\tB\n3\tC\n4\tD\n", name)
    with pytest.raises(StudioError, match=r"several data sets: one, two.*data\.path to the \.inter file"):
        load("recbole", tmp_path)
    assert shown(load("recbole", tmp_path / "two.inter"))["u"][0] == "two"


def test_films_in_recbole_files_read_naturally(tmp_path: Path) -> None:
    items = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    items += "1\tEmpire Strikes Back, The\t1980\tAction Sci-Fi\n2\tHeat\t1995\tCrime\n3\tC\t1999\t\n4\tD\t2000.0\tX\n"
    dataset = load("recbole", atomic(tmp_path, INTER, items))
    assert list(titles(dataset).values()) == ["The Empire Strikes Back (1980)", "Heat (1995)", "C (1999)", "D (2000)"]


# Amazon


def test_columns_of_ratings_are_swapped_in_2018(tmp_path: Path) -> None:
    for name, order in (("amazon-2014", "ratings_X.csv"), ("amazon-2018", "X.csv")):
        folder = tmp_path / name
        folder.mkdir()
        (amazon_2014 if name == "amazon-2014" else amazon_2018)(folder, [], "X")
        for path in folder.glob("*_5.json.gz"):
            path.unlink()
        rows = [(user, item) if name == "amazon-2014" else (item, user) for user, item, _ in LOG]
        (folder / order).write_text(
            lines(f"{a},{b},5.0,{moment}" for (a, b), (*_, moment) in zip(rows, LOG, strict=True))
        )
        assert shown(load(name, folder)) == EXPECTED
        (folder / order).write_text(
            "a,b,rating,timestamp\n" + lines(f"{a},{b},5.0,{m}" for (a, b), (*_, m) in zip(rows, LOG, strict=True))
        )
        assert shown(load(name, folder)) == EXPECTED  # somebody gave it a header
        (folder / order).write_text(lines(f"{b},{a},5.0,{FIRST}" for a, b in rows))
        with pytest.raises(StudioError, match=r"in the other order.*data\.dataset=amazon-201"):
            load(name, folder)


@pytest.mark.parametrize(("write", "name"), [(amazon_2014, "amazon-2014"), (amazon_2018, "amazon-2018")])
def test_categories_are_chosen_found_or_listed(tmp_path: Path, write, name: str) -> None:
    for category in ("Home_and_Kitchen", "Toys_and_Games"):
        write(tmp_path, LOG, category)
    with pytest.raises(StudioError, match=r"several categories: Home_and_Kitchen, Toys_and_Games.*set data\.category"):
        load(name, tmp_path)
    for spelled in ("Toys_and_Games", "toys & games", "Toys and Games"):
        assert shown(load(name, tmp_path, category=spelled)) == EXPECTED
    with pytest.raises(
        StudioError, match=r"no files of the category 'Books': here are Home_and_Kitchen, Toys_and_Games"
    ):
        load(name, tmp_path, category="Books")
    for path in tmp_path.glob("meta_Toys*"):
        path.unlink()
    with pytest.raises(StudioError, match=r"no items of Toys_and_Games: .*found meta_Home_and_Kitchen\.json"):
        load(name, tmp_path, category="Toys_and_Games")
    bare = load(name, tmp_path, category="Toys_and_Games", unlisted="id")
    assert shown(bare) == SEQUENCES  # ids for titles, said
    assert bare.cleaning is not None
    assert bare.cleaning.untitled == 5


def test_the_reviews_of_many_reviewers_are_taken_before_all_of_them(tmp_path: Path) -> None:
    amazon_2018(tmp_path, LOG, "Gift_Cards")
    gz(tmp_path / "Gift_Cards.json.gz", json.dumps({"reviewerID": "X", "asin": "B1", "unixReviewTime": 1}) + "\n")
    dataset = load("amazon-2018", tmp_path)
    assert "Gift_Cards_5.json" in dataset.source
    with pytest.raises(StudioError, match="no user has 3"):
        load("amazon-2018", tmp_path / "Gift_Cards.json.gz")  # unless it is the one that is named


META = [
    ("B000000001", "Maggiano&#39;s Little Italy &amp;amp; Friends", "Maggiano's Little Italy & Friends"),
    ("B000000002", "   outer  blanks\t", "outer blanks"),
    ("B000000003", "AT&T at 50% & more &notanentity; &copy", "AT&T at 50% & more &notanentity; &copy"),
    ("B000000004", "Cr&egrave;me &#x2122; 3 &frac12; in", "Crème ™ 3 ½ in"),
    ("B000000005", "x" * 5000, "x" * 2000),
]


def test_entities_blanks_and_long_titles(tmp_path: Path) -> None:
    amazon_2018(tmp_path, LOG)
    gz(tmp_path / "meta_Gift_Cards.json.gz", lines(json.dumps({"asin": raw, "title": told}) for raw, told, _ in META))
    assert titles(load("amazon-2018", tmp_path)) == {raw: shown for raw, _, shown in META}
    kept = titles(load("amazon-2018", tmp_path, unescape=False))
    assert kept["B000000004"] == "Cr&egrave;me &#x2122; 3 &frac12; in"


SCRIPT = "var aPageStart = (new Date()).getTime();\nvar ue_t0=ue_t0||+new Date();"


@pytest.mark.parametrize("broken", ["drop", "id"])
def test_titles_that_hold_page_script_are_dropped(tmp_path: Path, broken: str) -> None:
    amazon_2018(tmp_path, LOG)
    told = [SCRIPT, "Function (of) a Variable", *(title for _, title, _ in META[2:])]
    rows = (json.dumps({"asin": raw, "title": title}) for (raw, *_), title in zip(META, told, strict=True))
    gz(tmp_path / "meta_Gift_Cards.json.gz", lines(rows))
    dataset = load("amazon-2018", tmp_path, broken_titles=broken)
    assert titles(dataset).get("B000000001") == (None if broken == "drop" else "B000000001")
    assert titles(dataset)["B000000002"] == "Function (of) a Variable"
    assert dataset.cleaning is not None
    assert ("3 of items with page script for a title [1 items]" in dataset.cleaning.said()) == (broken == "drop")


def test_python_dictionaries_are_read_and_never_run(tmp_path: Path) -> None:
    amazon_2014(tmp_path, LOG, "X")
    meta = tmp_path / "meta_X.json.gz"
    marker = tmp_path / "run"
    gz(meta, f"{{'asin': 'B000000001', 'title': __import__('pathlib').Path({str(marker)!r}).touch()}}\n")
    with pytest.raises(
        StudioError, match=r"neither a JSON object nor a Python dictionary \(.*meta_X\.json\.gz, line 1\)"
    ):
        load("amazon-2014", tmp_path)
    assert not marker.exists()
    gz(meta, lines({"asin": raw, "title": f'It\'s "{raw}" {{}}'} for raw in ITEMS))
    assert titles(load("amazon-2014", tmp_path))["B000000001"] == 'It\'s "B000000001" {}'


@pytest.mark.parametrize("line", ["[1, 2]", "'text'", "{'a': ", "{" * 100_000, "[" * 100_000, "{'a': 1} + 1", "nan"])
def test_lines_that_are_no_record_name_their_place(tmp_path: Path, line: str) -> None:
    amazon_2014(tmp_path, LOG, "X")
    gz(tmp_path / "meta_X.json.gz", lines([{"asin": "B000000001", "title": "A"}, line]))
    with pytest.raises(StudioError, match=r"meta_X\.json\.gz, line 2"):
        load("amazon-2014", tmp_path)


def test_meta_of_others_is_passed_over_unparsed(tmp_path: Path) -> None:
    """Memory and time go by the items kept: what cannot be parsed does not matter where it is another item's."""
    amazon_2014(tmp_path, LOG, "X")
    listed = [{"asin": raw, "title": told[0], "categories": [["A"]]} for raw, told in ITEMS.items()]
    others = [f"{{'asin': 'B9{n:08}', 'title': <broken>}}" for n in range(3000)]
    gz(tmp_path / "meta_X.json.gz", lines([*others, *listed]))
    dataset = load("amazon-2014", tmp_path)
    assert shown(dataset) == EXPECTED
    assert dataset.cleaning is not None
    assert dataset.cleaning.unused == 3001


@pytest.mark.parametrize("listed", [{"title": None}, {}, {"title": ["A list"]}, {"title": 12345}, {"title": "..."}])
def test_titles_of_any_kind_do_no_harm(tmp_path: Path, listed: dict[str, object]) -> None:
    amazon_2014(tmp_path, LOG, "X")
    rows = [{"asin": raw, **(listed if raw == "B000000001" else {"title": f"T{raw}"})} for raw in ITEMS]
    gz(tmp_path / "meta_X.json.gz", lines(rows))
    found = titles(load("amazon-2014", tmp_path))["B000000001"]
    assert found == {"A list": "A list", "12345": "12345"}.get(str(listed.get("title") or [""]), found)
    assert found in ("B000000001", "A list", "12345")


def test_reviews_of_2023_have_titles_of_their_own_and_join_on_the_parent(tmp_path: Path) -> None:
    amazon_2023(tmp_path, [])
    for path in tmp_path.glob("*.csv.gz"):
        path.unlink()
    rows = [
        {
            "rating": 5.0,
            "title": "Great!",
            "asin": f"variant{n}",
            "parent_asin": item,
            "user_id": user,
            "timestamp": m * 1000,
        }
        for n, (user, item, m) in enumerate(LOG)
    ]
    gz(tmp_path / "All_Beauty.jsonl.gz", lines(map(json.dumps, rows)))
    dataset = load("amazon-2023", tmp_path)
    assert shown(dataset) == EXPECTED
    assert dataset.cleaning is not None
    assert (
        "milliseconds since 1970, from 2014-01-01" in dataset.cleaning.said() or "whole days" in dataset.cleaning.said()
    )


def test_histories_stand_for_a_training_part_that_is_lacking(tmp_path: Path) -> None:
    amazon_2023(tmp_path, LOG)
    (tmp_path / "All_Beauty.train.csv.gz").unlink()
    dataset = load("amazon-2023", tmp_path)
    assert shown(dataset) == EXPECTED
    assert dataset.cleaning is not None
    assert "the training part is lacking" in dataset.cleaning.said()


def test_amazon_and_steam_are_five_core_unless_told_otherwise(tmp_path: Path) -> None:
    log = [(f"A{user}", f"B{item:09}", FIRST + item) for user in range(5) for item in range(5)]
    log += [("A0", f"B{item:09}", FIRST + item) for item in range(5, 8)]  # bought once each
    log += [(f"C{user}", f"B{item:09}", FIRST) for user in range(3) for item in range(4)]  # four each
    listed = lines({"asin": f"B{item:09}", "title": f"T{item}"} for item in range(8))
    amazon_2014(tmp_path, log, "X")
    gz(tmp_path / "meta_X.json.gz", listed)
    five = load("amazon-2014", tmp_path, min_interactions=5, min_item_interactions=None)
    assert (five.n_users, len(five.catalogue), five.n_interactions) == (5, 5, 25)
    assert five.cleaning is not None
    assert "15 of users or items with few (under 5 a user, 5 an item) [3 users and 3 items]" in five.cleaning.said()
    all_items = load("amazon-2014", tmp_path, min_interactions=3, min_item_interactions=1)
    assert (all_items.n_users, len(all_items.catalogue), all_items.n_interactions) == (8, 8, 40)


# Steam


def test_both_versions_of_steam_are_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    steam(tmp_path / "one", LOG)
    steam_v2(tmp_path / "two", LOG)
    first, second = load("steam", tmp_path / "one"), load("steam", tmp_path / "two")
    assert shown(first) == shown(second) == EXPECTED
    assert all(np.array_equal(a, b) for a, b in zip(first.timestamps, second.timestamps, strict=True))


def reviews(folder: Path, posted: list[str]) -> Path:
    steam_games(folder)
    own = [{"item_id": str(n), "posted": text} for n, text in enumerate(posted, 1)]
    gz(folder / "australian_user_reviews.json.gz", lines([{"user_id": "u", "reviews": own}]))
    return folder


def test_dates_without_a_year_are_of_the_year_after_the_last_one_said(tmp_path: Path) -> None:
    posted = [
        "Posted July 3.",
        "Posted November 5, 2011.",
        "Posted February 29.",
        "Posted December 31, 2014.",
        "Posted 1 May, 2012.",
    ]
    dataset = load("steam", reviews(tmp_path, posted))
    raw = dataset.catalogue.raw_ids
    assert [raw[item] for item in dataset.sequences[0]] == ["2", "5", "4", "3", "1"]
    assert (dataset.timestamps[0] // DAY).tolist()[-1] == 16_619  # 2015-07-03
    assert dataset.cleaning is not None
    assert "2 dates without a year are taken for 2015" in dataset.cleaning.said()


def test_dates_that_are_none_are_dropped_and_counted(tmp_path: Path) -> None:
    posted = [
        "",
        "Posted soon.",
        "Posted May 1, 2012.",
        "Posted May 2, 2012.",
        "Posted May 32, 2012.",
        "Posted May 3, 2012.",
    ]
    dataset = load("steam", reviews(tmp_path, posted))
    assert dataset.n_interactions == 3
    assert dataset.cleaning is not None
    assert "3 without a time" in dataset.cleaning.said()


def test_games_without_a_title_without_an_id_and_twice(tmp_path: Path) -> None:
    reviews(tmp_path, [f"Posted May {day}, 2012." for day in range(1, 6)])
    games = [
        {"app_name": "Only its application's name", "id": "1"},
        {"title": "", "app_name": "Fallback", "id": "2"},
        {"title": "No id", "app_name": "No id"},
        {"title": "First", "id": "3"},
        {"title": "Second", "id": "3"},
        {"title": "By number", "id": 4},
        {},
    ]
    gz(tmp_path / "steam_games.json.gz", lines(games))
    dataset = load("steam", tmp_path)
    assert titles(dataset) == {"1": "Only its application's name", "2": "Fallback", "3": "First", "4": "By number"}
    assert dataset.cleaning is not None
    assert "1 of items that the items file lacks [1 items]" in dataset.cleaning.said()


def test_steam_in_recbole_files(tmp_path: Path) -> None:
    recbole(tmp_path, LOG, "steam-not-merged")
    assert shown(load("steam", tmp_path)) == EXPECTED


# goodbooks


def test_books_join_on_book_id_and_years_may_be_negative_or_floats(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user_id,book_id,rating\n" + lines(f"1,{n},5" for n in (3, 1, 2, 4)))
    header = "id,book_id,best_book_id,authors,original_publication_year,original_title,title\n"
    books = ['9,1,7,"Homer, Robert Fagles",-720.0,,The Odyssey', "8,2,7,A,2008.0,,B", "7,3,7,C,,,D", "6,4,7,E,800,,F"]
    (tmp_path / "books.csv").write_text(header + lines(books))
    dataset = load("goodbooks-10k", tmp_path, text="title+brand")
    assert shown(dataset) == {"1": ["D", "The Odyssey", "B", "F"]}
    assert titles(dataset) == {"1": "The Odyssey", "2": "B (2008)", "3": "D", "4": "F (800)"}
    assert dataset.catalogue.details[0] == " by Homer, Robert Fagles"
    assert dataset.cleaning is not None
    assert "the order of the rows is taken for the time" in dataset.cleaning.said()


# The paper's names


def test_the_paper_s_names_take_either_format(tmp_path: Path) -> None:
    for name, category in (("beauty", "Beauty"), ("home-and-kitchen", "Home_and_Kitchen")):
        for write in (recbole, amazon_2014):
            folder = tmp_path / f"{name}-{write.__name__}"
            folder.mkdir()
            write(folder, LOG, f"Amazon_{category}" if write is recbole else category)
            assert shown(load(name, folder)) == EXPECTED
            other = "beauty" if name != "beauty" else "home-and-kitchen"
            with pytest.raises(StudioError, match=r"looked for|no files of the category"):
                load(other, folder)


def test_long_lists_of_related_items_are_skipped_and_change_nothing(tmp_path: Path) -> None:
    rows = [
        {"asin": raw, "related": {"also_bought": ["B1", "B2"]}, "title": f"T{raw}", "brand": "'related': {no}"}
        for raw in list(ITEMS)[:3]
    ]
    rows += [{"related": {}, "asin": raw, "title": "a 'related': { b", "x": {}} for raw in list(ITEMS)[3:]]
    amazon_2014(tmp_path, LOG, "X")
    gz(tmp_path / "meta_X.json.gz", lines(rows))
    found = titles(load("amazon-2014", tmp_path))
    assert found["B000000001"] == "TB000000001"
    assert found["B000000004"] == "a 'related': { b"


def test_quick_and_careful_ways_of_reading_agree(tmp_path: Path) -> None:
    """Arrow reads what is plain; a quote, a text for a number, a missing field or a long row is read with care."""
    atomic(tmp_path, INTER, "item_id:token\ttitle:token\n1\tA\n2\tB\n3\tC\n4\tD\n")
    plain = load("recbole", tmp_path)
    for odd in (
        INTER.replace("u\t3\t3.0", '"u"\t3\t3.0'),
        INTER.replace("u\t3\t3.0", "u\t3\t3.0\t"),
        INTER.replace("u\t3\t3.0", "\nu\t3\t3"),
        INTER.replace("\n", "\r\n"),
        INTER.replace(".0", ""),
    ):
        (tmp_path / "x.inter").write_text(odd, newline="")
        again = load("recbole", tmp_path)
        assert shown(again) == shown(plain)
        assert again.timestamps[0].tolist() == plain.timestamps[0].tolist()
    amazon_2018(tmp_path, LOG)
    before = load("amazon-2018", tmp_path)
    rows = [{"reviewerID": user, "asin": item, "unixReviewTime": moment} for user, item, moment in LOG]
    rows[3]["unixReviewTime"] = str(rows[3]["unixReviewTime"])
    told = [json.dumps(row) for row in rows]
    told[5] = str(rows[5])  # as Python writes it
    told.insert(7, "")
    told.append(json.dumps({"asin": "B000000001", "unixReviewTime": 5}))
    gz(tmp_path / "Gift_Cards_5.json.gz", lines(told))
    after = load("amazon-2018", tmp_path)
    assert shown(after) == shown(before)
    assert after.cleaning is not None
    assert after.cleaning.dropped["incomplete"].interactions == 1
