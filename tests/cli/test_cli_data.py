"""A run knows its data: whoever asks it, in the shell, through the queue or on a page, is told when they are others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import csv_world
import gradio as gr
import pytest
from cli_shell import Shell
from csv_world import Rows, write
from stage_world import without_digests

from engine.errors import Cancelled, StudioError
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_data import UNCHECKED
from engine.run_folder import RunFolder
from engine.settings import load_config
from jobs import api, requests
from webapp.inspect.subjects import subjects_of
from webapp.pages import measurement_controls, users

QUICK = (
    *("data.dataset=csv", "data.min_interactions=4", "teacher.epochs=2", "teacher.validate_every=1"),
    *("distill.steps=2", "finetune.steps=2", "plus.enabled=false", "eval.users=8"),
)
TITLES = "Amber Amber A; Birch Birch B"
Change = Callable[[Rows, Rows], object]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A data folder with a finished run called "first", made of rows in no order, and what it recommends."""
    home = tmp_path_factory.mktemp("csv") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_HOME", str(home))
        data = write(home.parent / "data", csv_world.items(), csv_world.interactions())
        api.run_in_foreground(load_config("smoke", overrides=[*QUICK, f"data.path={data}"]), name="first")
        run = api.status("first")
        yield home, json.dumps(requests.recommend(run.folder, {"titles": TITLES.split("; "), "k": 5}, lambda _: None))


@pytest.fixture
def change(world: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Change], None]]:
    """Changes the run's data for one test; nothing that was loaded before is remembered."""
    home, _ = world
    monkeypatch.setenv("DELREC_HOME", str(home))
    folder = home.parent / "data"

    def to(how: Change) -> None:
        items, log = csv_world.items(), csv_world.interactions()
        how(items, log)
        shutil.rmtree(folder)
        write(folder, items, log)
        requests._loaded.cache_clear()

    yield to
    to(lambda items, log: None)


def other_rows(items: Rows, log: Rows) -> None:
    items.reverse()
    log.reverse()


def grown(items: Rows, log: Rows) -> None:
    items.insert(0, ["a", "Added Later", "2024"])
    log += [["u0", "a", "99999"], *(["new", row[0], row[2]] for row in items[:5])]


def another_title(items: Rows, log: Rows) -> None:
    items[0][1] = "Something Else"


def another_log(items: Rows, log: Rows) -> None:
    del log[3::7]


def test_rows_in_another_order_give_the_same_answer(
    world: tuple[Path, str], shell: Shell, change: Callable[[Change], None]
) -> None:
    change(other_rows)
    said = shell("recommend", "--run", "first", "--titles", TITLES, "--k", "5", "--json")
    assert (said.code, json.loads(said.out)) == (0, json.loads(world[1]))


def test_added_rows_change_no_answer_and_are_told_wherever_it_is_asked(
    world: tuple[Path, str], shell: Shell, change: Callable[[Change], None]
) -> None:
    change(grown)
    told = "data were changed: 1 item added, 6 interactions added. It answers from what it was made with"
    said = shell("recommend", "--run", "first", "--titles", TITLES, "--k", "5", "--json")
    answer, before = json.loads(said.out), json.loads(world[1])
    assert told in answer["notes"][0]
    assert {**answer, "notes": answer["notes"][1:]} == before
    assert told in " ".join(shell("recommend", "--run", "first", "--titles", TITLES).out.split())
    explained = shell("explain", "--run", "first", "--user", "u3", "--only", "summary")
    assert explained.code == 0
    assert told in " ".join(explained.out.split())
    assert told in shell("falsify", "--run", "first", "--tests", "6", "--users", "2").err
    run = api.status("first")
    assert told in users._draw({"run": run.id})[2]
    address = SimpleNamespace(query_params={"run": run.id}, headers={}, session={})
    assert told in measurement_controls.noted(gr.Request(address))  # type: ignore[arg-type]
    subjects = subjects_of(run)
    assert subjects.dataset is not None
    assert told in subjects.dataset.note
    assert "new" not in subjects.dataset.user_ids


