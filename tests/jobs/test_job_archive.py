"""Runs travel as archives: whole and exact, and nothing that an archive holds can harm the one who imports it."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_recipe import chain, config
from job_support import wait_state, wait_step
from safetensors.numpy import save_file

from db import explanations, lifecycle, metrics, results, runs
from db.store import writing
from engine.errors import StudioError
from engine.evaluate.report import ProtocolDetails, Report
from engine.run_folder import RunFolder
from jobs import api, archive, process


def _report(run_id: str) -> dict[str, Any]:
    number = {"value": 0.1 + 0.2, "low": 0.1, "high": 1 / 3}
    row = {"name": "delrec", "kind": "llm", "candidates": {"HR@1": number}, "full": {}, "agreement": {}}
    pair = {"a": "delrec", "b": "sasrec", "metric": "candidates.HR@1", "difference": 0.1, "low": 0.0, "high": 0.2}
    details = {name: 1 for name, field in ProtocolDetails.model_fields.items() if field.annotation is int}
    details |= {"teacher": "sasrec", "split": "leave-one-out", "negatives": "uniform", "ties": "", "interval": ""}
    values = {"run_id": run_id, "dataset": "tiny", "protocol": "", "users": 3, "seed": 0, "models": [row]}
    values |= {"comparisons": [pair], "stages": [], "peak_memory_mb": 1.0, "protocol_details": details}
    return Report.model_validate(values).model_dump(mode="json")


def _done(name: str = "first") -> str:
    """A finished run with a folder, curves, results, tags, a note and an answered question."""
    run = runs.create(name, config().model_dump(mode="json"), preset="smoke", state="starting")
    folder = RunFolder.create(run.folder, config())
    (folder.path / "adapter").mkdir()
    (folder.path / "adapter" / "adapter_model.safetensors").write_bytes(os.urandom(1000))
    for path in (folder.fingerprint, folder.teacher(), folder.soft_prompt):
        save_file({"weight": np.ones((4, 3), dtype=np.float32)}, path)
    folder.predictions.write_bytes(b"PAR1....PAR1")
    for path in (folder.llm, folder.calibration):
        path.write_text(json.dumps({"kept": 0.5}))
    folder.metrics.write_text(json.dumps(_report(run.id)))
    folder.log.write_text("distil: begins\n")
    api.annotate(run.id, tags=["a", "ü"], note="two\nlines")
    question = explanations.ask(run.id, "recommend", {"titles": ["Heat"]})
    explanations.claim(question.id, process.owner())
    explanations.finish(question.id, {"items": [1, 2]})
    points = [("distil", name, step, step / 7) for step in range(50) for name in ("loss", "lr")]
    with writing() as session:
        metrics.append(run.id, points, session)
        results.save(run.id, _report(run.id), session)
        lifecycle.end(run.id, "done", session)
    return run.id


def _known(run_id: str) -> dict[str, Any]:
    run = api.status(run_id)
    kept = ("name", "state", "preset", "config", "seed", "tags", "note", "created_at", "finished_at", "stage", "step")
    files = {
        path.relative_to(run.folder).as_posix(): path.read_bytes()
        for path in sorted(run.folder.rglob("*"))
        if path.is_file()
    }
    return {name: getattr(run, name) for name in kept} | {
        "points": [(point.stage, point.name, point.step, point.value) for point in api.metrics(run_id)],
        "curves": [(curve.name, curve.steps, curve.values) for curve in metrics.curves([run_id], limit=10)],
        "table": [(row.model, row.protocol, row.metric, row.value, row.low) for row in results.table([run_id])],
        "report": api.results(run_id),
        "questions": [(it.kind, it.request, it.state, it.answer, it.created_at) for it in explanations.of(run_id)],
        "files": files,
    }


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An archive of a finished run, which is deleted here afterwards."""
    run_id = _done()
    target = tmp_path / "run.zip"
    api.export_run(run_id, target)
    api.delete(run_id)
    return target


