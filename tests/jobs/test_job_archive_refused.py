"""Nothing that an archive holds can harm the one who imports it."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db import runs
from engine.errors import StudioError
from jobs import api, archive

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