@pytest.mark.parametrize(("how", "what"), [(another_title, "1 title changed"), (another_log, "interactions removed")])
def test_other_data_are_refused_with_what_differs(
    shell: Shell, change: Callable[[Change], None], how: Change, what: str
) -> None:
    change(how)
    asked = [
        ("recommend", "--titles", TITLES),
        ("explain", "--user", "u1", "--only", "order"),
        ("explain", "--user", "u1", "--item", "Amber Amber A"),
        ("faithfulness", "--users", "2"),
        ("falsify", "--tests", "3", "--users", "2"),
    ]
    for command, *words in asked:
        line = shell.refuses(command, "--run", "first", *words)
        assert "the data are not those that the run was made with" in line
        assert what in line
    run = api.status("first")
    for kind, request in (
        ("recommend", {"titles": ["Amber"], "k": 3}),
        ("pattern", {"users": 2}),
        ("explain", {"user": "u1"}),
    ):
        with pytest.raises(StudioError, match=what):
            requests.load(kind)(run.folder, request, lambda _: None)
    assert what in users._draw({"run": run.id})[2]
    subjects = subjects_of(run)
    assert (subjects.dataset, what in subjects.problem) == (None, True)


def test_what_was_mended_is_seen_without_a_restart(change: Callable[[Change], None]) -> None:
    change(another_title)
    assert subjects_of(api.status("first")).problem
    change(lambda items, log: None)
    assert not subjects_of(api.status("first")).problem


class StopIn(Monitor):
    """Asks to stop within a stage."""

    def __init__(self, stage: str) -> None:
        self.wanted, self.now = stage, ""

    def progress(self, stage: str, done: int, total: int) -> None:
        self.now = stage

    def should_stop(self) -> bool:
        return self.now == self.wanted


@pytest.mark.parametrize("stage", ["teacher", "distil"])
def test_an_unfinished_run_goes_on_with_its_own_data_or_not_at_all(
    world: tuple[Path, str], change: Callable[[Change], None], tmp_path: Path, stage: str
) -> None:
    config = RunFolder.open(api.status("first").folder).config()
    folder = tmp_path / "run"
    with pytest.raises(Cancelled):
        run_pipeline(config, folder, StopIn(stage))
    change(another_title)
    with pytest.raises(StudioError, match="1 title changed"):
        run_pipeline(config, folder, Monitor())
    change(grown)
    report = run_pipeline(config, folder, Monitor())
    assert report["models"] == api.results("first")["models"]
    assert "1 item added" in (folder / "log.txt").read_text()


def test_until_a_run_has_learned_anything_its_data_may_be_mended(
    change: Callable[[Change], None], tmp_path: Path
) -> None:
    config = RunFolder.open(api.status("first").folder).config()
    change(lambda items, log: (items.__delitem__(slice(5, None)), log.clear(), log.extend(few(items))))
    with pytest.raises(StudioError, match="more than the 5 items"):
        run_pipeline(config, tmp_path / "run", Monitor())
    change(lambda items, log: None)
    assert run_pipeline(config, tmp_path / "run", Monitor())["models"] == api.results("first")["models"]


def few(items: Rows) -> Rows:
    return [[f"u{user}", row[0], "5"] for user in range(3) for row in items]


def as_by_an_earlier_version(folder: Path, target: Path) -> RunFolder:
    """A copy of a run without fingerprint, in the format of that time."""
    shutil.copytree(folder, target)
    without_digests(target)
    (target / "data.safetensors").unlink()
    record = json.loads((target / "run.json").read_text())
    (target / "run.json").write_text(json.dumps({**record, "format": 1}))
    return RunFolder.open(target)


def test_runs_of_earlier_versions_are_answered_with_their_own_ids_and_a_sentence(
    change: Callable[[Change], None], tmp_path: Path
) -> None:
    change(lambda items, log: None)
    old = as_by_an_earlier_version(api.status("first").folder, tmp_path / "run")
    models = Models.load(old, Monitor())
    assert models.dataset.catalogue.raw_ids == tuple(row[0] for row in csv_world.items())  # the rows' order, as then
    answer = models.recommend(["Amber Amber A"], 3)
    assert answer.notes[0] == UNCHECKED
    assert answer.llm is not None


def test_a_run_of_this_version_without_its_fingerprint_is_damaged(
    change: Callable[[Change], None], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(api.status("first").folder, folder)
    (folder / "data.safetensors").unlink()
    with pytest.raises(StudioError, match=r"data\.safetensors is gone, which stage 'data' left"):
        Models.load(RunFolder.open(folder), Monitor())
