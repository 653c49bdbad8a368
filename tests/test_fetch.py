"""Downloads are whole, checked and made once, or they are not there."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Server, serving

from engine.errors import Cancelled, StudioError
from engine.fetch import download
from engine.monitor import Monitor
from engine.paths import home, writable
from engine.wheels import WheelMember, wheel_member, wheel_members

CONTENT = b"the whole file " * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.files, running.etag = {"/file": CONTENT, "/truncated": CONTENT}, None
        yield running


class Stopping(Monitor):
    def should_stop(self) -> bool:
        return True


def visible(folder: Path) -> list[str]:
    """Names of the files in a folder, locks aside."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_download_leaves_the_whole_file_and_nothing_else(server: Server, tmp_path: Path) -> None:
    target = download(f"{server.url}/file", tmp_path / "new" / "file.bin", Monitor(), size=len(CONTENT), sha256=SHA256)
    assert target.read_bytes() == CONTENT
    assert visible(tmp_path / "new") == ["file.bin"]


def test_a_file_that_passes_its_checks_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        download(f"{server.url}/file", tmp_path / "file", Monitor(), sha256=SHA256)
    assert len(server.requests) == 1


def test_a_damaged_file_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT[:50])
    download(f"{server.url}/file", tmp_path / "file", Monitor(), sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("check", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": 7}])
def test_wrong_content_is_refused_and_the_old_file_stays(server: Server, tmp_path: Path, check: dict) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(StudioError, match="corrupt or truncated"):
        download(f"{server.url}/file", tmp_path / "file", Monitor(), **check)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert visible(tmp_path) == ["file"]


@pytest.mark.parametrize(("path", "reason"), [("truncated", "truncated"), ("missing", "404")])
def test_a_failed_transfer_is_one_line_and_leaves_nothing(
    server: Server, tmp_path: Path, path: str, reason: str
) -> None:
    server.breaks = 100 if path == "truncated" else None
    with pytest.raises(StudioError, match=reason) as failure:
        download(f"{server.url}/{path}", tmp_path / "file", Monitor())
    assert f"{server.url}/{path}" in str(failure.value)
    assert "\n" not in str(failure.value)
    assert visible(tmp_path) == []


def test_a_server_that_is_not_there_is_an_error_not_a_trace(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="not reachable"):
        download("http://127.0.0.1:9/file", tmp_path / "file", Monitor())


def test_two_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    fetchers = [
        threading.Thread(target=download, args=(f"{server.url}/file", tmp_path / "file", Monitor())) for _ in range(4)
    ]
    for fetcher in fetchers:
        fetcher.start()
    for fetcher in fetchers:
        fetcher.join()
    assert len(server.requests) == 1
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_cancelling_stops_the_transfer_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        download(f"{server.url}/file", tmp_path / "file", Stopping())
    assert visible(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with pytest.raises(StudioError, match="DELREC_HOME") as failure:
        writable(tmp_path / "blocked" / "datasets")
    assert str(tmp_path / "blocked") in str(failure.value)
    with pytest.raises(StudioError, match="cannot write"):
        download("http://127.0.0.1:9/file", tmp_path / "blocked" / "file", Monitor())


def test_home_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DELREC_HOME", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
    monkeypatch.delenv("DELREC_HOME")
    assert home().name == "delrec-studio"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of one folder with the wheel ``tiny_data`` 1.0; pip reads nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_data-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_data/__init__.py", "raise SystemExit('the wheel was imported')")
        wheel.writestr("tiny_data/numbers.txt", CONTENT)
        wheel.writestr("../outside.txt", "must not land anywhere")
        wheel.writestr("tiny_data-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-data\nVersion: 1.0\n")
        wheel.writestr("tiny_data-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny_data-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_gives_the_files_asked_for_and_no_others(index: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "numbers.txt"
    assert wheel_member("tiny-data", "1.0", "tiny_data/numbers.txt", SHA256, target, Monitor()) == target
    assert target.read_bytes() == CONTENT
    assert visible(target.parent) == ["numbers.txt"]
    (index / "tiny_data-1.0-py3-none-any.whl").unlink()
    wheel_member("tiny-data", "1.0", "tiny_data/numbers.txt", SHA256, target, Monitor())  # kept: no index needed


@pytest.mark.parametrize(
    ("version", "member", "sha256", "reason"),
    [
        ("1.0", "tiny_data/absent.txt", SHA256, "holds no tiny_data/absent.txt"),
        ("1.0", "tiny_data/numbers.txt", "0" * 64, "not the expected file"),
        ("2.0", "tiny_data/numbers.txt", SHA256, "could not fetch tiny-data==2.0"),
    ],
)
def test_a_wheel_without_the_right_file_is_refused(
    index: Path, tmp_path: Path, version: str, member: str, sha256: str, reason: str
) -> None:
    with pytest.raises(StudioError, match=reason):
        wheel_members("tiny-data", version, [WheelMember(member, sha256, tmp_path / "out" / "file")], Monitor())
    assert visible(tmp_path / "out") == []


def test_a_damaged_wheel_is_refused(index: Path, tmp_path: Path) -> None:
    wheel = index / "tiny_data-1.0-py3-none-any.whl"
    content = bytearray(wheel.read_bytes())
    start = content.index(b"the whole file")
    content[start + 20 : start + 40] = b"x" * 20
    wheel.write_bytes(content)
    with pytest.raises(StudioError, match="corrupt wheel"):
        wheel_member("tiny-data", "1.0", "tiny_data/numbers.txt", SHA256, tmp_path / "out" / "file", Monitor())
    assert visible(tmp_path / "out") == []


def test_cancelling_ends_pip(index: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        wheel_member("tiny-data", "1.0", "tiny_data/numbers.txt", SHA256, tmp_path / "out" / "file", Stopping())
    assert visible(tmp_path / "out") == []
