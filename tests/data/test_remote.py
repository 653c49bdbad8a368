"""Data sets at their owners' addresses, tried against a server on this machine: the real ones were never asked."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest
from samples import LOG, WRITE
from test_readers import EXPECTED, sample_users

from engine import datasets
from engine.config import DataConfig
from engine.data import load_dataset
from engine.data.readers.downloaded import Downloaded
from engine.data.remote import RemoteFile, available_files, fetch, readable_size
from engine.errors import Cancelled, StudioError
from engine.fetch import download
from engine.locations import data_fault, data_presence
from engine.monitor import Monitor
from tests.file_server import Server, serving

FETCHED = [name for name in datasets.READERS if name != "ml-100k" and datasets.reader(name).fetchable]


def category_of(name: str) -> str | None:
    """The part that the sample is of, where a data set is fetched in parts."""
    category = signature(WRITE[name]).parameters.get("category")
    return category.default if category and datasets.reader(name).choices else None


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


class Log(Monitor):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def offered(server: Server, name: str, tmp_path: Path) -> tuple[RemoteFile, ...]:
    """The sample of a data set on the server, at the paths of its owners' addresses."""
    reader = datasets.reader(name)
    made = tmp_path / "made"
    made.mkdir()
    category = {"beauty": "Beauty"}.get(name) or category_of(name)
    write = WRITE["amazon-2014"] if name == "beauty" else WRITE[name]
    write(made, LOG, category) if category else write(made, LOG)  # type: ignore[call-arg]
    asked = reader.remotes(DataConfig(dataset=name, category=category_of(name)))
    assert asked, "remotes of its reader says where it is, or fetchable is False"
    if len(asked) == 1 and asked[0].name.endswith(".zip") and not (made / asked[0].name).exists():
        shutil.make_archive(str(tmp_path / "packed"), "zip", made)
        (tmp_path / "packed.zip").rename(made / asked[0].name)
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    remotes = []
    for remote in asked:
        assert remote.name in files, f"remotes of its reader calls it so, the sample holds {', '.join(files)}"
        assert [url for url in remote.urls if not url.startswith("https://")] == []
        here = "/" + remote.urls[0].split("/", 3)[3]
        server.files[here] = files[remote.name]
        if remote.md5 == "+":
            server.files[f"{here}.md5"] = f"{hashlib.md5(files[remote.name]).hexdigest()}  {remote.name}\n".encode()
        remotes.append(RemoteFile(remote.name, (f"{server.url}/gone", server.url + here), remote.md5))
    return tuple(remotes)


