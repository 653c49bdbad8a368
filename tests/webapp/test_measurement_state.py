"""What the page about the pattern may ask for, and what becomes of those who ask something else meanwhile."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from smoke_runs import finished_run

from db import lifecycle, runs
from engine.environment import code_version
from engine.errors import StudioError
from engine.falsify.record import FILE, read_falsification
from engine.falsify.suite import falsify
from engine.models import Models
from engine.monitor import Monitor
from engine.run_folder import RunFolder
from engine.settings import load_config
from jobs import answers, api, measurements, requests
from webapp import measurement_state
from webapp.measurement_state import DRIVERS, PATTERN, TESTS, TRUST, MeasurementState


def test_while_tests_are_taken_others_get_the_runs_own_answers_and_do_not_disturb_them() -> None:
    folder = api.status(finished_run([], "Tested")).folder
    undisturbed = folder.with_name("r-aaaaaa")
    shutil.copytree(folder, undisturbed)

    def recommended() -> dict[str, Any]:
        known = requests.models(folder).dataset.catalogue.titles[:5]
        return requests.recommend(folder, {"titles": list(known)}, lambda _: None)

    before = recommended()
    meanwhile: dict[str, dict[str, Any]] = {}

    def tell(partial: Mapping[str, Any]) -> None:
        if partial["measuring"] not in meanwhile:
            meanwhile[partial["measuring"]] = recommended()

    answer = measurements.falsify(folder, {"users": 4}, tell)
    assert {"distil:gru4rec", "distil:random-lists", "falsify:1", "falsify:6"} <= meanwhile.keys()
    assert all(found == before for found in meanwhile.values())
    taken = read_falsification(RunFolder(folder))
    assert taken is not None
    assert answer == taken.model_dump(mode="json")
    measurements.falsify(undisturbed, {"users": 4}, lambda _: None)
    alone = read_falsification(RunFolder(undisturbed))
    assert alone is not None
    assert alone.findings == taken.findings


def test_a_run_without_a_soft_prompt_is_refused_before_anything_is_distilled_for_it() -> None:
    run_id = finished_run(["distill.prompt=none", "plus.enabled=false"], "Plain")
    folder = api.status(run_id).folder
    with pytest.raises(StudioError, match="no soft prompt"):
        measurements.falsify(folder, {}, lambda _: None)
    assert not (folder / "falsification").exists()
    seen = measurement_state.load({"run": run_id}, read_only=False)
    assert [seen.standing(what).due for what in (PATTERN, TESTS, TRUST)] == [False, False, True]
    assert "no soft prompt" in seen.standing(TESTS).wait


def test_what_is_about_one_row_is_asked_and_known_for_each_row_by_itself() -> None:
    config = load_config("smoke", overrides=["plus.enabled=false"])
    run = runs.create("Rows", config.model_dump(mode="json"), state="starting")
    RunFolder.create(run.folder, config, run.id)
    lifecycle.finish(run.id, "done")
    run_id = run.id

    def seen(model: str = "") -> measurement_state.MeasurementsView:
        return measurement_state.load({"run": run_id, "model": model}, read_only=False)

    default = seen().row
    other = next(row for row in ("delrec", "sasrec") if row != default)
    measurement_state.ask(TRUST, {"run": run_id, "model": other})
    assert (seen(other).standing(TRUST).busy, seen().standing(TRUST).due) == (True, True)
    measurement_state.ask(TRUST, {"run": run_id, "model": default})
    measurement_state.ask(DRIVERS, {"run": run_id, "model": other})
    assert [asked.request.get("model") for asked in api.explanations(run_id)] == [other, None, None]
    assert all(seen(row).standing(what).busy for row in ("", default, other) for what in (TRUST, DRIVERS))
    measurement_state.stop(TRUST, {"run": run_id, "model": other})
    assert (seen(other).standing(TRUST).due, seen().standing(TRUST).busy) == (True, True)
    api.ask("faithfulness", run_id, {"model": default, "users": 3})  # as the shell may ask
    assert seen().standing(TRUST).asked == api.explanations(run_id, "faithfulness")[-1]
    with pytest.raises(StudioError, match="no row 'nonsense'"):
        seen("nonsense")


def test_tests_taken_from_the_shell_are_there_and_only_the_others_are_due() -> None:
    run_id = finished_run(["plus.enabled=false"], "Shell")

    def seen(*, read_only: bool = False) -> measurement_state.MeasurementsView:
        return measurement_state.load({"run": run_id}, read_only=read_only)

    assert (seen().standing(TESTS).due, seen(read_only=True).standing(TESTS).due) == (True, False)
    assert seen().tests_request() == {}
    run = RunFolder.open(api.status(run_id).folder)
    falsify(Models.load(run, Monitor()), run, Monitor(), users=4, tests=[2, 6])
    left = {"users": 4, "tests": [1, 2, 3, 4, 5]}
    assert seen().tests_request() == left, "the second test names the other teacher, and there was none"
    measurements.falsify(run.path, {"users": 4, "tests": [2, 4]}, lambda _: None)
    assert seen().standing(TESTS).wait == "Not taken of these users: 1, 3, 5."
    assert seen().tests_request() == {"users": 4, "tests": [1, 3, 5]}
    measurements.falsify(run.path, seen().tests_request(), lambda _: None)
    assert seen().tests_left == []
    assert not seen().standing(TESTS).due
    assert seen().tests_request() == {"users": 4, "tests": [1, 2, 3, 4, 5, 6]}, (
        "should they be asked again, by other code"
    )


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("{}")])
def test_a_record_of_tests_that_was_lost_is_told_and_they_can_be_taken_again(harm: Callable[[Path], object]) -> None:
    run_id = finished_run(["plus.enabled=false"], f"Lost {id(harm)}")
    run = RunFolder.open(api.status(run_id).folder)

    def seen() -> MeasurementState:
        return measurement_state.load({"run": run_id}, read_only=False).standing(TESTS)

    measurement_state.ask(TESTS, {"run": run_id})
    (asked,) = api.explanations(run_id)
    assert answers.here("falsify", api.status(run_id), {})["findings"]
    assert not seen().due
    harm(run.path / FILE)
    assert seen().due
    assert seen().asked is None, "its answer is no longer what the run's folder holds"
    assert "take the tests again" in seen().wait
    measurement_state.ask(TESTS, {"run": run_id})
    (again,) = api.explanations(run_id)
    assert (again.id, again.state, again.answer) == (asked.id, "queued", None)
    assert answers.here("falsify", api.status(run_id), {})["findings"]
    assert not seen().due
    assert read_falsification(run) is not None


def test_what_the_shell_finds_takes_the_place_of_what_the_page_was_answered() -> None:
    run_id = finished_run(["plus.enabled=false"], "Renewed")
    run = RunFolder.open(api.status(run_id).folder)
    record = falsify(Models.load(run, Monitor()), run, Monitor(), users=4, tests=[6])

    def standing(answer: Mapping[str, Any]) -> MeasurementState:
        asked: Any = SimpleNamespace(state="done", request={"code": "000000000000"}, settled=True, answer=answer)
        seen = measurement_state.load({"run": run_id}, read_only=False)
        return dataclasses.replace(seen, asked={TESTS.kind: asked}).standing(TESTS)

    assert standing(record.model_dump(mode="json")).outdated
    older = record.model_copy(update={"users": 3})
    assert not standing(older.model_dump(mode="json")).outdated


def test_tests_taken_of_many_users_can_be_completed() -> None:
    assert measurements.FalsifyRequest.read({"users": 6040, "tests": [1]}).users == 6040
    with pytest.raises(StudioError, match="greater than or equal to 2"):
        measurements.FalsifyRequest.read({"users": 1})


def test_figures_that_other_code_measured_are_told_apart_and_can_be_measured_again() -> None:
    def measured(code: str, state: str = "done") -> MeasurementState:
        asked: Any = SimpleNamespace(state=state, request={"users": 4, "code": code}, settled=state == "done")
        return MeasurementState(asked=asked, there=state == "done", wait="", possible=True, repeat=False)

    assert (measured("000000000000").outdated, measured("000000000000").due) == (True, True)
    assert (measured("000000000000", "running").outdated, measured("000000000000", "running").due) == (False, False)
    assert (measured(code_version()).outdated, measured(code_version()).due) == (False, False)
    nothing = MeasurementState(asked=None, there=False, wait="", possible=True, repeat=False)
    assert (nothing.outdated, nothing.due) == (False, True)
