"""What is left out, step by step, against counts made another way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import DataConfig
from engine.data.cleaning import clean_rows
from engine.data.item_texts import detail, tidied, tidy, year_in
from engine.data.raw import LogBuilder, Raw, RawIdFilter, RawItem
from engine.data.title_parsing import clean, shows_nothing
from engine.errors import StudioError
from engine.monitor import Monitor

Row = tuple[str, str, int]
ROWS = st.lists(st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("abcdefgh"), st.integers(0, 5)), max_size=80)


def raw_of(rows: list[Row], listed: list[RawItem] | None = None) -> Raw:
    builder = LogBuilder()
    users, items, times = zip(*rows, strict=True) if rows else ((), (), ())
    builder.add(users, items, np.array(times, np.int64))
    log, _ = builder.log(Monitor())
    facts = listed if listed is not None else [RawItem(raw, f"Title {raw}") for raw in "hgfedcba"]

    def read(wanted: RawIdFilter, monitor: Monitor) -> Iterator[RawItem]:
        return (item for item in facts if item.raw in wanted)

    return Raw(log, read, "a test")


def cleaned(rows: list[Row], listed: list[RawItem] | None = None, least: tuple[int, int] = (3, 1), **settings: object):
    """Rows kept as user, item, time in order, and the record."""
    raw = raw_of(rows, listed)
    config = DataConfig(min_interactions=least[0], **settings)  # type: ignore[arg-type]
    catalogue, kept, record = clean_rows(raw, config, least[1], Monitor())
    ids = [raw.log.user_ids[user] for user in kept.users]
    return (
        list(zip(ids, [catalogue.raw_ids[i] for i in kept.items], kept.times.tolist(), strict=True)),
        record,
        catalogue,
    )


def expected(rows: list[Row], least: tuple[int, int], gone: set[str], keep: str) -> set[Row]:
    """The same by plain loops: titles first, one row at a time."""
    ordered = sorted((row for row in rows if row[1] not in gone), key=lambda row: row[2])  # stable
    pairs: dict[tuple[str, str], Row] = {}
    for row in ordered if keep == "first" else reversed(ordered):
        pairs.setdefault(row[:2], row)
    left = set(pairs.values())
    while True:
        users, items = Counter(row[0] for row in left), Counter(row[1] for row in left)
        few = {row for row in left if users[row[0]] < least[0] or items[row[1]] < least[1]}
        if not few:
            return left
        left -= few


@given(
    rows=ROWS,
    users=st.integers(3, 5),
    items=st.integers(1, 4),
    gone=st.sets(st.sampled_from("abcdefgh"), max_size=3),
    keep=st.sampled_from(("first", "last")),
)
def test_what_is_left_is_the_core_and_the_counts_add_up(
    rows: list[Row], users: int, items: int, gone: set[str], keep: str
) -> None:
    listed = [RawItem(raw, "" if raw in gone else f"Title {raw}") for raw in "hgfedcba"]
    right = expected(rows, (users, items), gone, keep)
    if not right:
        with pytest.raises(StudioError):
            cleaned(rows, listed, (users, items), untitled="drop", repeats=keep)
        return
    kept, record, catalogue = cleaned(rows, listed, (users, items), untitled="drop", repeats=keep)
    assert set(kept) == right
    assert len(kept) == len(right)
    assert kept == sorted(kept, key=lambda row: ([r[0] for r in rows].index(row[0]), row[2]))
    assert record.rows == len(kept) + sum(step.interactions for step in record.dropped.values())
    assert set(catalogue.raw_ids) == {row[1] for row in right}
    assert list(catalogue.raw_ids) == [raw for raw in "hgfedcba" if raw in catalogue.raw_ids]  # the file's order


def test_ties_keep_the_order_of_the_file() -> None:
    kept, record, _ = cleaned([("u", item, 5) for item in "gcafb"] + [("v", item, 9) for item in "abc"])
    assert [item for user, item, _ in kept if user == "u"] == list("gcafb")
    assert "equal times keep the order of the file" in record.summary()


def test_an_item_chosen_again_counts_once_and_nothing_else_moves() -> None:
    rows: list[Row] = [("u", "a", 1), ("u", "b", 2), ("u", "a", 3), ("u", "c", 4)]
    assert [row[1] for row in cleaned(rows)[0]] == ["a", "b", "c"]
    assert [row[1] for row in cleaned(rows, repeats="last")[0]] == ["b", "a", "c"]


def test_items_nobody_chose_are_left_out_or_kept() -> None:
    rows: list[Row] = [("u", "a", 1), ("u", "b", 2), ("u", "c", 3)]
    _, record, catalogue = cleaned(rows)
    assert (catalogue.raw_ids, record.unused) == (("c", "b", "a"), 5)
    _, record, catalogue = cleaned(rows, unused_items=True)
    assert (catalogue.raw_ids, record.unused) == (tuple("hgfedcba"), 0)
    listed = [RawItem(raw, "" if raw in "dh" else raw) for raw in "hgfedcba"]
    _, record, catalogue = cleaned(rows, listed, unused_items=True)
    assert (catalogue.raw_ids, record.unused) == (tuple("gfecba"), 2)


@pytest.mark.parametrize(("unlisted", "titles"), [("drop", ["a", "b", "c"]), ("id", ["a", "zz", "b", "c"])])
def test_items_that_are_not_listed(unlisted: str, titles: list[str]) -> None:
    rows: list[Row] = [("u", "a", 1), ("u", "zz", 2), ("u", "b", 3), ("u", "c", 4)]
    kept, record, catalogue = cleaned(rows, unlisted=unlisted)
    shown = {raw: title.removeprefix("Title ") for raw, title in zip(catalogue.raw_ids, catalogue.titles, strict=True)}
    assert [shown[item] for _, item, _ in kept] == titles
    assert record.untitled == (unlisted == "id")


def test_rows_without_a_user_or_an_item_or_a_time_go() -> None:
    rows: list[Row] = [("u", item, 1) for item in "abc"] + [
        ("", "a", 1),
        ("u", "", 1),
        ("u", "d", np.iinfo(np.int64).min),
    ]
    kept, record, _ = cleaned(rows)
    assert len(kept) == 3
    assert {kind: step.interactions for kind, step in record.dropped.items()} == {"incomplete": 2, "undated": 1}


def test_nobody_left_is_told_with_what_each_step_took() -> None:
    with pytest.raises(
        StudioError, match=r"no user has 5 .* items that have 2 or more; dropped: 3 of users.*data\.min_item"
    ):
        cleaned([("u", item, 1) for item in "abc"], least=(5, 2))
    with pytest.raises(StudioError, match="no interactions"):
        cleaned([])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A &amp; B", "A & B"),
        ("A &amp;amp;amp; B", "A & B"),
        ("A & B; C", "A & B; C"),
        ("&copy and &reg;", "&copy and ®"),
        ("&#39;&#x27;&#0039;", "'''"),
        ("&#1114112;", "\ufffd"),
        (" nan ", ""),
        ("Nanny", "Nanny"),
        ("a\tb\nc", "a b c"),
        ("&nbsp;", ""),
        ("&lt;b&gt;", "<b>"),
    ],
)
def test_texts_are_tidied(text: str, shown: str) -> None:
    assert tidy(text) == shown


@pytest.mark.parametrize(
    ("title", "fault"),
    [
        ("var a = 1; (new Date()).getTime();", "broken"),
        ("<script>x</script>", "broken"),
        ("function () { return 1 }", "broken"),
        ("document.getElementById('x')", "broken"),
        ("The Function of Reason", None),
        ("Get Time Back: A Planner", None),
        ("Windows 7 Home", None),
        ("---", "untitled"),
        ("", "untitled"),
        ("1984", None),
        ("日本語", None),
        ("\U0001f600", None),
        ("\U0001fae9", None),  # of Unicode 16
        ("$", None),
        ("+/-", None),
        ("\u200b\u3164", "untitled"),
    ],
)
def test_titles_that_do_not_do(title: str, fault: str | None) -> None:
    assert tidied(RawItem("x", title), True)[1] == fault
    own, wrong = tidied(RawItem("x", title), True, as_written=True)
    assert (own.title, wrong) == (("", "untitled") if shows_nothing(clean(title)) else (title, None))


@pytest.mark.parametrize(
    "title", ["!!!", "None", "nan", "null", "???", "<script>alert(1)</script>", "-", "true", "1e5"]
)
def test_titles_of_ones_own_are_what_they_are(title: str) -> None:
    assert tidied(RawItem("x", title), True, as_written=True) == (RawItem("x", title), None)


@pytest.mark.parametrize(
    ("cell", "year"),
    [
        *[("1999", 1999), ("2008.0", 2008), ("-720.0", None), ("800", 800), ("0", None), ("", None), ("nan", None)],
        *[("2018-01-04", 2018), ("Mar 31, 1999", 1999), ("12345", None), ("soon", None), ("1995.5", 1995)],
    ],
)
def test_years_in_cells(cell: str, year: int | None) -> None:
    assert year_in(cell) == year


def test_what_prompts_say_behind_a_title() -> None:
    item = RawItem("x", "Acme Lamp", genres=("Home", "Light; Lamps", "Desk", "More"), brand="Zed; Co")
    assert detail(item, "title") == ""
    assert detail(item, "title+category") == " [Home, Light, Lamps, Desk]"
    assert detail(item, "title+brand") == " by Zed, Co"
    assert detail(item._replace(brand="acme"), "title+brand") == ""
    assert detail(RawItem("x", "A"), "title+category") == detail(RawItem("x", "A"), "title+brand") == ""
