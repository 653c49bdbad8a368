"""Bring your own: columns are chosen, files imported, hostile ones refused, work bounded and stopped."""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_world import handlers, imported, request, told, visits
from playwright.sync_api import Page, expect
from webapp_studio import Studio

from engine import datasets
from engine.config import DataConfig
from engine.data import importing
from engine.errors import StudioError
from jobs import data_work
from webapp.events import LatestRequest
from webapp.pages.import_data import guessed_roles, suggested

NOTHING = ({}, None, "utf-8")
"""Nothing chosen otherwise than guessed."""


def test_columns_with_odd_names_are_chosen_and_the_files_imported(tmp_path: Path) -> None:
    files = [str(path) for path in visits(tmp_path)]
    found = told(handlers("dropped")(files, LatestRequest(None), request()))
    assert "which column is the user" in found["bring-cleaned"]
    assert not found["bring-keep"].visible
    assert found["bring-columns"].visible
    assert ("Who", "Who") in found["bring-user"].choices
    assert found["bring-year"].value == "-"
    assert "<img" not in found["bring-rows"]
    assert "&lt;img src=x" in found["bring-rows"]
    assert "\u202e" not in found["bring-rows"]
    guess = guessed_roles([])
    chosen = [guess, None, "utf-8", "Who", "What", "Moment", "Called", "-", "Kinds", "-", "-"]
    found = told(handlers("chose")(files, "csv", LatestRequest(None), request(), *chosen))
    assert found["bring-keep"].visible
    assert "84" in found["bring-cleaned"]
    bad = told(handlers("kept")(files, "csv", LatestRequest(None), "a b", request(), *chosen))
    assert "is no name for a data set" in bad["bring-said"]
    done = told(handlers("kept")(files, "csv", LatestRequest(None), "visits", request(), *chosen))
    assert "84 rows of 8 items by 12 users" in done["bring-said"]
    assert datasets.imported() == ("visits",)
    assert "there is a data set" in told(
        handlers("kept")(files, "csv", LatestRequest(None), "visits", request(), *chosen)
    )["bring-said"]  # fmt: skip


def test_an_encoding_is_guessed_and_said_and_another_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    rows = "".join(f"u{n // 6},i{n % 6},{n},Война и мир {n % 6}\n" for n in range(36))
    path.write_bytes(f"user,item,timestamp,title\n{rows}".encode("cp1251"))
    found = told(handlers("dropped")([str(path)], LatestRequest(None), request()))
    assert found["bring-encoding"] == "cp1251"
    assert "not UTF-8. They are read as cp1251" in found["bring-rows"]
    assert "Война и мир" in found["bring-rows"]
    other = told(handlers("chose")([str(path)], "csv", LatestRequest(None), request(), {}, None, "utf-8"))
    assert "not UTF-8 text" in other["bring-cleaned"]
    assert "data.encoding=cp1251" in other["bring-cleaned"]


def test_of_several_categories_one_is_chosen(tmp_path: Path) -> None:
    for name in ("Left", "Right"):
        rows = "".join(f"u{n // 6}\ti{n % 6}\t{n}\n" for n in range(36))
        (tmp_path / f"{name}.inter").write_text(f"user_id:token\titem_id:token\ttimestamp:float\n{rows}")
        titles = "".join(f"i{n}\t{name} {n}\n" for n in range(6))
        (tmp_path / f"{name}.item").write_text(f"item_id:token\ttitle:token_seq\n{titles}")
    files = [str(path) for path in tmp_path.iterdir()]
    found = told(handlers("dropped")(files, LatestRequest(None), request()))
    assert found["bring-category"].visible
    assert {choice for choice, _ in found["bring-category"].choices} == {"Left", "Right"}
    assert "Choose above" in found["bring-cleaned"]
    assert not found["bring-keep"].visible
    chosen = told(handlers("chose")(files, "recbole", LatestRequest(None), request(), {}, "Right", "utf-8"))
    assert "Right 0" in chosen["bring-rows"]
    assert "Left" not in chosen["bring-rows"]
    assert chosen["bring-keep"].visible


def test_a_file_that_cleaning_leaves_nothing_of_can_be_imported_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,timestamp,title\na,b,1,T\nc,d,2,U\n")
    found = told(handlers("dropped")([str(path)], LatestRequest(None), request()))
    assert "With the default settings nothing is left" in found["bring-cleaned"]
    assert found["bring-keep"].visible


