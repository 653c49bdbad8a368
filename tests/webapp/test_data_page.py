"""The page *Data*: what is listed and shown, files that are brought, what a visitor who only looks may not do."""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect
from starlette.datastructures import QueryParams
from webapp_studio import Studio, pages

from engine import datasets
from engine.config import DataConfig
from engine.data import bringing
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.run_data import dataset_to_learn
from engine.run_folder import RunFolder
from engine.settings import load_config
from jobs import api, data_work
from webapp.access import Access
from webapp.events import Asked
from webapp.machine import Machine
from webapp.pages.bring import guessed_roles, suggested
from webapp.views.run import head as run_head

HOSTILE = "<img src=x onerror=window.pwned=1>\u202egnp.exe"
READ_ONLY = "this view is read-only"


def visits(folder: Path, users: int = 12, items: int = 8, each: int = 7) -> list[Path]:
    """Two tables whose columns have unusual names, one of them hostile text."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(
        f"p{user};g{(user + place) % items};4;{1_500_000_000 + 90 * user + place}\n"
        for user in range(users)
        for place in range(each)
    )
    (folder / "visits log.csv").write_text(f"Who;What;Stars;Moment\n{rows}", encoding="utf-8")
    titles = "".join(f"g{item};{HOSTILE if item == 0 else f'Thing {item}'};A|B\n" for item in range(items))
    (folder / "things.csv").write_text(f"What;Called;Kinds\n{titles}", encoding="utf-8")
    return [folder / "visits log.csv", folder / "things.csv"]


COLUMNS = "user=Who,timestamp=Moment,item=What,title=Called"


def imported(name: str, folder: Path) -> None:
    bringing.bring(visits(folder), name, "csv", DataConfig(columns=COLUMNS), Monitor())


def request(query: str = "") -> Any:
    return SimpleNamespace(query_params=QueryParams(query))


def handlers(name: str, access: Access = Access()) -> Callable[..., Any]:  # noqa: B008 - nobody changes it
    """The page's handler that is called so; in the module of the pages *Data* and *Bring your own*."""
    found = [
        block.fn
        for block in pages(access).fns.values()
        if block.fn is not None
        and getattr(block.fn, "__name__", "") == name
        and block.fn.__module__ in ("webapp.pages.data", "webapp.pages.bring")
    ]
    return found[0]


def told(updates: Iterator[dict[Any, Any]]) -> dict[str, Any]:
    """The last value of each component, by its element's id."""
    last: dict[str, Any] = {}
    for update in updates:
        for component, value in update.items():
            if component.elem_id:
                last[component.elem_id] = value
    return last


def test_all_data_sets_are_listed_with_state_and_terms() -> None:
    head, every, one, change, table, *_ = handlers("opened")(request())
    assert every.visible
    assert not one.visible
    assert not change.visible
    assert "Data sets" in head
    for name in datasets.names():
        assert f'data-dataset="{name}"' in table
    assert 'data-dataset="synthetic" data-state="built in"' in table
    assert 'data-dataset="csv" data-state="your files"' in table
    assert 'data-dataset="ml-1m" data-state="not here"' in table


