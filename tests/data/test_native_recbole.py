"""The traps of RecBole's atomic files, one by one (most of them were seen in real files)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from formats import INTER, atomic, one_user, titles
from samples import (
    LOG,
    amazon_2018,
    gz,
    lines,
)
from test_readers import load, shown

from engine.data.sheet import SEPARATORS
from engine.errors import StudioError


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
    assert "no times in the files" in dataset.cleaning.summary()


@pytest.mark.parametrize(
    ("column", "fault"), [("name_of_it", "no column with the titles"), ("title", "no column with the items")]
)
def test_columns_that_cannot_be_guessed_are_asked_for(tmp_path: Path, column: str, fault: str) -> None:
    key = "item_id" if column != "title" else "key"
    items = f"{key}:token\t{column}:token\n" + lines(f"{n}\tTitle {n}" for n in one_user(4))
    with pytest.raises(StudioError, match=f"{fault}.*x.item, line 1.*there are {key}, {column}"):
        load("recbole", atomic(tmp_path, INTER, items))


@pytest.mark.parametrize("column", ["user_id", "item_id", "timestamp"])
def test_a_column_that_comes_twice_is_refused(tmp_path: Path, column: str) -> None:
    log = lines([f"{INTER.splitlines()[0]}\t{column}:token", *(f"{line}\t7" for line in INTER.splitlines()[1:])])
    items = "item_id:token\ttitle:token_seq\n" + lines(f"{n}\tTitle {n}" for n in one_user(4))
    with pytest.raises(StudioError, match=f"several columns are called {column}.*x.inter, line 1"):
        load("recbole", atomic(tmp_path, log, items))


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
        assert "1 item without a usable title, shown by its id" in dataset.cleaning.summary()
    else:
        assert "1 without a title [1 item]" in dataset.cleaning.summary()


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
    assert "1 row has a cell too many" in dataset.cleaning.summary()


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
    assert unit in dataset.cleaning.summary()


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


@pytest.mark.parametrize("mark", [",", ";", "|", "::"])
def test_other_separators_are_recognised_and_said(tmp_path: Path, mark: str) -> None:
    """As somebody's program saved them; a cell that holds the mark is quoted, where one letter parts cells."""
    quoted = "A" if len(mark) > 1 else f'"A{mark} B"'
    items = f"item_id:token{mark}title:token_seq\n1{mark}{quoted}\n" + lines(f"{n}{mark}T{n}" for n in (2, 3, 4))
    dataset = load("recbole", atomic(tmp_path, INTER.replace("\t", mark), items))
    assert shown(dataset) == {"u": [quoted.strip('"'), "T2", "T3", "T4"]}
    assert dataset.cleaning is not None
    assert f"{SEPARATORS[mark]} stand between cells" in dataset.cleaning.summary()
    (tmp_path / "x.item").write_text(items.replace(quoted, f"A{mark} B{mark} C"))
    with pytest.raises(StudioError, match=r"4 cells instead of 2 \(.*x\.item, line 2\)"):
        load("recbole", tmp_path)


def test_a_first_line_that_nothing_parts_is_shown(tmp_path: Path) -> None:
    atomic(tmp_path, INTER.replace("\t", " "), "item_id:token\ttitle:token\n1\tA\n")
    with pytest.raises(
        StudioError, match=r"one cell, 'user_id:token item_id:token .*x\.inter, line 1.*put tabs between"
    ):
        load("recbole", tmp_path)


def test_published_in_parts(tmp_path: Path) -> None:
    header, *rows = INTER.splitlines(keepends=True)
    for part, own in zip(("train", "valid", "test"), (rows[:2], rows[2:3], rows[3:]), strict=True):
        (tmp_path / f"x.{part}.inter").write_text(header + "".join(own))
    (tmp_path / "x.item").write_text("item_id:token\ttitle:token\n1\tA\n2\tB\n3\tC\n4\tD\n")
    assert shown(load("recbole", tmp_path)) == {"u": ["A", "B", "C", "D"]}


def test_several_data_sets_in_a_folder_are_asked_for(tmp_path: Path) -> None:
    for name in ("one", "two"):
        atomic(tmp_path, INTER, f"item_id:token\ttitle:token\n1\t{name}\n2\tB\n3\tC\n4\tD\n", name)
    with pytest.raises(StudioError, match=r"several data sets: one, two.*data\.category to one of them"):
        load("recbole", tmp_path)
    assert shown(load("recbole", tmp_path / "two.inter"))["u"][0] == "two"


def test_films_in_recbole_files_read_naturally(tmp_path: Path) -> None:
    items = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    items += "1\tEmpire Strikes Back, The\t1980\tAction Sci-Fi\n2\tHeat\t1995\tCrime\n3\tC\t1999\t\n4\tD\t2000.0\tX\n"
    dataset = load("recbole", atomic(tmp_path, INTER, items))
    assert list(titles(dataset).values()) == ["The Empire Strikes Back (1980)", "Heat (1995)", "C (1999)", "D (2000)"]


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


@pytest.mark.parametrize("zero", ["0", "0.0", "-1"])
@pytest.mark.parametrize("timed", [True, False])
def test_an_item_that_was_shown_and_not_chosen_is_no_interaction(tmp_path: Path, zero: str, timed: bool) -> None:
    """As in MIND and in click logs: one row for each item shown, and a label."""
    when = [f"\t{90 + n}" if timed else "" for n in range(6)]
    chosen = [f"u\t{n}\t1.0{when[n]}" for n in (1, 2, 3, 4)]
    log = f"user_id:token\titem_id:token\tlabel:float{chr(9) + 'timestamp:float' if timed else ''}\n"
    items = "item_id:token\ttitle:token_seq\n" + lines(f"{n}\tTitle {n}" for n in range(6))
    rows = [chosen[0], f"u\t5\t{zero}{when[0]}", *chosen[1:], f"u\t0\t{zero}{when[5]}"]
    dataset = load("recbole", atomic(tmp_path, log + lines(rows), items))
    assert shown(dataset) == {"u": ["Title 1", "Title 2", "Title 3", "Title 4"]}
    assert dataset.cleaning is not None
    assert "2 rows with label 0" in dataset.cleaning.summary()
