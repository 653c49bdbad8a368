"""Several questions are looked up at once, and looking asks nothing."""

from __future__ import annotations

from db import explanations, runs
from db.asked import progress
from db.owner import Owner
from engine.config import RunConfig

CONFIG = RunConfig().model_dump(mode="json")
ME = Owner(1, 1.0, "here")


def test_only_what_was_asked_about_this_run_is_told() -> None:
    run_id, other = runs.create("first", CONFIG).id, runs.create("other", CONFIG).id
    requests = [{"part": name} for name in ("a", "b", "c")]
    digests = [explanations.digest("explain", request) for request in requests]
    done, waiting = (explanations.ask(run_id, "explain", request) for request in requests[:2])
    explanations.ask(other, "explain", requests[2])
    explanations.claim(done.id, ME)
    explanations.finish(done.id, {"x": 1})
    found, workers = progress(run_id, digests)
    assert workers == []
    assert {digest: (it.id, it.state) for digest, it in found.items()} == {
        digests[0]: (done.id, "done"),
        digests[1]: (waiting.id, "queued"),
    }
    assert found[digests[0]].answer == {"x": 1}
    assert progress(run_id, digests, [done.id])[0][digests[0]].answer is None, "what is known is not read again"
    assert progress(run_id, []) == ({}, [])


def test_what_is_known_so_far_and_why_it_failed_are_told() -> None:
    run_id = runs.create("first", CONFIG).id
    asked = explanations.ask(run_id, "explain", {})
    explanations.claim(asked.id, ME)
    explanations.save_partial(asked.id, {"half": 1})
    assert progress(run_id, [asked.digest])[0][asked.digest].partial == {"half": 1}
    explanations.fail(asked.id, "no", "try again")
    found = progress(run_id, [asked.digest])[0][asked.digest]
    assert (found.state, found.partial, found.error, found.remedy) == ("failed", None, "no", "try again")
