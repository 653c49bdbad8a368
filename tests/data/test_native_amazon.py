"""The traps of Amazon's three formats, one by one (most of them were seen in real files)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from formats import titles
from samples import (
    FIRST,
    ITEMS,
    LOG,
    SEQUENCES,
    amazon_2014,
    amazon_2018,
    amazon_2023,
    gz,
    lines,
)
from test_readers import EXPECTED, load, sample_users

from engine.config import DataConfig
from engine.data import importing
from engine.data.records import parsed
from engine.errors import StudioError
from engine.monitor import Monitor


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
        assert sample_users(load(name, folder)) == EXPECTED
        (folder / order).write_text(
            "a,b,rating,timestamp\n" + lines(f"{a},{b},5.0,{m}" for (a, b), (*_, m) in zip(rows, LOG, strict=True))
        )
        assert sample_users(load(name, folder)) == EXPECTED  # somebody gave it a header
        (folder / order).write_text(lines(f"{b},{a},5.0,{FIRST}" for a, b in rows))
        with pytest.raises(StudioError, match=r"holds ratings of Amazon 201.*data\.dataset=amazon-201"):
            load(name, folder)


@pytest.mark.parametrize(("write", "name"), [(amazon_2014, "amazon-2014"), (amazon_2018, "amazon-2018")])
def test_categories_are_chosen_found_or_listed(tmp_path: Path, write, name: str) -> None:
    for category in ("Home_and_Kitchen", "Toys_and_Games"):
        write(tmp_path, LOG, category)
    with pytest.raises(StudioError, match=r"several categories: Home_and_Kitchen, Toys_and_Games.*set data\.category"):
        load(name, tmp_path)
    for spelled in ("Toys_and_Games", "toys & games", "Toys and Games"):
        assert sample_users(load(name, tmp_path, category=spelled)) == EXPECTED
    with pytest.raises(
        StudioError, match=r"no files of the category 'Books': here are Home_and_Kitchen, Toys_and_Games"
    ):
        load(name, tmp_path, category="Books")
    for path in tmp_path.glob("meta_Toys*"):
        path.unlink()
    with pytest.raises(StudioError, match=r"no items of Toys_and_Games: .*found meta_Home_and_Kitchen\.json"):
        load(name, tmp_path, category="Toys_and_Games")
    bare = load(name, tmp_path, category="Toys_and_Games", unlisted="id")
    assert sample_users(bare) == SEQUENCES  # ids for titles, said
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
    assert ("3 of items with page script for a title [1 item]" in dataset.cleaning.summary()) == (broken == "drop")


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


@pytest.mark.parametrize(
    "record",
    [
        {"asin": "B1", "price": 9.49, "categories": [["A", "B & C"]], "n": -3},
        {"asin": "B1", "title": "It's"},
        {"asin": "B1", "title": 'a "b" c'},
        {"asin": "B1", "title": 'It\'s "both" \\ and\ta tab'},
        {"asin": "B1", "title": None, "new": True, "pair": ("a", 1)},
        {"asin": "B1", "title": "Café \x7f \u2028 {': ', }"},
        {1: {"a": []}, "": "'"},
    ],
)
def test_quick_and_careful_ways_of_reading_python_agree(record: dict[object, object]) -> None:
    assert parsed(str(record).encode()) == record
    assert parsed(json.dumps(record).encode()) == json.loads(json.dumps(record))


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
    assert sample_users(dataset) == EXPECTED
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
    assert sample_users(dataset) == EXPECTED
    assert dataset.cleaning is not None
    assert (
        "milliseconds since 1970, from 2014-01-01" in dataset.cleaning.summary()
        or "whole days" in dataset.cleaning.summary()
    )


def test_histories_stand_for_a_training_part_that_is_lacking(tmp_path: Path) -> None:
    amazon_2023(tmp_path, LOG)
    (tmp_path / "All_Beauty.train.csv.gz").unlink()
    dataset = load("amazon-2023", tmp_path)
    assert sample_users(dataset) == EXPECTED
    assert dataset.cleaning is not None
    assert "the training part is lacking" in dataset.cleaning.summary()


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
    assert "15 of users or items with few (under 5 a user, 5 an item) [3 users and 3 items]" in five.cleaning.summary()
    all_items = load("amazon-2014", tmp_path, min_interactions=3, min_item_interactions=1)
    assert (all_items.n_users, len(all_items.catalogue), all_items.n_interactions) == (8, 8, 40)


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


def test_several_categories_that_are_brought_together_are_asked_for_and_chosen(tmp_path: Path) -> None:
    files = []
    for category, letter in (("Toys_and_Games", "A"), ("Garden & Patio", "B")):
        asins = [f"B0000000{letter}{n}" for n in range(6)]
        reviews = "".join(
            f'{{"reviewerID": "U{letter}{n % 4}", "asin": "{asins[n % 6]}", "helpful": [0], "unixReviewTime": {n}}}\n'
            for n in range(24)
        )
        meta = "".join(f"{{'asin': '{asin}', 'title': '{category} {asin}', 'imUrl': ''}}\n" for asin in asins)
        for name, text in ((f"reviews_{category}_5.json", reviews), (f"meta_{category}.json", meta)):
            (tmp_path / name).write_text(text)
            files.append(tmp_path / name)
    found = importing.inspect_files(files)
    assert found.categories == ("Garden & Patio", "Toys_and_Games")
    assert str(tmp_path) not in str(found.fault)
    chosen = importing.inspect_files(files, found.format, DataConfig(category=found.categories[0]))
    assert (chosen.fault, chosen.categories) == (None, ())
    assert chosen.tables[1].rows[0][1].startswith("Garden & Patio")
    kept = importing.import_files(files, "mine", None, DataConfig(category="toys and games"), Monitor())
    assert (kept.rows, kept.items) == (24, 6)
    assert kept.source.startswith("toys and games of ")
