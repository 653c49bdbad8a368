"""The database file: migrations, locks, damage."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, create_engine, text

from db import explanations, lifecycle, metrics, migrate, results, runs, stages, workers
from db.owner import Owner
from db.schema import Base
from db.store import database, reading, writing
from engine.config import RunConfig
from engine.errors import StudioError
from engine.paths import home

CONFIG = RunConfig().model_dump(mode="json")
VERSIONS = sorted(path.name[:4] for path in (migrate.FOLDER / "versions").glob("0*.py"))


def test_migrations_are_numbered_without_gaps():
    assert [f"{number:04}" for number in range(1, len(VERSIONS) + 1)] == VERSIONS


def test_migrations_end_in_the_schema_of_the_models():
    with database().connect() as connection:
        assert migrate.current(connection) == migrate.newest()
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def _insert_run(connection: Connection, run_id: str, **given: Any) -> None:
    """A run as the version of these tables would have written it."""
    now = datetime.now(UTC)
    values = {"id": run_id, "name": run_id, "state": "done", "origin": "new", "config": CONFIG, "seed": 0}
    values |= {"tags": [], "note": "", "created_at": now, "queued_at": now, "step": 0, "total": 3}
    values |= {"cancel_requested": False} | given
    table = Table("runs", MetaData(), autoload_with=connection)
    connection.execute(table.insert().values({column: values[column] for column in values if column in table.c}))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_any_earlier_version_upgrades_and_keeps_its_runs(version):
    home().mkdir(parents=True)
    engine = create_engine(f"sqlite:///{home() / 'studio.db'}")
    now = datetime.now(UTC)
    with engine.begin() as connection:
        migrate.upgrade(connection, version)
        _insert_run(connection, "r-abc234", name="old", created_at=now, step=3)
    engine.dispose()

    run = runs.find("old")
    assert (run.id, run.step, run.created_at) == ("r-abc234", 3, now)
    with writing() as session:
        metrics.append(run.id, [("distil", "loss", 1, 0.5)], session)
        results.save(run.id, {"models": [], "comparisons": []}, session)
    assert [point.value for point in metrics.since(run.id)] == [0.5]
    assert results.report(run.id) == {"models": [], "comparisons": []}
    assert explanations.ask(run.id, "recommend", {}).state == "queued"
    workers.beat(Owner(1, 1.0, "here"))
    assert [worker.process.pid for worker in workers.known()] == [1]
    with database().connect() as connection:
        assert migrate.current(connection) == migrate.newest()


def test_what_earlier_versions_took_over_as_a_whole_counts_as_saved():
    home().mkdir(parents=True)
    engine = create_engine(f"sqlite:///{home() / 'studio.db'}")
    now = datetime.now(UTC)
    with engine.begin() as connection:
        migrate.upgrade(connection, "0009")
        _insert_run(connection, "r-abc234", name="old", created_at=now, step=3)
        common = "INSERT INTO stages (run_id, name, position, state, seconds, step, total, unit, sources) VALUES"
        for place, (name, sources) in enumerate(
            (("teacher", '{"": "r-x"}'), ("distil", None), ("evaluate", '{"markov": "r-x"}'))
        ):
            row = {"name": name, "place": place, "sources": sources}
            connection.execute(text(f"{common} ('r-abc234', :name, :place, 'done', 7.5, 1, 1, '', :sources)"), row)
    engine.dispose()
    assert [stage.saved for stage in stages.of("r-abc234")] == [7.5, 0.0, 0.0]
    assert stages.sharing(["r-abc234"]) == stages.Sharing(begun=3, taken=1, seconds=7.5, parts=1)


@pytest.mark.parametrize(("cancelled", "state"), [(False, "pausing"), (True, "cancelling")])
def test_a_run_that_an_earlier_version_was_pausing_or_cancelling_still_is(cancelled: bool, state: str):
    home().mkdir(parents=True)
    engine = create_engine(f"sqlite:///{home() / 'studio.db'}")
    with engine.begin() as connection:
        migrate.upgrade(connection, "0010")
        _insert_run(connection, "r-abc234", state="cancelling", cancel_requested=cancelled)
    engine.dispose()
    assert runs.get("r-abc234").state == state


def test_a_newer_file_is_refused_in_one_line_and_left_as_it_is():
    with writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    code = "from db.store import database; database()"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "has schema 0999, this DELRec Studio knows up to" in seen.stderr
    with reading() as session:
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0999"


def test_processes_that_open_a_new_file_together_migrate_it_once():
    code = "from db import runs; runs.search()"
    started = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[1] for process in started] == [b""] * 3


def test_a_new_file_that_another_process_is_writing_is_waited_for():
    home().mkdir(parents=True)
    other = sqlite3.connect(home() / "studio.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # before there is a write-ahead log, SQLite refuses to begin one, without waiting
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite3.connect(home() / "studio.db").execute("PRAGMA journal_mode=WAL")
    release = threading.Timer(0.3, other.rollback)
    release.start()
    assert runs.search() == []
    release.join()
    other.close()


def test_a_damaged_file_and_an_unusable_address_are_told_in_one_line(monkeypatch):
    home().mkdir(parents=True)
    (home() / "studio.db").write_bytes(b"not a database, but long enough to look like a file " * 50)
    with pytest.raises(StudioError, match="the database file is damaged"):
        runs.search()
    for url in ("nonsense", "oracle9://host/db", "sqlite://"):
        monkeypatch.setenv("DELREC_DATABASE_URL", url)
        with pytest.raises(StudioError, match="DELREC_DATABASE_URL"):
            runs.search()


def test_a_folder_without_write_permission_is_told_in_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DELREC_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StudioError, match="cannot write to the data folder"):
        runs.search()


def test_fifty_readers_never_lock_out_two_writers_and_no_point_is_lost():
    ids = [runs.create(None, CONFIG).id for _ in range(2)]
    for run_id in ids:
        lifecycle.claim(run_id, Owner(1, 1.0, "here"))
        lifecycle.begin(run_id, Owner(1, 1.0, "here"))
    batches, size = 40, 10

    def write(run_id: str) -> None:
        for batch in range(batches):
            points = [("distil", "loss", batch * size + step, 0.5) for step in range(size)]
            with writing() as session:
                metrics.append(run_id, points, session)
                assert lifecycle.beat(run_id, Owner(1, 1.0, "here"), {"step": batch}, session)

    def read(number: int) -> int:
        run_id, seen, after = ids[number % 2], 0, 0
        while seen < batches * size:
            runs.search()
            points = metrics.since(run_id, after)
            seen, after = seen + len(points), points[-1].id if points else after
        return seen

    with ThreadPoolExecutor(52) as pool:
        readers = [pool.submit(read, number) for number in range(50)]
        writers = [pool.submit(write, run_id) for run_id in ids]
        for writer in writers:
            writer.result()
        assert {reader.result() for reader in readers} == {batches * size}


def test_processes_that_read_and_then_write_wait_for_each_other():
    run = runs.create(None, CONFIG)
    code = f"""
from db.schema import RunRow
from db.store import writing
for _ in range(50):
    with writing() as session:
        session.get(RunRow, {run.id!r}).step += 1
"""
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert runs.get(run.id).step == 150


def test_a_failed_transaction_leaves_nothing():
    def fail() -> None:
        with writing() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with reading() as session:
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalar() == migrate.newest()