def test_a_run_comes_back_with_its_id_and_all_that_was_known_of_it(tmp_path):
    run_id = _done()
    before = _known(run_id)
    api.export_run("first", tmp_path / "run.zip")
    api.delete(run_id)

    assert api.import_run(tmp_path / "run.zip") == run_id
    assert _known(run_id) == before
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
    run_id = _done()
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


LEFT = (
    "llm.json",
    "data.safetensors",
    "teacher.safetensors",
    "soft_prompt.safetensors",
    "metrics.json",
    "predictions.parquet",
)


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize("harm", ["gone", "empty", "cut off"])
def test_a_run_that_lost_what_it_left_is_not_exported(tmp_path, name, harm):
    run = runs.get(_done())
    file = run.folder / name
    content = file.read_bytes()
    file.unlink()
    if harm != "gone":
        file.write_bytes(b"" if harm == "empty" else content[: len(content) - 7])
    with pytest.raises(StudioError, match=re.escape(name)):
        api.export_run(run.id, tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()


def test_a_run_without_its_folder_is_not_exported(tmp_path):
    run = runs.get(_done())
    shutil.rmtree(run.folder)
    with pytest.raises(StudioError, match="gone"):
        api.export_run(run.id, tmp_path / "run.zip")


@pytest.mark.parametrize("lost", [*[{name} for name in LEFT], set(LEFT)])
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
    run_id = _done()
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
    run_id = _done()
    with pytest.raises(StudioError, match="cannot write the archive"):
        api.export_run(run_id, tmp_path / "missing" / "run.zip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StudioError, match="cannot write the archive"):
        api.export_run(run_id, tmp_path / "folder")
    assert [path.name for path in tmp_path.glob("*.part")] == []


Change = Callable[[dict[str, Any]], object]


def _rewritten(source: Path, *, about: Change | None = None, record: Change | None = None) -> Path:
    """The archive with its JSON changed in place."""
    target = source.with_name("changed.zip")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            change = {archive.ABOUT: about, archive.RECORD: record}.get(entry.filename)
            if change is not None:
                values = json.loads(content)
                change(values)
                content = json.dumps(values).encode()
            new.writestr(entry.filename, content)
    return target


def _refused(path: Path, match: str) -> None:
    with pytest.raises(StudioError, match=match):
        api.import_run(path)
    assert api.runs() == []
    assert list((runs.run_folder("r-abc234").parent).iterdir()) == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda run: run.update(id="../../evil"), "contradicts itself"),
        (lambda run: run.update(id="r-abc2345"), "contradicts itself"),
        (lambda run: run.update(name="two\nlines"), "cannot name a run"),
        (lambda run: run.update(name="x" * 81), "cannot name a run"),
        (lambda run: run.update(state="running"), "damaged at run.state"),
        (lambda run: run.update(state="failed"), "contradicts itself"),
        (lambda run: run.update(created_at="2026-01-01T00:00:00"), "damaged at run.created_at"),
        (lambda run: run.update(pid=1), "damaged at run.pid"),
        (lambda run: run.update(note="x" * 20_001), "too long"),
        (lambda run: run["config"]["distill"].update(steps=-1), "distill.steps"),
        (lambda run: run["config"].update(unheard_of=1), "unheard_of"),
        (lambda run: run["config"]["distill"].update(steps=31), "other settings than its record"),
    ],
)
def test_a_record_that_cannot_be_is_refused(exported, change, match):
    _refused(_rewritten(exported, record=lambda record: change(record["run"])), match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda record: record.update(extra=1), "damaged at extra"),
        (lambda record: record["report"]["models"][0].pop("name"), "damaged at models"),
        (lambda record: record["points"].append(["distil", "loss", 1, None]), "damaged at points"),
        (lambda record: record["points"].append(["distil", "loss", -1, 1.0]), "damaged at points"),
        (lambda record: record["explanations"][0].pop("answer"), "damaged at explanations"),
    ],
)
def test_damaged_parts_of_a_record_are_named(exported, change, match):
    _refused(_rewritten(exported, record=change), match)


