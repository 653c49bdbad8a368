"""However a run is made, it means the same folders wherever it is worked on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import csv_world
import pytest
from csv_world import write

from db import runs
from engine.errors import Cancelled, StudioError
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_folder import RunFolder
from engine.settings import load_config
from jobs import api, foreground
from webapp.access import Access
from webapp.cli import main
from webapp.endpoints import Endpoints

RELATIVE = ("data.dataset=csv", "data.path=my-data", "data.min_interactions=4")
QUICK = ("teacher.epochs=2", "distill.steps=2", "finetune.steps=2", "plus.enabled=false", "eval.users=8")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders with other data of the same name; we stand in the first."""
    items, log = csv_world.items(), csv_world.interactions()
    first = write(tmp_path / "a" / "my-data", items, log).parent
    second = write(tmp_path / "b" / "my-data", [[row[0], f"Other {row[1]}", row[2]] for row in items], log).parent
    monkeypatch.chdir(first)
    return first, second


def by_api() -> None:
    api.launch(load_config("smoke", overrides=RELATIVE))


def by_retry() -> None:
    values = load_config("smoke", overrides=RELATIVE).model_dump(mode="json")
    api.retry(runs.create("old", values, state="failed").id)


def by_shell() -> None:
    assert main(["launch", "--preset", "smoke", *(word for it in RELATIVE for word in ("--set", it))]) == 0


def by_yaml() -> None:
    Path("mine.yaml").write_text("data: {dataset: csv, path: my-data, min_interactions: 4}\n")
    assert main(["launch", "--preset", "smoke", "--config", "mine.yaml"]) == 0


def by_program() -> None:
    request: Any = SimpleNamespace(query_params={}, cookies={}, headers={}, client=None)
    Endpoints(Access()).launch(request, "smoke", list(RELATIVE))


def in_foreground() -> None:
    def recipe(config: Any, folder: Path, monitor: Monitor) -> dict[str, Any]:
        raise Cancelled

    with pytest.raises(Cancelled):
        foreground.run(load_config("smoke", overrides=RELATIVE), None, None, None, recipe)


@pytest.mark.parametrize("make", [by_api, by_retry, by_shell, by_yaml, by_program, in_foreground])
def test_what_is_recorded_is_absolute(places: tuple[Path, Path], make: Callable[[], None]) -> None:
    make()
    assert api.runs()[0].config["data"]["path"] == str(places[0] / "my-data")


class StopInTeacher(Monitor):
    stopped = False

    def progress(self, stage: str, done: int, total: int) -> None:
        self.stopped = stage == "teacher"

    def should_stop(self) -> bool:
        return self.stopped


def test_a_run_that_goes_on_elsewhere_reads_the_same_data(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = load_config("smoke", overrides=[*RELATIVE, *QUICK]), tmp_path / "run"
    with pytest.raises(Cancelled):
        run_pipeline(config, folder, StopInTeacher())
    assert RunFolder.open(folder).config().data.path == str(places[0] / "my-data")
    monkeypatch.chdir(places[1])
    kept = RunFolder.open(folder).config()
    run_pipeline(kept, folder, Monitor())
    assert Models.load(RunFolder.open(folder), Monitor()).dataset.catalogue.titles[0].startswith("Birch")
    with pytest.raises(StudioError, match="another configuration"):
        run_pipeline(config, folder, Monitor())  # seen from here it means the other folder


def test_a_model_in_a_folder_of_its_own_is_found_from_anywhere(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places[0] / "my-model").mkdir()
    run_id = api.launch(load_config("smoke", overrides=["llm.name=my-model"]))
    assert api.status(run_id).config["llm"]["name"] == str(places[0] / "my-model")
    assert api.status(api.launch(load_config("smoke"))).config["llm"]["name"] == "tiny-causal"
