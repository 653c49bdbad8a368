"""Imported data sets are what their files were, under a name that is nobody else's; files are recognised."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from samples import LOG, WRITE, amazon_2014, recbole
from test_readers import EXPECTED, FILES, load, sample_users, shown

from engine import datasets
from engine.config import DataConfig
from engine.data import Dataset, imported, load_dataset
from engine.data.description import describe
from engine.data.guess import FORMATS, guess_format, preview, together
from engine.data.listing import listing
from engine.data.raw import Raw
from engine.data.readers.downloaded import Downloaded
from engine.errors import Cancelled, StudioError
from engine.fields import describe as settings
from engine.locations import data_fault, data_presence
from engine.monitor import Monitor
from engine.training_prompts import domain_of

GUESSED = [name for name in FILES if name not in ("beauty", "home-and-kitchen")]


def raw_of(name: str, path: Path) -> Raw:
    return datasets.reader(name).read(DataConfig(dataset=name, path=str(path)), 0, Monitor())


def loaded(name: str) -> Dataset:
    return load_dataset(DataConfig(dataset=name, min_interactions=3, min_item_interactions=1), 0, Monitor())


@pytest.mark.parametrize("name", FILES)
def test_an_imported_data_set_is_the_same_as_its_files(name: str, tmp_path: Path) -> None:
    rows = [*LOG, (*LOG[0][:2], LOG[-1][2])]  # repeats stay for the cleaning
    WRITE[name](tmp_path, rows)
    first = load(name, tmp_path)
    made = imported.save(raw_of(name, tmp_path), "mine", name, Monitor())
    assert (made.rows, made.users, made.format) == (len(rows), 3, name)
    again = loaded("mine")
    assert again.catalogue == first.catalogue
    assert shown(again) == shown(first)
    assert all(np.array_equal(a, b) for a, b in zip(again.timestamps, first.timestamps, strict=True))
    assert again.cleaning is not None
    assert first.cleaning is not None
    assert again.cleaning.dropped == first.cleaning.dropped
    assert data_presence(DataConfig(dataset="mine")) == "here"
    assert domain_of(DataConfig(dataset="mine")) == datasets.reader(name).domain
    assert datasets.reader("mine").items_at_least == datasets.reader(name).items_at_least


def test_it_is_a_choice_at_once_and_can_be_renamed_and_deleted(tmp_path: Path) -> None:
    recbole(tmp_path, LOG)
    imported.save(raw_of("recbole", tmp_path), "Bücher-2.0", "recbole", Monitor())
    choices = next(setting for setting in settings() if setting.name == "data.dataset").choices
    assert choices[-1] == "Bücher-2.0"
    imported.rename("Bücher-2.0", "books")
    assert datasets.imported() == ("books",)
    assert imported.about("books").name == "books"
    assert sample_users(loaded("books")) == EXPECTED
    imported.delete("books")
    assert datasets.imported() == ()
    for refused in (lambda: loaded("books"), lambda: imported.delete("books"), lambda: imported.rename("books", "b")):
        with pytest.raises(StudioError, match="there is no"):
            refused()


@pytest.mark.parametrize(
    "name",
    [
        *("", "../up", "a/b", "a\\b", ".hidden", "-x", "con:", "a b", "x" * 61, "a\n", "a\0b", "..", "a."),
        *("ml-100k", "CSV", "Steam", "taken", "TAKEN"),
    ],
)
def test_names_that_lead_astray_or_are_taken_are_refused(name: str, tmp_path: Path, delrec_home: Path) -> None:
    recbole(tmp_path, LOG)
    raw = raw_of("recbole", tmp_path)
    imported.save(raw, "taken", "recbole", Monitor())
    before = sorted(delrec_home.rglob("*"))
    with pytest.raises(StudioError, match=r"no name for a data set|there is a data set"):
        imported.save(raw, name, "recbole", Monitor())
    with pytest.raises(StudioError):
        imported.rename("taken", name)
    assert sorted(delrec_home.rglob("*")) == before


@pytest.mark.parametrize("part", [imported.LOG, imported.ITEMS, "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_damage_is_noticed(part: str, damage: str, tmp_path: Path) -> None:
    recbole(tmp_path, LOG)
    imported.save(raw_of("recbole", tmp_path), "mine", "recbole", Monitor())
    victim = datasets.folder("mine") / part
    content = victim.read_bytes()
    if damage == "gone":
        victim.unlink()
    else:
        victim.write_bytes(content[:-20] if damage == "cut" else b"{}")
    with pytest.raises(StudioError, match=r"is damaged|there is no data set"):
        loaded("mine")
    if damage == "gone":  # seen without reading, so that no run is begun on it
        assert data_fault(DataConfig(dataset="mine"))
        assert [row.state for row in listing() if row.name == "mine"] in (["damaged"], [])
    if datasets.imported():
        imported.delete("mine")
    else:
        with pytest.raises(StudioError, match=r"which holds no data set .*remove it"):
            imported.save(raw_of("recbole", tmp_path), "mine", "recbole", Monitor())
        shutil.rmtree(datasets.folder("mine"))
    assert datasets.reader(imported.save(raw_of("recbole", tmp_path), "mine", "recbole", Monitor()).name).name == "mine"


def test_a_manifest_cannot_point_elsewhere(tmp_path: Path) -> None:
    recbole(tmp_path, LOG)
    imported.save(raw_of("recbole", tmp_path), "mine", "recbole", Monitor())
    manifest = datasets.folder("mine") / "manifest.json"
    facts = json.loads(manifest.read_text())
    facts["sha256"]["../../../etc/passwd"] = "0"
    manifest.write_text(json.dumps(facts))
    with pytest.raises(StudioError, match="is damaged"):
        loaded("mine")


def test_stopping_leaves_nothing(tmp_path: Path) -> None:
    class Stopping(Monitor):
        def should_stop(self) -> bool:
            return True

    recbole(tmp_path, LOG)
    with pytest.raises(Cancelled):
        imported.save(raw_of("recbole", tmp_path), "mine", "recbole", Stopping())
    assert datasets.imported() == ()
    assert not [path for path in datasets.folder("mine").parent.iterdir() if not path.name.endswith(".lock")]
    imported.save(raw_of("recbole", tmp_path), "mine", "recbole", Monitor())


@pytest.mark.parametrize("name", GUESSED)
def test_formats_are_guessed_from_files(name: str, tmp_path: Path) -> None:
    WRITE[name](tmp_path, LOG)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / ".DS_Store").write_text("x")
    assert guess_format(tmp_path) == name
    paths = sorted(tmp_path.glob("[!.R]*"))
    with together(paths) as path:
        assert guess_format(path) == name
        assert shown(load(name, path)) == shown(load(name, tmp_path))


def test_a_folder_with_several_categories_is_recognised_and_one_without_anything_is_not(tmp_path: Path) -> None:
    for category in ("Beauty", "Baby"):
        amazon_2014(tmp_path, LOG, category)
    assert guess_format(tmp_path) == "amazon-2014"
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match=f"no known format: nothing .*bring all files of one of {FORMATS[0]}"):
        guess_format(tmp_path / "empty")
    (tmp_path / "empty" / "photo.jpg").touch()
    with pytest.raises(StudioError, match=r"no known format: photo\.jpg"):
        guess_format(tmp_path / "empty")


@pytest.mark.parametrize(
    ("names", "near"),
    [
        (["reviews_Toys_5.json.gz"], "amazon-2014"),
        (["meta_Toys.jsonl.gz"], "amazon-2023"),
        (["Toys_5.json.gz"], "amazon-2018"),
        (["reviews_Toys_5.json", "meta_Beauty.json.gz"], "amazon-2014"),
        (["steam_reviews.json.gz"], "steam"),
        (["australian_users_items.json.gz", "steam_games.json.gz"], "steam"),
        (["x.inter"], "recbole"),
        (["some.set.item.gz"], "recbole"),
    ],
)
def test_files_that_lack_their_other_half_are_told_which(names: list[str], near: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(gzip.compress(b"{}\n") if name.endswith(".gz") else b"{}\n")
    with pytest.raises(StudioError, match=f"not all files of {near}: .* {near} is ") as failure:
        guess_format(tmp_path)
    reader = datasets.reader(near)
    assert isinstance(reader, Downloaded)
    assert reader.files in failure.value.remedy


def test_files_brought_together_are_left_where_they_are(tmp_path: Path) -> None:
    recbole(tmp_path, LOG)
    paths = sorted(tmp_path.iterdir())
    with together(paths) as path:
        assert path != tmp_path
    assert not path.exists()
    assert sorted(tmp_path.iterdir()) == paths
    with pytest.raises(StudioError, match="there is no"), together([tmp_path / "absent"]):
        pass
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / paths[0].name).touch()
    with pytest.raises(StudioError, match="same name"), together([paths[0], tmp_path / "b" / paths[0].name]):
        pass


@pytest.mark.parametrize("name", [name for name in GUESSED if name != "ml-100k"])
def test_first_rows_are_shown_without_reading_on(name: str, tmp_path: Path) -> None:
    WRITE[name](tmp_path, LOG)
    found = preview(tmp_path, name, rows=3)
    assert len(found.interactions) == len(found.items) == 3
    assert found.interactions[0][0] in ("A1", "1")
    assert all("river" in item.title.lower() or "silver" in item.title.lower() for item in found.items[:2])
    assert len(found.files) >= 2


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_of_a_data_set(name: str, tmp_path: Path) -> None:
    WRITE[name](tmp_path, LOG)
    config = DataConfig(dataset=name, path=str(tmp_path), min_interactions=3, min_item_interactions=1)
    found = describe(load_dataset(config, 0, Monitor()), config)
    assert (found.users, found.items, found.interactions) == (3, 5, 15)
    assert found.density == 1
    assert found.history == {"least": 5, "median": 5.0, "mean": 5.0, "most": 5}
    assert found.rare_targets == 1
    assert found.cleaning["rows"] == 15
    assert found.cleaning["dropped"] == {}
    json.dumps(found.json())