@pytest.mark.parametrize("name", FETCHED)
def test_what_is_fetched_is_read_without_a_path(
    name: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = datasets.reader(name)
    config = DataConfig(dataset=name, category=category_of(name), min_interactions=3, min_item_interactions=1)
    assert data_presence(config) == "unknown"
    assert f"delrec data fetch {name}" in str(data_fault(config))
    log = Log()
    found = available_files(offered(server, name, tmp_path), log)
    assert all(offer.size for offer in found)
    assert not any(method == "GET" for method, *_ in server.requests)  # sizes first
    folder = reader.fetch(config, found, log)
    assert sum("is right" in line for line in log.lines) == len(found)
    assert data_presence(config) == "here"
    assert sample_users(load_dataset(config, 0, Monitor())) == EXPECTED
    assert sample_users(load_dataset(config.model_copy(update={"category": None}), 0, Monitor())) == EXPECTED
    asked = len(server.requests)
    reader.fetch(config, found, log)  # all is there
    assert not any(method == "GET" and not path.endswith(".md5") for method, path, _ in server.requests[asked:])
    assert folder.is_dir()


@pytest.mark.parametrize("name", [name for name in FETCHED if datasets.reader(name).choices])
def test_an_unknown_part_lists_those_that_exist(name: str) -> None:
    reader = datasets.reader(name)
    assert isinstance(reader, Downloaded)
    with pytest.raises(StudioError, match=rf"there is no 'Nonsense'.*choose one of {reader.choices[0]}, "):
        reader.remotes(DataConfig(dataset=name, category="Nonsense"))
    assert reader.choices[0] in str(data_fault(DataConfig(dataset=name, category="Nonsense")))
    if reader.default is None:
        with pytest.raises(StudioError, match="which part"):
            reader.remotes(DataConfig(dataset=name))
    for choice in reader.choices:
        for remote in reader.remotes(DataConfig(dataset=name, category=choice)):
            assert choice in remote.urls[0], "a part's address holds its name"


def test_formats_cannot_be_fetched() -> None:
    for name in ("recbole", "csv", "synthetic"):
        reader = datasets.reader(name)
        assert reader.remotes(DataConfig(dataset=name)) == ()
        if name != "recbole":
            with pytest.raises(StudioError, match="cannot be fetched"):
                reader.fetch(DataConfig(dataset=name), [], Monitor())


def test_without_an_answer_every_address_is_named(server: Server) -> None:
    remote = RemoteFile("x.zip", (f"{server.url}/a", "http://127.0.0.1:9/b"))
    with pytest.raises(StudioError, match=r"x\.zip cannot be fetched: .*/a: .* answered 404.*/b: not reachable"):
        available_files([remote], Monitor())


CONTENT = bytes(range(256)) * 20_000


def test_a_transfer_that_broke_off_goes_on(server: Server, tmp_path: Path) -> None:
    server.files["/f.bin"] = CONTENT
    server.breaks = 2_000_000
    for _ in range(2):
        with pytest.raises(StudioError, match="truncated"):
            download(f"{server.url}/f.bin", tmp_path / "f.bin", Monitor(), size=len(CONTENT), resume=True)
        assert not (tmp_path / "f.bin").exists()
    server.breaks = None
    log = Log()
    download(f"{server.url}/f.bin", tmp_path / "f.bin", log, size=len(CONTENT), resume=True)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT
    assert [asked for *_, asked in server.requests] == [None, "bytes=2000000-", "bytes=4000000-"]
    assert "going on at 4.0 MB" in log.lines[0]
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == ["f.bin"]


@pytest.mark.parametrize("change", ["etag", "no etag", "weak", "no ranges", "address"])
def test_another_file_is_fetched_from_its_beginning(server: Server, tmp_path: Path, change: str) -> None:
    server.files["/f.bin"] = server.files["/g.bin"] = CONTENT
    server.etag = {"no etag": None, "weak": 'W/"one"'}.get(change, '"one"')
    server.breaks = 2_000_000
    with pytest.raises(StudioError, match="truncated"):
        download(f"{server.url}/f.bin", tmp_path / "f.bin", Monitor(), resume=True)
    server.breaks = None
    server.etag = '"two"' if change == "etag" else server.etag
    server.ranges = change != "no ranges"
    server.files["/f.bin"] = server.files["/g.bin"] = other = CONTENT[::-1]
    path = "g.bin" if change == "address" else "f.bin"
    download(f"{server.url}/{path}", tmp_path / "f.bin", Monitor(), resume=True)
    if change != "no ranges":
        assert (tmp_path / "f.bin").read_bytes() == other
    assert len((tmp_path / "f.bin").read_bytes()) == len(other)


def test_one_that_was_stopped_goes_on_too(server: Server, tmp_path: Path) -> None:
    class Stopping(Monitor):
        def should_stop(self) -> bool:
            return True

    server.files["/f.bin"] = CONTENT
    with pytest.raises(Cancelled):
        download(f"{server.url}/f.bin", tmp_path / "f.bin", Stopping(), resume=True)
    assert (tmp_path / ".f.bin.part").stat().st_size > 0
    download(f"{server.url}/f.bin", tmp_path / "f.bin", Monitor(), resume=True)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


def test_what_is_wrong_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["/x.csv.gz"] = b"no gzip at all"
    server.files["/y.zip"] = b"PK no zip"
    server.files["/z.zip"] = b"z"
    server.files["/z.zip.md5"] = b"MD5 (z.zip) = " + b"0" * 32
    for name, md5, told in (
        ("x.csv.gz", "", "cannot be unpacked"),
        ("y.zip", "", "cannot be unpacked"),
        ("z.zip", "+", "MD5 is not 000000000000"),
    ):
        found = available_files([RemoteFile(name, (f"{server.url}/{name}",), md5)], Monitor())
        with pytest.raises(StudioError, match=told):
            fetch(found, tmp_path / "set", Monitor())
    assert [path.name for path in (tmp_path / "set").iterdir() if not path.name.endswith(".lock")] == []


def test_too_little_space_is_said_before(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/x.gz"] = b"x" * 1000
    found = available_files([RemoteFile("x.gz", (f"{server.url}/x.gz",))], Monitor())
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(StudioError, match=r"1\.0 kB to fetch, 10 bytes free"):
        fetch(found, tmp_path, Monitor())


def test_sizes_for_people() -> None:
    assert [readable_size(size) for size in (0, 999, 1000, 5_917_549, 262_000_000, 11_800_000_000)] == [
        *("0 bytes", "999 bytes", "1.0 kB", "5.9 MB", "262 MB", "11.8 GB")
    ]