def _pickle(folder: Path) -> Path:
    path = folder / "data.pkl"
    path.write_bytes(b"\x80\x04N.")
    return path


def _renamed_pickle(folder: Path) -> Path:
    path = folder / "data.csv"
    path.write_bytes(b"\x80\x04\x95\x00N\xff\xfe.\n" * 9)
    return path


def _climbing_zip(folder: Path) -> Path:
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../ratings.csv", "userId,movieId,rating,timestamp\n1,1,1,1\n")
    return path


def _link(folder: Path) -> Path:
    path = folder / "passwd.csv"
    path.symlink_to("/etc/passwd")
    return path


def _linking_zip(folder: Path) -> Path:
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("ratings.csv")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return path


def _bomb(folder: Path) -> Path:
    path = folder / "log.csv.gz"
    with gzip.open(path, "wb", 1) as packed:
        packed.write(b"user,item,timestamp,title\n")
        packed.write(bytes(1 << 25))
    return path


def _photo(folder: Path) -> Path:
    path = folder / "photo.jpg"
    path.write_bytes(b"x")
    return path


def _not_there(folder: Path) -> Path:
    return folder / "gone.csv"


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_pickle, "can hold programs"),
        (_renamed_pickle, "not UTF-8 text"),
        (_climbing_zip, "leads out of it"),
        (_link, "not a file"),
        (_linking_zip, "leads out of it"),
        (_photo, "no known format: photo.jpg"),
        (_not_there, "not a file"),
        (_bomb, "a line of more than"),
    ],
)
def test_hostile_files_are_refused_in_a_sentence(make: Callable[[Path], Path], what: str, tmp_path: Path) -> None:
    path = make(tmp_path)
    found = told(handlers("dropped")([str(path)], LatestRequest(None), request()))
    assert what in found["bring-said"] + found.get("bring-cleaned", "")
    assert str(tmp_path) not in found["bring-said"], "strangers learn nothing of the disk"


def test_what_is_refused_at_the_first_look_is_not_imported_either(tmp_path: Path) -> None:
    for make in (_climbing_zip, _pickle):
        kept = told(handlers("kept")([str(make(tmp_path))], "", LatestRequest(None), "mine", request(), *NOTHING))
        assert "dr-bad" in kept["bring-said"]
    assert datasets.imported() == ()
    assert not list(datasets.folder("mine").parent.glob("*/*"))


@pytest.mark.parametrize("name", [".hidden.csv", "two\nlines.csv", "left\u202eright.csv", "a\tb.csv"])
def test_hostile_names_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("user,item,timestamp,title\n")
    with pytest.raises(StudioError, match="no name for a file"):
        importing.check_files([tmp_path / name], 1e9)


def test_size_and_number_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = visits(tmp_path)
    monkeypatch.setenv("DELREC_IMPORT_MB", "0.001")
    found = told(handlers("dropped")([str(path) for path in paths], LatestRequest(None), request()))
    assert "too large" in found["bring-said"]
    with pytest.raises(StudioError, match="51 files"):
        importing.check_files(paths[:1] * 51, 1e9)
    with pytest.raises(StudioError, match="no files"):
        importing.check_files([], 1e9)


@pytest.mark.parametrize("name", ["DELREC_IMPORT_MB", "DELREC_IMPORT_SECONDS"])
@pytest.mark.parametrize("value", ["", "lots", "-1", "0", "nan", "inf"])
def test_limits_that_are_none_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StudioError, match=name):
        data_work.import_limits()


def test_it_is_given_up_after_the_time_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_IMPORT_SECONDS", "0.05")
    files = [str(path) for path in visits(tmp_path)]
    found = told(handlers("kept")(files, "csv", LatestRequest(None), "mine", request(), *NOTHING))
    assert "was given up" in found["bring-said"]
    assert found["bring-import"].interactive
    assert datasets.imported() == ()


def test_work_is_stopped_and_its_process_is_gone(tmp_path: Path) -> None:
    asked: LatestRequest[Any] = LatestRequest(None)
    updates = handlers("dropped")([str(path) for path in visits(tmp_path)], asked, request())
    next(updates)
    process = asked.now._process
    handlers("stopped")(asked)
    assert "Stopped" in told(updates)["bring-said"]
    assert process.poll() is not None
    handlers("stopped")(LatestRequest(None))


