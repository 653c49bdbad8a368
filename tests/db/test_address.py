"""Whatever the data folder is called, database and queue lie in it and nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from db import address, migrate, runs
from db.store import database, database_url
from engine.errors import StudioError
from engine.settings import load_config
from jobs import queues
from jobs.settings import job_settings

NAMES = [
    *("wh?t", "a?b=c", "a?mode=ro", "100%", "50%25", "%s", "%(here)s", "a%20b", "a#b", "me@host", "me:pw@host", "a b"),
    *(
        "a+b",
        "a&b;c",
        "'quoted'",
        '"quoted"',
        "~x",
        "file:x",
        "a:b",
        "ä文🎬",
        "[x]",
        "{x}",
        "$HOME",
        "a\\b",
        "-x",
        "x.",
    ),
]
CONFIG = load_config("smoke").model_dump(mode="json")


@pytest.mark.parametrize("name", NAMES)
def test_database_and_queue_lie_in_the_data_folder_whatever_it_is_called(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "inside" / name / "home"
    monkeypatch.setenv("DELREC_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    run = runs.create("first", CONFIG)
    assert [found.id for found in runs.search()] == [run.id]
    queue = queues.training()
    queue.add(run.id)
    assert queue.pending() == {run.id}
    assert {path.name for path in home.iterdir()} >= {"studio.db", "queue.db", "queue.key"}
    assert [path.name for path in (tmp_path / "inside").iterdir()] == [name]
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert database_url().database == str(home / "studio.db")
    assert address.given(str(database_url()), "X") == database_url()  # as it is told it can be written
    assert job_settings().queue == home / "queue.db"
    database().dispose()


@pytest.mark.parametrize("name", NAMES)
def test_migrations_are_found_wherever_the_program_lies(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name / "migrations"
    shutil.copytree(migrate.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrate, "FOLDER", folder)
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate.upgrade(connection)
        assert migrate.current(connection) == migrate.newest()


@pytest.mark.parametrize("setting", ["DELREC_DATABASE_URL", "DELREC_QUEUE_URL"])
@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("sqlite:///{folder}/wh?t/x.db", "write a ? in the name of a folder as %3F"),
        ("sqlite:///{folder}/wh?t=1/x.db", "write a ? in the name of a folder as %3F"),
        ("sqlite:///{folder}/x.db?timeout=5&colour=red", "are none"),
        ("sqlite://x.db", "write sqlite:///x.db"),
        ("sqlite://", "no file is named"),
        ("sqlite:///:memory:", "no file is named"),
    ],
)
def test_an_address_that_would_lead_elsewhere_is_refused(
    setting: str, written: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, written.format(folder=tmp_path))
    use = queues.training if setting == "DELREC_QUEUE_URL" else lambda: runs.create(None, CONFIG)
    with pytest.raises(StudioError, match=setting) as refused:
        use()
    assert told in str(refused.value)
    assert [path.name for path in tmp_path.iterdir() if path.name != "delrec-home"] == []


@pytest.mark.parametrize(
    ("written", "file"),
    [
        ("sqlite:///{folder}/x.db", "x.db"),
        ("sqlite:///{folder}/wh%3Ft.db", "wh?t.db"),
        ("sqlite:///{folder}/a%20b.db", "a b.db"),
        ("sqlite:///{folder}/a b.db", "a b.db"),
        ("sqlite:///{folder}/x.db?timeout=5", "x.db"),
    ],
)
def test_an_address_that_is_written_right_names_its_file(
    written: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = written.format(folder=tmp_path)
    monkeypatch.setenv("DELREC_DATABASE_URL", text)
    runs.create(None, CONFIG)
    database().dispose()
    assert (tmp_path / file).is_file()
    monkeypatch.setenv("DELREC_QUEUE_URL", text.replace(".db", ".queue"))
    assert queues.training().pending() == set()
    assert (tmp_path / file.replace(".db", ".queue")).is_file()
