"""A whole run from the shell: recorded, shown, stopped, killed, continued; and recommendations from it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli_shell import PATIENCE, Shell, listed, start, wait_until

from db import explanations, workers
from db.schema import RunRow
from db.store import reading
from engine.evaluate import read_predictions
from jobs import answers, api, process


def test_run_is_recorded_like_one_from_the_browser(shell: Shell, smoke: dict[str, Any]) -> None:
    with reading() as session:
        row = session.get(RunRow, smoke["run_id"])
        assert row is not None
        assert (row.name, row.state, row.preset) == ("first", "done", "smoke")
    (run,) = listed(shell)
    assert {"id", "name", "state", "stage", "step", "total", "error"} <= set(run)
    assert (run["id"], run["state"], run["error"]) == (smoke["run_id"], "done", None)
    assert run["step"] == run["total"] > 0


def test_json_file_is_the_runs_metrics_file(smoke: dict[str, Any], smoke_home: Path) -> None:
    assert smoke == json.loads((smoke_home / "runs" / smoke["run_id"] / "metrics.json").read_text())
    names = [model["name"] for model in smoke["models"]]
    llms = ["llm-zero-shot", "llm-distilled", "delrec", "delrec-plus"]
    assert names == ["popularity", "markov", "sasrec", "text", *llms]


def test_table_goes_to_standard_output_and_progress_to_standard_error(smoke: dict[str, Any], smoke_home: Path) -> None:
    said = json.loads((smoke_home / "said.json").read_text())
    assert "DELRec" in said["out"]
    assert "HR@1" in said["out"]
    assert "Stage 1" not in said["out"]
    assert "Stage 1: distil soft prompt done in" in said["err"]
    assert smoke["run_id"] in said["err"]


def test_runs_are_listed_and_found_by_text(shell: Shell, smoke: dict[str, Any]) -> None:
    assert "first" in shell("runs").out
    assert "first" in shell("runs", "smok").out
    assert "no run matches" in shell("runs", "quick").err
    (told,) = listed(shell)
    ours = smoke["models"][-1]
    assert told["figures"]["model"] == ours["name"]
    assert told["figures"]["candidates.HR@1"] == ours["candidates"]["HR@1"]
    assert told["seconds"] > 0


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_resumed_run_equals_an_uninterrupted_one(
    shell: Shell,
    delrec_home: Path,
    smoke: dict[str, Any],
    smoke_home: Path,
    stop: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DELREC_HOME", str(delrec_home))
    process = start(delrec_home, "run", "--preset", "smoke")

    def in_stage_two() -> bool:
        return any('"finetune"' in curves.read_text() for curves in delrec_home.glob("runs/*/curves.jsonl"))

    wait_until(in_stage_two, process)
    process.send_signal(stop)
    _, err = process.communicate(timeout=PATIENCE)
    (run,) = listed(shell)
    if stop == signal.SIGINT:
        assert process.returncode == 130
        assert "Stopping at the next step" in err
        assert f"delrec resume {run['id']}" in err
        assert run["state"] == "cancelled"
    else:
        assert run["state"] == "interrupted"

    file = delrec_home / "results.json"
    said = shell("resume", run["id"][:5], "--json", str(file))
    assert said.code == 0, said.err
    assert "Train teacher done before" in said.err
    resumed = json.loads(file.read_text())
    for part in ("models", "comparisons", "protocol", "users", "seed"):
        assert resumed[part] == smoke[part]
    assert {stage["name"] for stage in resumed["stages"]} == {stage["name"] for stage in smoke["stages"]}


def test_a_process_that_dies_ends_the_others_with_its_reason_and_one_alone_goes_on(
    shell: Shell, delrec_home: Path, smoke: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELREC_HOME", str(delrec_home))
    process = start(delrec_home, "run", "--preset", "smoke", "--processes", "2", "--set", "run.placement=sharded")

    def in_stage_one() -> bool:
        return any('"distil"' in curves.read_text() for curves in delrec_home.glob("runs/*/curves.jsonl"))

    wait_until(in_stage_one, process)
    (other,) = psutil.Process(process.pid).children()
    other.kill()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, err
    (run,) = listed(shell)
    assert (run["state"], run["error"]) == ("failed", "process 2 of 2 ended: killed from outside (SIGKILL)")
    assert "resume it: it goes on from its last checkpoint" in err

    file = delrec_home / "results.json"
    said = shell("resume", run["id"], "--processes", "1", "--json", str(file))
    assert said.code == 0, said.err
    assert json.loads(file.read_text())["models"] == smoke["models"]  # of a run in a single process


def test_a_launchers_number_of_processes_is_the_number(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "1")
    assert "the launcher started 4 processes, not 2" in shell.refuses("run", "--preset", "smoke", "--processes", "2")


def test_recommendations_take_ids_and_titles_with_the_separator(shell: Shell, smoke: dict[str, Any]) -> None:
    asked = ("recommend", "--run", "first", "--json", "--k", "2", "--titles")
    first = json.loads(shell(*asked, "Steins\\;Gate; Zzyzx; The Paper Island").out)
    assert [entry["title"] for entry in first["history"]][:2] == ["Steins;Gate", "Zzyzx"]
    pick = first["teacher"]["items"][0]
    again = json.loads(shell(*asked, pick["reference"]).out)
    assert [(entry["item"], entry["title"]) for entry in again["history"]] == [(pick["item"], pick["title"])]
    assert "no item has the id '?'" in shell.refuses(*asked, "id:?")


def test_recommendations_can_be_asked_of_a_worker(smoke: dict[str, Any]) -> None:
    known = api.ask("recommend", "first", {"titles": ["Zzyzx Quux"], "k": 3})
    answers.answer(known.id)
    found = explanations.get(known.id)
    assert (found.state, found.error) == ("done", None)
    assert found.answer is not None
    assert [entry["item"] for entry in found.answer["history"]] == [None]
    assert [len(found.answer[side]["items"]) for side in ("teacher", "llm")] == [3, 3]


def test_explanations_can_be_asked_of_a_worker_part_by_part(smoke: dict[str, Any], smoke_home: Path) -> None:
    predictions = read_predictions(smoke_home / "runs" / smoke["run_id"] / "predictions.parquet")
    user = str(predictions.table["user_id"][0])
    request = {"user": user, "parts": ["effects"], "prompt_of": [smoke["run_id"]]}
    known = api.ask("explain", "first", request)
    answers.answer(known.id)
    found = explanations.get(known.id)
    assert (found.state, found.error) == ("done", None)
    assert found.answer is not None
    assert found.answer["run_id"] == smoke["run_id"]
    assert len(found.answer["effects"]["model"]["delete"]["margin"]) == len(found.answer["history"])
    assert "gradients" not in found.answer


@pytest.mark.parametrize(
    ("kind", "request_", "reason"),
    [
        ("recommend", {}, "Field required (titles)"),
        ("recommend", {"titles": [1]}, "valid string (titles.0)"),
        ("recommend", {"titles": ["Heat"], "k": 0}, "greater than or equal to 1 (k)"),
        ("explain", {}, "whose recommendation?"),
        ("explain", {"user": "1", "how": "well"}, "Extra inputs are not permitted (how)"),
        ("explain", {"user": "1", "parts": ["soul"]}, "there is no part 'soul'"),
        ("explain", {"user": "nobody"}, "no test user 'nobody'"),
        ("explain", {"user": "1", "prompt_of": ["../../etc"]}, "is not the id of a run"),
    ],
)
def test_unusable_questions_say_what_is_wrong(
    smoke: dict[str, Any], kind: str, request_: dict[str, Any], reason: str
) -> None:
    bad = api.ask(kind, "first", request_)
    answers.answer(bad.id)
    assert reason in str(explanations.get(bad.id).error)


def test_queued_runs_without_a_worker_are_told(shell: Shell) -> None:
    assert "no worker" not in shell("runs").err
    queueing = [("launch",), ("experiment", "--seeds", "0-1"), ("tune", "--vary", "finetune.lr=1e-4..1e-2")]
    for command, waiting in zip(queueing, (1, 2, 1), strict=True):
        assert f"{waiting} queued, but no worker is running" in shell(*command, "--preset", "smoke").err
    assert "4 queued, but no worker is running" in shell("runs").err
    workers.beat(process.owner())
    assert "no worker" not in shell("runs").err + shell("launch", "--preset", "smoke").err


def test_launch_queues_and_cancel_takes_back(shell: Shell) -> None:
    first, second = shell("launch", "--preset", "smoke"), shell("launch", "--preset", "smoke", "--name", "second")
    assert "queued as #1" in first.err
    assert "second: queued as #2" in second.err
    states = {run["id"]: (run["state"], run["position"]) for run in listed(shell)}
    assert states == {first.out.strip(): ("queued", 1), second.out.strip(): ("queued", 2)}
    assert "cancelled" in shell("cancel", "second").out
    again = shell("resume", "second", "--queue")
    assert again.out.strip() == second.out.strip()
    assert "queued as #2" in again.err


def test_recommendations_stand_side_by_side_and_name_unknown_titles(shell: Shell, smoke: dict[str, Any]) -> None:
    from engine.data import load_dataset
    from engine.monitor import Monitor
    from engine.settings import load_config

    catalogue = load_dataset(load_config("smoke").data, 0, Monitor()).catalogue
    typed = catalogue.titles[3].lower()
    said = shell("recommend", "--run", "first", "--titles", f"{typed}; Zzyzx Quux", "--k", "4", "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert [entry["item"] for entry in answer["history"]] == [3, None]
    assert answer["teacher"]["model"] == "sasrec"
    assert answer["llm"]["model"] == "delrec-plus", "the run's last stage answers"
    assert [len(answer[side]["items"]) for side in ("teacher", "llm")] == [4, 4]

    shown = shell("recommend", "--run", "first", "--titles", typed, "--titles", "Zzyzx Quux", "--k", "4")
    assert catalogue.display(3) in shown.out
    assert "Zzyzx Quux" in shown.out
    assert answer["teacher"]["items"][0]["title"] in shown.out
    assert answer["llm"]["items"][0]["title"] in shown.out