def test_a_data_set_is_shown_in_figures_and_plots() -> None:
    *_, (said, figures, charts) = handlers("measured")(request("dataset=synthetic"))
    assert said == ""
    assert "1,594" in figures
    assert "Rare targets" in figures
    assert "data-steps" in figures
    for heading in ("Users by number of interactions", "Items by popularity", "Users by how rare their last item is"):
        assert heading in charts
    again = list(handlers("measured")(request("dataset=synthetic")))
    assert len(again) == 1, "kept for the next look"


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("dataset=nonsense", "there is no data set &#x27;nonsense&#x27;"),
        ("dataset=../../etc", "there is no data set"),
        ("dataset=<b>", "&lt;b&gt;"),
        ("run=r-zzzzzz", "no run"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(query: str, what: str) -> None:
    head, every, one, change, *_ = handlers("opened")(request(query))
    assert what in head
    assert "No such data set" in head
    assert not any(part.visible for part in (every, one, change))


def test_one_that_is_not_here_says_how_to_get_it() -> None:
    head, _, one, *_ = handlers("opened")(request("dataset=ml-1m"))
    assert "delrec data fetch ml-1m" in head
    assert not one.visible
    assert list(handlers("measured")(request("dataset=ml-1m"))) == []


def test_an_imported_one_can_be_renamed_and_deleted_and_says_which_runs_use_it(tmp_path: Path) -> None:
    imported("mine", tmp_path)
    run = api.launch(load_config("smoke", overrides=["data.dataset=mine"]), "smoke", "On mine")
    head, _, one, change, *_ = handlers("opened")(request("dataset=mine"))
    assert one.visible
    assert change.visible
    assert "On mine" in head
    assert "queued or under way" in handlers("renamed")("other", request("dataset=mine"))[0]
    assert "queued or under way" in handlers("deleted")(request("dataset=mine"))[0]
    api.cancel(run)
    for bad in ("", "../up", "ml-100k", "a b"):
        said, address = handlers("renamed")(bad, request("dataset=mine"))
        assert "dr-bad" in said
        assert address == ""
    assert handlers("renamed")(" yours ", request("dataset=mine")) == ("", "./data?dataset=yours")
    assert datasets.imported() == ("yours",)
    assert [used.name for used in data_work.used_by("yours")] == ["On mine"]
    assert datasets.reader("mine").about == datasets.reader("yours").about, "runs find it under the name they know"
    shown, question, _ = handlers("ask")(request("dataset=yours"))
    assert shown.visible
    assert "On mine" in question
    assert "fingerprint" in question
    assert handlers("deleted")(request("dataset=yours")) == ("", "./data?")
    assert datasets.imported() == ()
    assert "there is no imported data set" in handlers("deleted")(request("dataset=yours"))[0]
    assert "there is no imported data set" in handlers("deleted")(request("dataset=synthetic"))[0]


def test_a_former_name_that_another_has_now_is_that_one(tmp_path: Path) -> None:
    imported("first", tmp_path / "a")
    data_work.rename("first", "second")
    imported("first", tmp_path / "b")
    assert datasets.current("first") == "first"
    data_work.rename("second", "third")
    assert datasets.current("second") == "third"
    api.launch(load_config("smoke", overrides=["data.dataset=first"]), "smoke", "On the new first")
    assert [run.name for run in data_work.used_by("first")] == ["On the new first"]
    assert data_work.used_by("third") == []
    assert datasets.current("nonsense") is None


def test_programs_list_describe_rename_and_delete(tmp_path: Path) -> None:
    imported("mine", tmp_path)
    programs = Machine(Access())
    assert [row["name"] for row in programs.data_sets() if row["imported"]] == ["mine"]
    found = programs.data_set(request(), "mine")
    assert (found["users"], found["items"], found["interactions"]) == (12, 8, 84)
    assert sum(found["rarity"].values()) == 12
    assert programs.rename_data_set(request(), "mine", "yours")["name"] == "yours"
    api.cancel(api.launch(load_config("smoke", overrides=["data.dataset=mine"]), "smoke", "On mine"))
    assert programs.delete_data_set(request(), "yours") == ["On mine"]
    for refused in (
        lambda: programs.data_set(request(), "yours"),
        lambda: programs.delete_data_set(request(), "yours"),
        lambda: programs.rename_data_set(request(), "synthetic", "mine"),
        lambda: programs.data_set(request(), "ml-1m"),
    ):
        with pytest.raises(StudioError):
            refused()


def test_the_data_of_a_run_are_those_that_it_was_made_with(tmp_path: Path) -> None:
    imported("mine", tmp_path)
    config = load_config("smoke", overrides=["data.dataset=mine"])
    run = api.launch(config, "smoke", "Made")
    assert f"./data?run={run}" in run_head(api.status(run), None)
    head, _, one, change, *_ = handlers("opened")(request(f"run={run}"))
    assert "Data of Made" in head
    assert one.visible
    assert not change.visible
    *_, (said, figures, _) = handlers("measured")(request(f"run={run}"))  # it has not begun
    assert said == ""
    assert ">84<" in figures
    dataset_to_learn(RunFolder.create(api.status(run).folder, config, run), config, Monitor())
    api.cancel(run)
    data_work.delete("mine")
    bringing.bring(visits(tmp_path, users=13), "mine", "csv", DataConfig(columns=COLUMNS), Monitor())
    *_, (said, figures, _) = handlers("measured")(request(f"run={run}"))
    assert said == ""
    assert "Since this run was made its data were changed" in figures
    assert ">84<" in figures
    data_work.delete("mine")
    bringing.bring(visits(tmp_path, users=9), "mine", "csv", DataConfig(columns=COLUMNS), Monitor())
    *_, (said, _, _) = handlers("measured")(request(f"run={run}"))
    assert "the data are not those that the run was made with" in said


@pytest.mark.parametrize("access", [Access(), Access(read_only=True)], ids=["demo", "setting"])
def test_a_visitor_who_only_looks_changes_nothing(access: Access, tmp_path: Path) -> None:
    query = "dataset=mine" if access.read_only else "dataset=mine&demo=1"
    imported("mine", tmp_path)
    files = [str(path) for path in visits(tmp_path)]
    _, _, one, change, *_ = handlers("opened", access)(request(query))
    assert one.visible
    assert not change.visible
    assert not handlers("opened", access)(request(query.removeprefix("dataset=mine")))[5].visible
    said = [
        handlers("renamed", access)("yours", request(query))[0],
        handlers("deleted", access)(request(query))[0],
        handlers("ask", access)(request(query))[2],
        told(handlers("dropped", access)(files, Asked(None), request(query)))["bring-said"],
        told(handlers("kept", access)(files, "csv", {}, Asked(None), "new", request(query)))["bring-said"],
    ]
    assert all(READ_ONLY in text for text in said)
    assert datasets.imported() == ("mine",)


def test_columns_with_odd_names_are_chosen_and_the_files_imported(tmp_path: Path) -> None:
    files = [str(path) for path in visits(tmp_path)]
    found = told(handlers("dropped")(files, Asked(None), request()))
    assert "which column is the user" in found["bring-cleaned"]
    assert not found["bring-keep"].visible
    assert found["bring-columns"].visible
    assert ("Who", "Who") in found["bring-user"].choices
    assert found["bring-year"].value == "-"
    assert "<img" not in found["bring-rows"]
    assert "&lt;img src=x" in found["bring-rows"]
    assert "\u202e" not in found["bring-rows"]
    guess = guessed_roles([])
    chosen = ["Who", "What", "Moment", "Called", "-", "Kinds", "-", "-"]
    found = told(handlers("chose")(files, "csv", guess, Asked(None), request(), *chosen))
    assert found["bring-keep"].visible
    assert "84" in found["bring-cleaned"]
    bad = told(handlers("kept")(files, "csv", guess, Asked(None), "a b", request(), *chosen))
    assert "is no name for a data set" in bad["bring-said"]
    done = told(handlers("kept")(files, "csv", guess, Asked(None), "visits", request(), *chosen))
    assert "84 rows of 8 items by 12 users" in done["bring-said"]
    assert datasets.imported() == ("visits",)
    assert "there is a data set" in told(
        handlers("kept")(files, "csv", guess, Asked(None), "visits", request(), *chosen)
    )["bring-said"]  # fmt: skip


def test_a_file_that_cleaning_leaves_nothing_of_can_be_imported_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,timestamp,title\na,b,1,T\nc,d,2,U\n")
    found = told(handlers("dropped")([str(path)], Asked(None), request()))
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
    found = told(handlers("dropped")([str(path)], Asked(None), request()))
    assert what in found["bring-said"] + found.get("bring-cleaned", "")
    assert str(tmp_path) not in found["bring-said"], "strangers learn nothing of the disk"


def test_what_is_refused_at_the_first_look_is_not_imported_either(tmp_path: Path) -> None:
    for make in (_climbing_zip, _pickle):
        kept = told(handlers("kept")([str(make(tmp_path))], "", {}, Asked(None), "mine", request()))
        assert "dr-bad" in kept["bring-said"]
    assert datasets.imported() == ()
    assert not list(datasets.folder("mine").parent.glob("*/*"))


@pytest.mark.parametrize("name", [".hidden.csv", "two\nlines.csv", "left\u202eright.csv", "a\tb.csv"])
def test_hostile_names_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("user,item,timestamp,title\n")
    with pytest.raises(StudioError, match="no name for a file"):
        bringing.check_files([tmp_path / name], 1e9)


def test_size_and_number_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = visits(tmp_path)
    monkeypatch.setenv("DELREC_IMPORT_MB", "0.001")
    found = told(handlers("dropped")([str(path) for path in paths], Asked(None), request()))
    assert "too large" in found["bring-said"]
    with pytest.raises(StudioError, match="51 files"):
        bringing.check_files(paths[:1] * 51, 1e9)
    with pytest.raises(StudioError, match="no files"):
        bringing.check_files([], 1e9)


@pytest.mark.parametrize("name", ["DELREC_IMPORT_MB", "DELREC_IMPORT_SECONDS"])
@pytest.mark.parametrize("value", ["", "lots", "-1", "0", "nan", "inf"])
def test_limits_that_are_none_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StudioError, match=name):
        data_work.import_limits()


