"""The page *Data*: what is listed and shown, renamed and deleted, and what a visitor who only looks may not do."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest
from data_world import COLUMNS, READ_ONLY, handlers, imported, request, told, visits
from webapp_studio import pages

from engine import datasets
from engine.config import DataConfig
from engine.data import importing
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.run_data import dataset_to_learn
from engine.run_folder import RunFolder
from engine.settings import load_config
from jobs import api, data_work
from webapp.access import Access
from webapp.endpoints import Endpoints
from webapp.events import LatestRequest
from webapp.views.run import head as run_head


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
    programs = Endpoints(Access())
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
    assert "mine, read and cleaned" in head
    data_work.rename("mine", "yours")
    assert "yours (called mine when the run was made)" in handlers("opened")(request(f"run={run}"))[0]
    data_work.delete("yours")
    importing.import_files(visits(tmp_path, users=13), "mine", "csv", DataConfig(columns=COLUMNS), Monitor())
    *_, (said, figures, _) = handlers("measured")(request(f"run={run}"))
    assert said == ""
    assert "Since this run was made its data were changed" in figures
    assert ">84<" in figures
    data_work.delete("mine")
    importing.import_files(visits(tmp_path, users=9), "mine", "csv", DataConfig(columns=COLUMNS), Monitor())
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
        told(handlers("dropped", access)(files, LatestRequest(None), request(query)))["bring-said"],
        told(handlers("kept", access)(files, "csv", LatestRequest(None), "new", request(query), {}, None, "utf-8"))[
            "bring-said"
        ],
    ]
    assert all(READ_ONLY in text for text in said)
    assert datasets.imported() == ("mine",)


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
