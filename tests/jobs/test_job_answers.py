"""Questions about finished runs have a process of their own: no training holds them up, and a kill loses none."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import fake_kinds
import psutil
import pytest
from fake_recipe import config
from job_support import gone, kill, wait_for, wait_state, wait_step
from sqlalchemy import update

from db import explanations, lifecycle, runs, workers
from db.explanations import Explanation
from db.owner import Owner
from db.schema import ExplanationRow, WorkerRow
from db.store import writing
from engine.errors import StudioError
from jobs import answers, api, process, queues, requests

pytestmark = pytest.mark.answerer


@pytest.fixture(autouse=True)
def _echo(monkeypatch):
    monkeypatch.setattr(requests, "KINDS", dict(requests.KINDS))
    monkeypatch.setattr(requests, "ANSWERS", dict(requests.ANSWERS))
    monkeypatch.setattr(requests, "LONG", requests.LONG)
    fake_kinds.register()


@pytest.fixture
def done() -> str:
    """A finished run."""
    run = runs.create("first", config().model_dump(mode="json"), state="starting")
    run.folder.mkdir(parents=True)
    lifecycle.finish(run.id, "done")
    return run.id


def _settled(asked: Explanation) -> Explanation:
    found = api.wait_for_answer(asked.id, 60)
    assert found.settled, "waited in vain for an answer"
    return found


def _times_asked(run_id: str) -> int:
    return len((runs.run_folder(run_id).parent / "asked.txt").read_text().split())


def test_a_question_is_answered_beside_a_training_that_goes_on(start_worker, done):
    start_worker()
    long = api.launch(config(steps=2000))
    wait_step(long, 1)
    asked = _settled(api.ask("echo", "first", {"titles": ["Heat"]}))
    assert (asked.state, asked.run_id) == ("done", done)
    assert asked.answer["said"] == {"titles": ["Heat"]}
    assert asked.answer["run"] == done
    training = api.status(long)
    assert training.state == "running"
    assert asked.answer["pid"] not in (training.pid, training.worker_pid)
    assert asked.answer["parent"] == training.worker_pid
    api.cancel(long)
    wait_state(long, "cancelled")


def test_every_kind_has_a_function():
    assert all(callable(requests.load(kind)) for kind in requests.KINDS)


def test_an_answered_question_is_not_asked_again(start_worker, done):
    start_worker()
    first = _settled(api.ask("echo", done, {"number": 1, "k": 2}))
    again = api.ask("echo", done, {"k": 2, "number": 1})
    assert again == first
    assert _times_asked(done) == 1
    assert [entry.id for entry in api.explanations("first", "echo")] == [first.id]


@pytest.mark.parametrize(
    ("way", "error", "remedy"),
    [
        ("bad-input", "no such user (user)", "choose another"),
        ("bug", "crashed: KeyError: 'effect'", "what the worker printed tells more"),
        ("not-json", "crashed: TypeError: Object of type set is not JSON serializable", "ask again"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(done, way, error, remedy):
    asked = api.ask("echo", done, {"way": way})
    answers.answer(asked.id)
    failed = explanations.get(asked.id)
    assert (failed.state, failed.error, failed.answer) == ("failed", error, None)
    assert remedy in failed.remedy


def test_what_cannot_be_asked_is_refused_at_once(done):
    waiting = api.launch(config())
    with pytest.raises(StudioError, match=r"is queued.*ask about a finished run"):
        api.ask("echo", waiting, {})
    with pytest.raises(StudioError, match=r"'weather' can be asked.*choose one of recommend, explain, .*echo"):
        api.ask("weather", done, {})
    with pytest.raises(StudioError, match="too long"):
        api.ask("echo", done, {"titles": ["x" * answers.LONGEST_REQUEST]})
    with pytest.raises(StudioError, match="no run 'nothing'"):
        api.ask("echo", "nothing", {})
    assert explanations.unsettled() == []


def test_several_workers_answer_each_question_once(start_worker, done):
    asked = [api.ask("echo", done, {"number": number, "seconds": 0.05}) for number in range(6)]
    for entry in asked * 2:  # messages that come several times
        queues.answers().add(str(entry.id))
    start_worker()
    start_worker()
    assert {_settled(entry).answer["said"]["number"] for entry in asked} == set(range(6))
    assert _times_asked(done) == 6


def test_what_is_known_of_an_answer_so_far_can_be_read_while_it_is_found(start_worker, done):
    start_worker()
    asked = api.ask("echo", done, {"half": "the first words", "seconds": 1})
    wait_for(lambda: explanations.get(asked.id).partial == {"half": "the first words"}, "the first half")
    answered = _settled(asked)
    assert answered.answer["said"]["half"] == "the first words"
    assert answered.partial is None


def test_a_long_measurement_lets_a_short_question_pass(start_worker, done):
    start_worker()
    long = api.ask("measure", done, {})
    wait_for(lambda: (explanations.get(long.id).partial or {}).get("done", 0) > 2, "the measurement to be under way")
    short = _settled(api.ask("echo", done, {"number": 4}))
    assert short.state == "done"
    assert _settled(long).answer["steps"] > 2
    assert short.finished_at < explanations.get(long.id).finished_at
    assert _times_asked(done) == 1


def test_what_is_newer_is_answered_while_a_text_is_written(start_worker, done):
    start_worker()
    text = api.ask("write", done, {"words": 600})
    wait_for(lambda: (explanations.get(text.id).partial or {}).get("writing"), "the first words")
    newer = _settled(api.ask("echo", done, {"number": 4}))
    assert newer.state == "done"
    assert explanations.get(text.id).state == "running", "the text is not done yet, and goes on"
    api.stop_answer(text.id)


def test_a_text_that_nobody_waits_for_is_stopped_and_nothing_of_it_is_kept(start_worker, done):
    start_worker()
    text = api.ask("write", done, {"words": 600})
    wait_for(lambda: (explanations.get(text.id).partial or {}).get("writing"), "the first words")
    api.stop_answer(text.id)
    stopped = explanations.get(text.id)
    assert (stopped.state, stopped.partial, stopped.answer) == ("failed", None, None)
    assert stopped.error.startswith("stopped")
    assert _settled(api.ask("echo", done, {"number": 4})).state == "done", "the process goes on with the next question"
    short = api.ask("write", done, {"words": 2})
    assert _settled(short).answer == {"text": "word word "}
    api.stop_answer(short.id)
    assert explanations.get(short.id).state == "done", "what is answered stays answered"


def test_a_question_that_waits_can_be_stopped_and_asked_again(done):
    asked = api.ask("echo", done, {})
    api.stop_answer(asked.id)
    answers.answer(asked.id)
    assert explanations.get(asked.id).state == "failed"
    assert api.ask("echo", done, {}).state == "queued"


def test_changed_code_answers_anew(done, monkeypatch):
    first = api.ask("echo", done, {"number": 1})
    answers.answer(first.id)
    assert api.ask("echo", done, {"number": 1}).state == "done"
    with monkeypatch.context() as changed:
        changed.setattr(answers, "code_version", lambda: "other")
        again = api.ask("echo", done, {"number": 1})
    assert (again.state, again.id != first.id) == ("queued", True)
    answers.answer(again.id)
    assert "another version" in explanations.get(again.id).error, (
        "no answer under the name of code that did not give it"
    )


def test_an_answer_found_here_is_stored_and_a_stored_one_is_taken(done):
    heard = []
    found = answers.here("echo", runs.get(done), {"number": 1, "half": "so far"}, heard.append)
    assert heard == [{"half": "so far"}]
    assert api.ask("echo", done, {"number": 1, "half": "so far"}).answer == found
    assert answers.here("echo", runs.get(done), {"number": 1, "half": "so far"}) == found
    assert _times_asked(done) == 1
    with pytest.raises(StudioError, match=r"no such user \(user\) — choose another"):
        answers.here("echo", runs.get(done), {"way": "bad-input"})
    with pytest.raises(KeyError):
        answers.here("echo", runs.get(done), {"way": "bug"})
    assert {entry.state for entry in api.explanations(done)} == {"done", "failed"}


def test_what_another_process_works_on_is_waited_for(start_worker, done):
    start_worker()
    asked = api.ask("echo", done, {"seconds": 1})
    wait_for(lambda: explanations.get(asked.id).state == "running", "the question to be taken up")
    assert answers.here("echo", runs.get(done), {"seconds": 1})["pid"] == explanations.get(asked.id).pid
    assert _times_asked(done) == 1


def test_a_killed_process_is_replaced_and_its_question_answered_by_the_next(start_worker, done):
    start_worker()
    asked = api.ask("echo", done, {"seconds": 3})
    wait_for(lambda: explanations.get(asked.id).state == "running", "the question to be taken up")
    first = explanations.get(asked.id).pid
    kill(first)
    answered = _settled(asked)
    assert (answered.state, answered.attempts) == ("done", 2)
    assert answered.answer["pid"] == answered.pid != first


def test_a_question_that_kills_its_process_twice_is_given_up(start_worker, done):
    start_worker()
    failed = _settled(api.ask("echo", done, {"way": "die"}))
    assert (failed.state, failed.error, failed.attempts) == ("failed", "the process that answers was killed, twice", 2)
    assert _settled(api.ask("echo", done, {"number": 2})).state == "done"


def test_a_killed_worker_takes_the_process_that_answers_along_and_the_next_one_answers(start_worker, done):
    worker = start_worker()
    asked = api.ask("echo", done, {"seconds": 5})
    wait_for(lambda: explanations.get(asked.id).state == "running", "the question to be taken up")
    orphan = explanations.get(asked.id).pid
    kill(worker.pid)
    worker.wait()
    wait_for(lambda: gone(orphan), "the orphan to end")
    start_worker()
    assert _settled(asked).state == "done"


def test_a_message_that_was_lost_is_sent_again(done):
    asked = api.ask("echo", done, {})
    assert queues.answers().huey.storage.dequeue() is not None
    api.recover()
    assert queues.answers().pending() == {str(asked.id)}
    api.recover()
    assert len(queues.answers().huey.pending()) == 1


def test_a_question_taken_on_another_machine_is_lost_when_nothing_is_heard_from_its_process(done):
    asked = api.ask("echo", done, {})
    there = Owner(6, 6.0, "another-machine")
    explanations.claim(asked.id, there)
    api.recover()
    assert explanations.get(asked.id).state == "running", "a shell without any worker on its machine"
    _heard(asked.id, seconds_ago=60)
    late = threading.Timer(0.2, lambda: explanations.beat(asked.id, there))
    late.start()
    api.recover()
    late.join()
    assert explanations.get(asked.id).state == "running", "it gave a sign of life after all"
    _heard(asked.id, seconds_ago=60)
    api.recover()
    assert explanations.get(asked.id).state == "queued"


def test_whoever_answers_gives_signs_of_life(done):
    asked = api.ask("echo", done, {"seconds": 3})
    answering = threading.Thread(target=answers.answer, args=(asked.id,))
    answering.start()
    wait_for(lambda: explanations.get(asked.id).heartbeat is not None, "the question to be taken up")
    first = explanations.get(asked.id).heartbeat
    wait_for(lambda: explanations.get(asked.id).heartbeat > first, "a sign of life")
    answering.join()
    assert explanations.get(asked.id).state == "done"


def _heard(explanation_id, seconds_ago):
    heartbeat = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    with writing() as session:
        session.execute(update(ExplanationRow).where(ExplanationRow.id == explanation_id).values(heartbeat=heartbeat))


def test_a_worker_that_is_stopped_leaves_no_process_and_no_record(start_worker, done):
    worker = start_worker()
    wait_for(lambda: [it.process.pid for it in api.workers()] == [worker.pid], "the worker's record")
    wait_for(lambda: len(psutil.Process(worker.pid).children()) == 1, "the process that answers")
    (beside,) = psutil.Process(worker.pid).children()
    worker.terminate()
    assert worker.wait(30) == 0
    assert gone(beside.pid)
    assert api.workers() == []


def test_a_killed_worker_does_not_count_and_its_record_is_removed(start_worker):
    worker = start_worker()
    wait_for(lambda: len(api.workers()) == 1, "the worker's record")
    kill(worker.pid)
    worker.wait()
    assert api.workers() == []
    assert len(workers.known()) == 1
    api.recover()
    assert workers.known() == []


def test_elsewhere_only_the_last_sign_of_life_tells_and_a_reused_number_is_not_taken_for_a_worker():
    me = process.owner()
    reused = Owner(me.pid, me.started - 99, me.host)
    fresh, stale = Owner(1, 1.0, "second-machine"), Owner(1, 1.0, "third-machine")
    for owner in (reused, fresh, stale):
        workers.beat(owner)
    with writing() as session:
        session.execute(
            update(WorkerRow)
            .where(WorkerRow.host == stale.host)
            .values(heartbeat=datetime.now(UTC) - timedelta(seconds=60))
        )
    assert [worker.process for worker in api.workers()] == [fresh]
    api.recover()
    assert [worker.process for worker in workers.known()] == [fresh]
