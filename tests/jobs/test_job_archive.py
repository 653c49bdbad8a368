"""Runs travel as archives, whole and exact; what lost its files does not leave."""

from __future__ import annotations

import json
import re
import shutil
import zipfile

import pytest
from archive_world import all_known, finished_run
from fake_recipe import chain, config
from job_support import wait_state, wait_step

from db import runs
from engine.errors import StudioError
from engine.run_folder import RunFolder
from jobs import api
from tests.pipeline_world import left_files


def test_a_run_comes_back_with_its_id_and_all_that_was_known_of_it(tmp_path):
    run_id = finished_run()
    before = all_known(run_id)
    api.export_run("first", tmp_path / "run.zip")
    api.delete(run_id)

    assert api.import_run(tmp_path / "run.zip") == run_id
    assert all_known(run_id) == before
    assert len(before["points"]) == 100
    assert before["files"].keys() >= {"run.json", "metrics.json", "adapter/adapter_model.safetensors", "log.txt"}
    assert (api.status(run_id).origin, api.status(run_id).host) == ("import", None)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_a_taken_id_and_a_taken_name_are_replaced_and_the_files_say_so(exported):
    first, second = api.import_run(exported), api.import_run(exported)
    assert first != second
    assert (api.status(first).name, api.status(second).name) == ("first", "first-1")
    assert api.results(second) == {**api.results(first), "run_id": second}
    folder = RunFolder.open(api.status(second).folder)
    assert folder.run_id == folder.report()["run_id"] == second
    assert RunFolder.open(api.status(first).folder).run_id == first


def test_the_tests_of_a_run_that_gets_another_id_go_with_it_and_damaged_ones_are_refused(tmp_path):
    run_id = finished_run()
    tested = api.status(run_id).folder / "falsification.json"
    tested.write_text(json.dumps({"run_id": run_id, "users": 12}))
    api.export_run(run_id, tmp_path / "run.zip")
    second = api.import_run(tmp_path / "run.zip")
    assert json.loads((api.status(second).folder / tested.name).read_text()) == {"run_id": second, "users": 12}
    tested.write_text("[1]")
    api.export_run(run_id, tmp_path / "damaged.zip")
    with pytest.raises(StudioError, match=r"falsification\.json is damaged"):
        api.import_run(tmp_path / "damaged.zip")


def test_a_chosen_name_is_used_or_refused(exported):
    assert api.status(api.import_run(exported, "mine")).name == "mine"
    for name in ("mine", " ", "r-abc234"):
        with pytest.raises(StudioError, match="name"):
            api.import_run(exported, name)
    assert [run.name for run in api.runs()] == ["mine"]


def test_an_unfinished_run_goes_on_elsewhere_from_its_checkpoint(start_worker, tmp_path):
    worker = start_worker()
    run_id = api.launch(config(steps=200))
    wait_step(run_id, 45)
    with pytest.raises(StudioError, match="cannot be exported, it is running"):
        api.export_run(run_id, tmp_path / "run.zip")
    api.cancel(run_id)
    wait_state(run_id, "cancelled")
    api.export_run(run_id, tmp_path / "run.zip")
    api.delete(run_id)
    assert api.import_run(tmp_path / "run.zip") == run_id
    assert json.loads((api.status(run_id).folder / "checkpoint.json").read_text())[0] >= 40
    api.resume(run_id)
    wait_state(run_id, "done")
    assert api.results(run_id)["chain"] == chain(200)
    assert [point.step for point in api.metrics(run_id)] == list(range(1, 201))
    assert worker.poll() is None


LEFT = [name for _, name in left_files(config())]
HARMS = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-7],
    "changed": lambda content: bytes([*content[:-3], content[-3] ^ 1, *content[-2:]]),
}


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize("harm", ["gone", *HARMS])
def test_a_run_that_lost_what_it_left_is_not_exported(tmp_path, name, harm):
    run = runs.get(finished_run())
    file = run.folder / name
    content = file.read_bytes()
    file.unlink()
    if harm in HARMS:
        file.write_bytes(HARMS[harm](content))
    with pytest.raises(StudioError, match=re.escape(name)):
        api.export_run(run.id, tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()


def test_a_run_without_its_folder_is_not_exported(tmp_path):
    run = runs.get(finished_run())
    shutil.rmtree(run.folder)
    with pytest.raises(StudioError, match="gone"):
        api.export_run(run.id, tmp_path / "run.zip")


@pytest.mark.parametrize("lost", [*[{name} for name in (*LEFT, "stages.json")], set(LEFT)])
def test_an_archive_without_what_the_run_left_is_refused(exported, lost):
    other = exported.with_name("lost.zip")
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(other, "w") as target:
        for entry in source.infolist():
            if entry.filename.removeprefix("files/") not in lost:
                target.writestr(entry, source.read(entry))
    before = runs.search()
    with pytest.raises(StudioError, match=re.escape(min(lost))):
        api.import_run(other)
    assert runs.search() == before


def test_an_archive_of_a_finished_run_without_any_file_is_refused(exported):
    other = exported.with_name("bare.zip")
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(other, "w") as target:
        for entry in source.infolist():
            if not entry.filename.startswith("files/"):
                target.writestr(entry, source.read(entry))
    with pytest.raises(StudioError, match="none of its files"):
        api.import_run(other)


def test_only_plain_files_of_known_kinds_leave(tmp_path):
    run_id = finished_run()
    folder = api.status(run_id).folder
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "model.pkl").write_bytes(b"pickle")
    (folder / "metrics.json.77.part").write_text("{")
    api.export_run(run_id, tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as found:
        names = {name.removeprefix("files/") for name in found.namelist()}
    assert names & {"link.txt", "model.pkl", "metrics.json.77.part"} == set()
    assert "metrics.json" in names


def test_an_archive_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path):
    run_id = finished_run()
    with pytest.raises(StudioError, match="cannot write the archive"):
        api.export_run(run_id, tmp_path / "missing" / "run.zip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StudioError, match="cannot write the archive"):
        api.export_run(run_id, tmp_path / "folder")
    assert [path.name for path in tmp_path.glob("*.part")] == []