def test_an_import_is_not_drawn_over_by_what_was_chosen_just_before_it(tmp_path: Path) -> None:
    """Files that are still read when *Import* is pressed, and a choice that arrives when the import is under way."""
    files = [str(path) for path in visits(tmp_path)]
    chosen = [guessed_roles([]), None, "utf-8", "Who", "What", "Moment", "Called", "-", "Kinds", "-", "-"]
    asked: LatestRequest[Any] = LatestRequest(None)
    reading = handlers("dropped")(files, asked, request())
    next(reading)
    read = asked.now._process
    importing_ = handlers("kept")(files, "csv", asked, "visits", request(), *chosen)
    next(importing_)
    assert list(reading) == []
    assert read.wait(30) is not None
    handlers("overtaken")(asked)
    assert list(handlers("chose")(files, "csv", asked, request(), *chosen)) == []
    assert "84 rows of 8 items" in told(importing_)["bring-said"]
    assert told(handlers("chose")(files, "csv", asked, request(), *chosen))["bring-cleaned"], "the next choice is read"


def test_a_process_that_is_killed_is_told_and_the_app_goes_on(tmp_path: Path) -> None:
    asked: LatestRequest[Any] = LatestRequest(None)
    updates = handlers("dropped")([str(path) for path in visits(tmp_path)], asked, request())
    next(updates)
    os.kill(asked.now._process.pid, 9)
    assert "need more memory" in told(updates)["bring-said"]


def test_names_are_suggested_that_are_free(tmp_path: Path) -> None:
    assert suggested("reviews_Beauty_5.json.gz") == "reviews_Beauty_5"
    assert suggested("my ratings (1).csv") == "my-ratings-1"
    assert suggested("ml-1m.zip") == "ml-1m-2"
    assert suggested("???.csv") == "mine"
    assert len(suggested("x" * 300 + ".csv")) <= 60
    imported("mine", tmp_path)
    assert suggested("!.tsv") == "mine-2"


def test_a_column_whose_name_has_a_comma_can_be_said() -> None:
    text = importing.columns_of({"title": 'Name, "full"', "user": "uid"})
    assert DataConfig(columns=text).columns == text
    from engine.config_data import parse_columns

    assert parse_columns(text) == {"title": 'Name, "full"', "user": "uid"}
    assert parse_columns("user=a, item=b") == {"user": "a", "item": "b"}
    assert importing.columns_of({}) is None


@pytest.mark.browser
def test_files_are_dropped_columns_chosen_and_the_set_launched(
    page: Page, at_quiet_studio: Studio, tmp_path: Path
) -> None:
    page.goto(f"{at_quiet_studio.url}/data")
    expect(page.locator("#data-sets tr[data-dataset=synthetic]")).to_be_visible()
    page.locator("#bring-files input[type=file]").set_input_files(visits(tmp_path))
    expect(page.locator("#bring-cleaned")).to_contain_text("which column is the user")
    expect(page.locator("#bring-rows")).to_contain_text("<img src=x")
    for role, column in (("user", "Who"), ("item", "What"), ("timestamp", "Moment"), ("title", "Called")):
        page.locator(f"#bring-{role} input").click()
        page.get_by_role("option", name=column, exact=True).last.click()
    expect(page.locator("#bring-cleaned .dr-tile")).to_have_count(8)
    page.locator("#bring-name input").fill("visits")
    page.locator("#bring-import").click()
    expect(page.locator("#bring-said [role=status]")).to_contain_text("Imported as visits")
    assert page.evaluate("window.pwned") is None
    page.get_by_role("link", name="launch a run on it").click()
    expect(page.locator("#launch-command")).to_contain_text("--set data.dataset=visits")
    field = page.locator("#setting-data-dataset input")
    expect(field).to_have_value("visits")
    field.click()
    expect(page.get_by_role("option", name="visits", exact=True)).to_be_visible()

    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{at_quiet_studio.url}/data?dataset=visits")
    expect(page.locator("#data-charts .js-plotly-plot")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("#delete-data").click()
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        question, card = (page.locator(it).bounding_box() for it in ("#data-confirm .dr-notice", "#data-change"))
        assert question["x"] + question["width"] <= card["x"] + card["width"], "all of the question can be read"
    page.locator("#really-delete-data").click()
    expect(page.locator("#data-sets")).to_be_visible()
    expect(page.locator("#data-sets")).not_to_contain_text("visits")