def test_newer_and_foreign_archives_are_refused_politely(exported, tmp_path):
    newer = _rewritten(exported, about=lambda about: about.update(format=archive.FORMAT + 1))
    _refused(newer, f"newer DELRec Studio .format {archive.FORMAT + 1}.*update DELRec Studio")
    _refused(_rewritten(exported, about=lambda about: about.update(format="1")), "names no format")
    (tmp_path / "text.zip").write_text("hello")
    _refused(tmp_path / "text.zip", "damaged or no zip file")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("files/readme.txt", "hello")
    _refused(tmp_path / "other.zip", "not the archive of a run")
    _refused(tmp_path / "missing.zip", "cannot unpack it: No such file")
    _refused(tmp_path, "cannot unpack it")


@pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
def test_a_truncated_archive_is_refused(exported, place):
    content = exported.read_bytes()
    exported.write_bytes(content[: int(len(content) * place)])
    _refused(exported, "damaged or no zip file")


def test_a_flipped_bit_in_the_weights_is_noticed(exported):
    with zipfile.ZipFile(exported) as found:
        weights = found.read("files/adapter/adapter_model.safetensors")
    content = exported.read_bytes()
    place = content.index(weights[:50]) + 20
    exported.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    _refused(exported, "damaged or no zip file")


@pytest.mark.parametrize(
    "name",
    [
        "files/../../evil.txt",
        "files/../evil.txt",
        "/etc/evil.txt",
        "files//etc/evil.txt",
        "files/a\\..\\evil.txt",
        "files/C:evil.txt",
        "files/.hidden.txt",
        "files/model.pkl",
        "files/adapter/adapter_model.bin",
        "files/script.py",
        "files/RUN.JSON",
        "files/METRICS.json",
        "files/a/b/c/d/e.txt",
        "files/adapter/",
        "evil.txt",
    ],
)
def test_names_that_lead_elsewhere_or_are_of_no_known_kind_are_refused(exported, name):
    with zipfile.ZipFile(exported, "a") as found:
        found.writestr(name, "evil")
    _refused(exported, "this archive is not imported: it holds")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(exported, kind):
    entry = zipfile.ZipInfo("files/link.txt")
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    with zipfile.ZipFile(exported, "a") as found:
        found.writestr(entry, "/etc/passwd")
    _refused(exported, "it holds 'files/link.txt'")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(exported):
    with zipfile.ZipFile(exported, "a") as found:
        found.writestr("files/run.json", "{}")
    _refused(exported, "it holds 'files/run.json'")


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(exported):
    with zipfile.ZipFile(exported, "a", zipfile.ZIP_DEFLATED) as found:
        found.writestr("files/bomb.txt", b"0" * (archive.FREE_BYTES + 20 * 2**20))
    _refused(exported, "would unpack to")


def test_an_archive_with_too_many_files_or_too_large_a_record_is_refused(exported, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_RECORD", 100)
    _refused(exported, "its record is too large")
    monkeypatch.setattr(archive, "MOST_FILES", 3)
    _refused(exported, "more than 3 files")


def test_other_ways_of_packing_are_refused(exported):
    with zipfile.ZipFile(exported, "a", zipfile.ZIP_LZMA) as found:
        found.writestr("files/more.txt", "text")
    _refused(exported, "packed in another way")


def test_what_a_killed_import_left_is_swept_once_it_is_old(exported):
    folder = runs.run_folder("r-abc234").parent
    old, young = folder / f"{archive.STAGED}old", folder / f"{archive.STAGED}young"
    for staged in (old, young):
        staged.mkdir(parents=True)
    os.utime(old, (0, 0))
    api.recover()
    assert not old.exists()
    assert young.exists()
