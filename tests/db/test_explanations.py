"""A question is stored once for each run; of several processes one answers it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from db import explanations, lifecycle, runs
from db.owner import Owner
from db.store import writing
from engine.config import RunConfig
from engine.errors import StudioError

CONFIG = RunConfig().model_dump(mode="json")
ME = Owner(1, 1.0, "here")


@pytest.fixture
def run_id() -> str:
    return runs.create("first", CONFIG).id


def test_a_question_keeps_its_exact_request_and_its_answer(run_id):
    began = datetime.now(UTC)
    asked = explanations.ask(run_id, "recommend", {"titles": ["Amélie", "Heat"], "k": 5})
    assert (asked.state, asked.answer, asked.settled) == ("queued", None, False)
    assert explanations.claim(asked.id, ME)
    assert explanations.finish(asked.id, {"items": [{"score": 0.1 + 0.2}], "note": None})
    found = explanations.get(asked.id)
    assert (found.kind, found.request) == ("recommend", {"titles": ["Amélie", "Heat"], "k": 5})
    assert (found.state, found.answer) == ("done", {"items": [{"score": 0.1 + 0.2}], "note": None})
    assert found.settled
    assert began <= found.created_at <= found.finished_at


def test_the_same_question_is_stored_once_whatever_the_order_of_its_keys(run_id):
    first = explanations.ask(run_id, "recommend", {"a": 1, "b": [1, 2]})
    assert explanations.ask(run_id, "recommend", {"b": [1, 2], "a": 1}).id == first.id
    other = runs.create("other", CONFIG).id
    different = [
        explanations.ask(run_id, "recommend", {"a": 1, "b": [2, 1]}),
        explanations.ask(run_id, "effects", {"a": 1, "b": [1, 2]}),
        explanations.ask(other, "recommend", {"a": 1, "b": [1, 2]}),
    ]
    assert len({first.id, *(entry.id for entry in different)}) == 4
    assert [entry.id for entry in explanations.of(run_id)] == [first.id, different[0].id, different[1].id]
    assert [entry.id for entry in explanations.of(run_id, "effects")] == [different[1].id]
    assert first.digest == different[2].digest == explanations.digest("recommend", {"b": [1, 2], "a": 1})


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes"])
def test_a_request_that_is_not_json_is_refused(run_id, value):
    with pytest.raises(StudioError, match="the question is not JSON"):
        explanations.ask(run_id, "recommend", {"a": value})
    assert explanations.of(run_id) == []


def test_only_one_process_claims_a_question_and_only_a_claimed_one_is_answered(run_id):
    asked = explanations.ask(run_id, "recommend", {})
    assert not explanations.finish(asked.id, {})
    assert [explanations.claim(asked.id, ME), explanations.claim(asked.id, Owner(2, 2.0, "there"))] == [True, False]
    found = explanations.get(asked.id)
    assert (found.state, found.host, found.pid, found.attempts) == ("running", "here", 1, 1)
    assert not explanations.release(asked.id, datetime.now(UTC)), "there was a later sign of life"
    assert explanations.release(asked.id, found.heartbeat)
    assert [entry.id for entry in explanations.unsettled()] == [asked.id]
    assert explanations.claim(asked.id, Owner(2, 2.0, "there"))
    assert (explanations.get(asked.id).pid, explanations.get(asked.id).attempts) == (2, 2)


def test_what_is_known_so_far_stands_until_the_question_is_settled_or_given_back(run_id):
    asked = explanations.ask(run_id, "recommend", {})
    assert not explanations.save_partial(asked.id, {"half": 1}), "nobody works on it"
    explanations.claim(asked.id, ME)
    assert explanations.get(asked.id).partial is None
    assert explanations.save_partial(asked.id, {"half": 1})
    assert explanations.save_partial(asked.id, {"half": 2})
    assert explanations.get(asked.id).partial == {"half": 2}
    for end in (
        lambda: explanations.release(asked.id, explanations.get(asked.id).heartbeat),
        lambda: explanations.fail(asked.id, "no", "yes"),
        lambda: explanations.finish(asked.id, {"whole": 4}),
    ):
        explanations.ask(run_id, "recommend", {})
        explanations.claim(asked.id, ME)
        explanations.save_partial(asked.id, {"half": 3})
        assert end()
        assert explanations.get(asked.id).partial is None


def test_one_that_failed_says_why_and_is_tried_again_when_asked_again(run_id):
    asked = explanations.ask(run_id, "recommend", {})
    explanations.claim(asked.id, ME)
    explanations.fail(asked.id, "no titles", "give some")
    failed = explanations.get(asked.id)
    assert (failed.state, failed.error, failed.remedy, failed.settled) == ("failed", "no titles", "give some", True)
    assert explanations.unsettled() == []
    again = explanations.ask(run_id, "recommend", {})
    assert (again.id, again.state, again.error, again.attempts) == (asked.id, "queued", None, 0)


def test_answers_found_elsewhere_are_added_and_do_not_replace_own_ones(run_id):
    found = datetime(2026, 1, 2, tzinfo=UTC)
    with writing() as session:
        explanations.append(run_id, "recommend", {"k": 1}, {"items": [1]}, found, session)
        explanations.append(run_id, "recommend", {"k": 1}, {"items": [2]}, found, session)
    (entry,) = explanations.of(run_id)
    assert (entry.state, entry.answer, entry.created_at) == ("done", {"items": [1]}, found)


def test_a_deleted_run_takes_its_explanations_along(run_id):
    asked = explanations.ask(run_id, "recommend", {})
    lifecycle.request_cancel(run_id)
    with writing() as session:
        assert lifecycle.remove(run_id, session)
    with pytest.raises(StudioError, match=f"no explanation {asked.id}"):
        explanations.get(asked.id)
