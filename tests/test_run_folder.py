"""A run is a folder that outlives crashes and refuses what it cannot read."""

import json

import pytest

from engine.errors import Cancelled, StudioError
from engine.folder_monitor import FolderMonitor
from engine.monitor import Monitor
from engine.run_folder import RunFolder
from engine.settings import load_config
from engine.whole_files import write_text


@pytest.fixture
def config():
    return load_config("smoke")


def test_configuration_is_read_back_equal(tmp_path, config):
    RunFolder.create(tmp_path / "r", config, "r-1")
    folder = RunFolder.open(tmp_path / "r")
    assert folder.config() == config
    assert folder.run_id == "r-1"


def test_another_configuration_is_refused(tmp_path, config):
    RunFolder.create(tmp_path / "r", config)
    with pytest.raises(StudioError, match="another configuration"):
        RunFolder.create(tmp_path / "r", load_config("smoke", overrides=["seed=1"]))


def test_newer_format_is_refused(tmp_path, config):
    RunFolder.create(tmp_path / "r", config)
    record = json.loads((tmp_path / "r/run.json").read_text())
    (tmp_path / "r/run.json").write_text(json.dumps(record | {"format": 99}))
    with pytest.raises(StudioError, match="newer DELRec Studio"):
        RunFolder.open(tmp_path / "r")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "x"}'])
def test_damaged_record_is_named(tmp_path, config, content):
    RunFolder.create(tmp_path / "r", config)
    (tmp_path / "r/run.json").write_text(content)
    with pytest.raises(StudioError, match=r"run\.json is damaged"):
        RunFolder.open(tmp_path / "r")


def test_a_file_that_was_cut_off_is_never_taken_for_a_whole_one(tmp_path, config):
    """What is left of a YAML file is YAML, and settings that are not there have defaults: only a digest tells."""
    folder = RunFolder.create(tmp_path / "r", config)
    whole = (folder.path / "config.yaml").read_text()
    lines = whole.splitlines(keepends=True)
    for cut in ("", whole[: len(whole) // 2], whole[:-1], *("".join(lines[:n]) for n in (1, 9, len(lines) - 1))):
        (folder.path / "config.yaml").write_text(cut)
        with pytest.raises(StudioError, match=r"config\.yaml is not what was written"):
            folder.config()
    (folder.path / "config.yaml").write_text(whole)
    assert folder.config() == config
    for path, read in ((folder.metrics, folder.report), (folder.path / "stages.json", folder.stages)):
        path.write_text('{"models": [')
        with pytest.raises(StudioError, match=rf"{path.name} is not what was written"):
            read()


def test_missing_run_and_missing_results_say_what_to_do(tmp_path, config):
    with pytest.raises(StudioError, match="delrec runs"):
        RunFolder.open(tmp_path / "none")
    with pytest.raises(StudioError, match="delrec resume"):
        RunFolder.create(tmp_path / "r", config).report()


def test_a_file_in_the_way_is_reported(tmp_path, config):
    (tmp_path / "r").write_text("not a folder")
    with pytest.raises(StudioError, match="cannot write"):
        RunFolder.create(tmp_path / "r", config)


def test_stage_is_done_only_if_its_body_ended_well(tmp_path, config):
    folder = RunFolder.create(tmp_path / "r", config)
    with pytest.raises(RuntimeError), folder.stage("teacher", Monitor()):
        raise RuntimeError
    assert not folder.is_done("teacher")
    with folder.stage("distil", Monitor()):
        pass
    with folder.stage("teacher", Monitor()):
        pass
    assert folder.is_done("teacher")
    assert [entry["name"] for entry in folder.stages()] == ["teacher", "distil"]


def test_stage_does_not_begin_once_stopped(tmp_path, config):
    class Stopped(Monitor):
        def should_stop(self) -> bool:
            return True

    folder = RunFolder.create(tmp_path / "r", config)
    with pytest.raises(Cancelled), folder.stage("teacher", Stopped()):
        pass
    assert folder.stages() == []


def test_curves_count_repeated_steps_once_and_survive_a_torn_line(tmp_path, config):
    folder = RunFolder.create(tmp_path / "r", config)
    monitor = FolderMonitor(folder)
    for step in (1, 2, 2, 3):
        monitor.metrics("distil", step, {"loss": step / 2})
    with (folder.path / "curves.jsonl").open("a") as file:
        file.write('{"stage": "dis')
    assert [(point["step"], point["value"]) for point in folder.curves()] == [(1, 0.5), (2, 1.0), (3, 1.5)]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    write_text(path, "old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
