"""Database and queue on servers, as several machines share them. Each test has an empty one of its own."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import servers
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fake_recipe import chain, config
from job_support import wait_state, wait_step

from db import clock, lifecycle, metrics, migrate, runs, workers
from db.metrics import Best
from db.owner import Owner
from db.schema import Base
from db.store import DatabaseUnreachable, database, writing
from engine.config import RunConfig
from engine.curves import CurveName
from engine.errors import StudioError
from jobs import api, queues, recovery

CONFIG = RunConfig().model_dump(mode="json")
NUMBERS = itertools.count()
ON_REDIS = pytest.param("redis", marks=pytest.mark.server("redis"))
ON_POSTGRES = pytest.param("postgres", marks=pytest.mark.server("postgres"))


@pytest.fixture(scope="module")
def redis_server() -> Iterator[str]:
    with servers.redis() as address:
        yield address


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with servers.postgres() as address:
        yield address


@pytest.fixture
def new_postgres(postgres_server: str) -> str:
    """An empty database: user, host, port and name."""
    import psycopg

    name = f"test{next(NUMBERS)}"
    with psycopg.connect(f"postgresql://postgres@{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgres@{postgres_server}/{name}"


@pytest.fixture
def queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """``DELREC_QUEUE_URL`` points to an empty queue on a server of this kind, and nothing else is set."""
    if request.param == "redis":
        url = f"redis://{request.getfixturevalue('redis_server')}/{next(NUMBERS)}"
    else:
        url = f"postgresql://{request.getfixturevalue('new_postgres')}"
    monkeypatch.setenv("DELREC_QUEUE_URL", url)


@pytest.fixture
def postgres(new_postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Database and queue are in one PostgreSQL."""
    monkeypatch.setenv("DELREC_DATABASE_URL", f"postgresql+psycopg://{new_postgres}")
    monkeypatch.setenv("DELREC_QUEUE_URL", f"postgresql://{new_postgres}")
    yield
    database().dispose()


@pytest.mark.parametrize("queue", [ON_REDIS, ON_POSTGRES], indirect=True)
def test_one_setting_moves_the_queue(queue, start_worker):
    start_worker()
    run_id = api.launch(config(steps=300))
    wait_step(run_id, 5)
    assert api.cancel(run_id) == "cancelling"
    wait_state(run_id, "cancelled")
    api.resume(run_id)
    wait_state(run_id, "done")
    assert api.results(run_id)["chain"] == chain(300)


@pytest.mark.parametrize("queue", [ON_REDIS, ON_POSTGRES], indirect=True)
def test_messages_on_a_server_are_signed_too(queue):
    run_id = api.launch(config())
    waiting = queues.training()
    assert waiting.pending() == {run_id}
    message = waiting.huey.storage.enqueued_items()[0]
    waiting.huey.storage.enqueue(message.replace(run_id.encode(), b"r-evil22"))
    assert waiting.pending() == {run_id}


@pytest.mark.parametrize("queue", [ON_REDIS, ON_POSTGRES], indirect=True)
def test_many_may_open_a_new_queue_at_the_same_time(queue):
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: queues.Queue(queues.TRAINING, print).pending(), range(8)))
    assert opened == [set()] * 8


@pytest.mark.parametrize("queue", [ON_REDIS, ON_POSTGRES], indirect=True)
def test_two_workers_on_one_queue_never_run_one_job(queue, start_worker):
    _two_workers_share_the_runs(start_worker)


@pytest.mark.server("postgres")
def test_two_workers_on_one_postgresql_never_run_one_job(postgres, start_worker):
    _two_workers_share_the_runs(start_worker)


def _two_workers_share_the_runs(start_worker):
    start_worker()
    start_worker()
    ids = [api.launch(config(steps=3)) for _ in range(4)]
    for run_id in ids * 3:  # messages that come several times
        queues.training().add(run_id)
    for run_id in ids:
        wait_state(run_id, "done")
        assert api.log_tail(run_id).count("distil: begins") == 1
        assert api.results(run_id)["chain"] == chain(3)


@pytest.mark.server("postgres")
def test_of_many_that_claim_one_run_on_postgresql_one_gets_it(postgres):
    run_id = runs.create("wanted", CONFIG).id
    with ThreadPoolExecutor(16) as pool:
        claimed = list(pool.map(lambda pid: lifecycle.claim(run_id, Owner(pid, 1.0, "here")), range(16)))
    assert sorted(claimed) == [False] * 15 + [True]


@pytest.mark.server("postgres")
def test_names_chosen_at_the_same_time_on_postgresql_are_all_different_and_a_given_one_is_given_once(postgres):
    database()

    def create(name: str | None) -> str:
        try:
            return runs.create(name, CONFIG, stem="smoke").name
        except StudioError as error:
            return str(error)

    with ThreadPoolExecutor(16) as pool:
        chosen = list(pool.map(create, [None] * 16))
        given = list(pool.map(create, ["mine"] * 16))
    assert set(chosen) == {f"smoke-{number}" for number in range(1, 17)}
    assert given.count("mine") == 1
    assert len([answer for answer in given if "exists already" in answer]) == 15


@pytest.mark.server("postgres")
def test_a_postgresql_in_which_another_process_never_ends_its_writing_is_told(postgres, monkeypatch):
    run_id = runs.create("first", CONFIG).id
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.3)
    with database().connect() as stopped:
        migrate.lock(stopped)
        with pytest.raises(DatabaseUnreachable, match="another program has locked the database"):
            lifecycle.request_cancel(run_id)
        assert runs.get(run_id).state == "queued"
    assert lifecycle.request_cancel(run_id) == "cancelled"


@pytest.mark.server("postgres")
@pytest.mark.parametrize("hours", [-3, 3])
def test_times_are_those_of_the_server_whatever_the_clock_of_a_machine_says(postgres, monkeypatch, hours):
    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=hours)

    before, fresh = datetime.now(UTC), Owner(1, 1.0, "elsewhere")
    monkeypatch.setattr(clock, "datetime", Wrong)
    run = runs.create("first", CONFIG)
    assert timedelta() <= run.created_at - before < timedelta(minutes=1)
    lifecycle.claim(run.id, fresh)
    workers.beat(fresh)
    assert recovery.settle() == []
    assert [worker.process for worker in api.workers()] == [fresh]
    steady = clock._steady
    monkeypatch.setattr(clock, "_steady", lambda: steady() + 30.0)  # time passes, and the server is not asked again
    assert recovery.settle() == [run.id]


@pytest.mark.server("postgres")
def test_processes_that_open_a_new_postgresql_together_migrate_it_once(postgres):
    code = "from db import runs; runs.search()"
    started = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[1] for process in started] == [b""] * 3
    with database().connect() as connection:
        assert migrate.current(connection) == migrate.newest()
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


@pytest.mark.server("postgres")
def test_curves_on_postgresql_count_repeated_steps_once_and_keep_their_peaks(postgres):
    run_id = runs.create("mine", CONFIG).id
    for steps in (range(10), range(5, 12)):
        with writing() as session:
            metrics.append(run_id, [("teacher", "validation.NDCG@10", step, float(step)) for step in steps], session)
    assert [point.step for point in metrics.since(run_id)] == list(range(12))
    (curve,) = metrics.curves([run_id], limit=8)
    assert (curve.steps, curve.values) == ((0, 3, 4, 7, 8, 11), (0.0, 3.0, 4.0, 7.0, 8.0, 11.0))
    assert metrics.best(run_id, [CurveName("teacher", "NDCG@10", validation=True)]) == {"teacher": Best(11, 11.0, 11)}
