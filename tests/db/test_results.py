"""Results come back as reported, whole and as numbers across runs."""

from __future__ import annotations

from db import lifecycle, results, runs
from db.results import Result
from db.store import writing
from engine.config import RunConfig

CONFIG = RunConfig().model_dump(mode="json")


def _report(value: float) -> dict:
    number = {"value": value, "low": value - 0.1, "high": value + 0.1}
    pair = {"a": "delrec", "b": "sasrec", "metric": "candidates.HR@1", "difference": 0.1, "low": 0.0, "high": 0.2}
    return {
        "run_id": "r-abc234",
        "users": 10,
        "models": [
            {"name": "sasrec", "kind": "teacher", "candidates": {"HR@1": number}, "full": {"HR@1": number}},
            {"name": "delrec", "kind": "llm", "candidates": {"HR@1": number}, "agreement": {"top1": 0.75, "tau": None}},
        ],
        "comparisons": [pair],
    }


def _done(name: str, value: float) -> str:
    run_id = runs.create(name, CONFIG).id
    with writing() as session:
        results.save(run_id, _report(value), session)
    return run_id


def test_the_report_comes_back_as_it_was():
    run_id = _done("mine", 0.5)
    assert results.report(run_id) == _report(0.5)
    assert results.report(runs.create("other", CONFIG).id) is None


def test_numbers_are_chosen_across_runs_in_the_order_of_the_reports():
    first, second = _done("first", 0.5), _done("second", 0.6)
    assert [(r.model, r.protocol, r.metric, r.value) for r in results.table([first])] == [
        ("sasrec", "candidates", "HR@1", 0.5),
        ("sasrec", "full", "HR@1", 0.5),
        ("delrec", "candidates", "HR@1", 0.5),
        ("delrec", "agreement", "top1", 0.75),
        ("delrec", "agreement", "tau", None),
    ]
    chosen = results.table([first, second], models=["delrec"], protocols=["candidates"], metrics=["HR@1"])
    assert {r.run_id: r.value for r in chosen} == {first: 0.5, second: 0.6}
    assert results.table([first], models=["delrec"], metrics=["HR@1"]) == [
        Result(first, "delrec", "llm", "candidates", "HR@1", 0.5, 0.4, 0.6)
    ]


def test_a_run_that_is_evaluated_again_replaces_its_results():
    run_id = _done("mine", 0.5)
    with writing() as session:
        results.save(run_id, _report(0.7), session)
    assert {r.value for r in results.table([run_id], protocols=["candidates"])} == {0.7}


def test_a_deleted_run_takes_its_results_along():
    run_id = _done("mine", 0.5)
    with writing() as session:
        assert lifecycle.remove(run_id, session)
    assert results.report(run_id) is None
    assert results.table([run_id]) == []


def test_the_headline_is_that_of_the_last_llm_row():
    run_id, without = _done("first", 0.5), runs.create("second", CONFIG).id
    report = _report(0.5)
    better = {"HR@1": {"value": 0.7, "low": 0.6, "high": 0.8}, "HR@5": {"value": 0.9, "low": 0.8, "high": 1.0}}
    report["models"].append({"name": "delrec-plus", "kind": "llm", "candidates": better, "full": better})
    with writing() as session:
        results.save(run_id, report, session)
    found = results.headline([run_id, without])
    assert {key: (row.model, row.value) for key, row in found.items()} == {
        (run_id, "candidates", "HR@1"): ("delrec-plus", 0.7)
    }


def test_slices_are_read_without_the_rest_and_reports_of_earlier_versions_have_none():
    old = _done("old", 0.5)
    new = runs.create("new", CONFIG).id
    part = {"by": "rarity", "name": "1-4", "users": 3, "models": {"delrec": {}}, "differences": {}}
    with writing() as session:
        results.save(new, {**_report(0.6), "slices": [part]}, session)
    assert results.slices([old, new]) == {old: [], new: [part]}
    assert results.slices([]) == {}