def test_it_is_given_up_after_the_time_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_IMPORT_SECONDS", "0.05")
    files = [str(path) for path in visits(tmp_path)]
    found = told(handlers("kept")(files, "csv", {}, Asked(None), "mine", request()))
    assert "was given up" in found["bring-said"]
    assert found["bring-import"].interactive
    assert datasets.imported() == ()


def test_work_is_stopped_and_its_process_is_gone(tmp_path: Path) -> None:
    asked: Asked[Any] = Asked(None)
    updates = handlers("dropped")([str(path) for path in visits(tmp_path)], asked, request())
    next(updates)
    process = asked.now._process
    handlers("stopped")(asked)
    assert "Stopped" in told(updates)["bring-said"]
    assert process.poll() is not None
    handlers("stopped")(Asked(None))


def test_a_process_that_is_killed_is_told_and_the_app_goes_on(tmp_path: Path) -> None:
    asked: Asked[Any] = Asked(None)
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
    text = bringing.columns_of({"title": 'Name, "full"', "user": "uid"})
    assert DataConfig(columns=text).columns == text
    from engine.config_data import columns_said

    assert columns_said(text) == {"title": 'Name, "full"', "user": "uid"}
    assert columns_said("user=a, item=b") == {"user": "a", "item": "b"}
    assert bringing.columns_of({}) is None


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
    page.locator("#really-delete-data").click()
    expect(page.locator("#data-sets")).to_be_visible()
    expect(page.locator("#data-sets")).not_to_contain_text("visits")


def test_the_launch_form_offers_what_was_imported_since(tmp_path: Path) -> None:
    opened = next(
        block.fn
        for block in pages().fns.values()
        if getattr(block.fn, "__name__", "") == "opened" and block.fn.__module__ == "webapp.pages.launch"
    )
    imported("since", tmp_path)
    for query in ("", "set=data.dataset%3Dsince"):
        updates = [part for part in opened(request(query)) if isinstance(part, gr.Dropdown)]
        offered = [update for update in updates if ("since", "since") in update.choices]
        assert len(offered) == 1
