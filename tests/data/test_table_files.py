"""Files of strangers: damaged, hostile, odd; and what is read of them."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import pytest

from engine.data import files, place
from engine.data.files import File, text_of
from engine.data.guess import guess_format
from engine.data.movielens import LAYOUTS, read_movielens
from engine.data.place import Place
from engine.data.sheet import Sheet
from engine.errors import StudioError
from engine.monitor import Monitor


class Log(Monitor):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def read(file: File, monitor: Monitor | None = None) -> bytes:
    return b"".join(file.blocks(monitor or Monitor()))


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


@pytest.mark.parametrize("size", [0, 1, 10, files.BLOCK - 1, files.BLOCK, files.BLOCK + 1, 3 * files.BLOCK + 7])
def test_blocks_are_whole_lines_and_all_of_them(tmp_path: Path, size: int) -> None:
    content = (b"some words that make a line\n" * (size // 28 + 1))[:size]
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    (tmp_path / "file.txt.gz").write_bytes(gzip.compress(content))
    archive(tmp_path / "file.zip", {"in/file.txt": content, "in/file.gz": gzip.compress(content)})
    members = Place(tmp_path / "file.zip").files
    for file in (File(path), File(tmp_path / "file.txt.gz"), *members):
        blocks = list(file.blocks(Monitor()))
        assert b"".join(blocks) == content
        assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_a_last_line_without_an_end_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x\ny")
    log = Log()
    assert read(File(tmp_path / "a.csv"), log) == b"x\ny"
    assert "a.csv does not end with the end of a line" in log.lines[0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_that_ends_with_the_end_of_a_line_is_whole(tmp_path: Path, end: str) -> None:
    (tmp_path / "a.csv").write_bytes(f"x{end}y{end}".encode())
    log = Log()
    assert read(File(tmp_path / "a.csv"), log) == f"x{end}y{end}".encode()
    assert not log.lines


@pytest.mark.parametrize(
    "name", ["../out.csv", "/etc/ratings.csv", "a/../../b.csv", "C:/x.csv", "..\\up.csv", "a\nb.csv"]
)
def test_archives_with_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "set.zip", {"ratings.csv": b"1\n", name: b"x"})
    with pytest.raises(StudioError, match="leads out of it"):
        Place(path)
    told = str(Place(tmp_path).lacks("X", "ratings.csv"))
    assert "set.zip" in told
    assert "leads out of it" in told


def test_links_in_archives_are_refused_and_links_in_folders_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        link = zipfile.ZipInfo("ratings.csv")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(StudioError, match="leads out of it"):
        Place(tmp_path / "set.zip")


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_bombs_are_refused_in_time_and_memory(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GROWTH_FROM", 1 << 20)
    rows = b"1,2,3,4\n" * (1 << 20)
    if kind == "gz":
        (tmp_path / "ratings.csv.gz").write_bytes(gzip.compress(rows))
        file = File(tmp_path / "ratings.csv.gz")
    else:
        file = Place(archive(tmp_path / "x.zip", {"ratings.csv": rows})).files[0]
    with pytest.raises(StudioError, match="grow more than 250-fold"):
        read(file)


@pytest.mark.parametrize("packed", [True, False])
def test_a_line_without_end_is_refused(tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_LINE", 3 << 20)
    content = os.urandom(100) * (1 << 16)
    content = content.replace(b"\n", b" ")
    path = tmp_path / ("a.json.gz" if packed else "a.json")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    with pytest.raises(StudioError, match="a line of more than"):
        read(File(path))


def test_archives_that_are_damaged(tmp_path: Path) -> None:
    path = archive(tmp_path / "set.zip", {"ratings.csv": os.urandom(10_000)})
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    with pytest.raises(StudioError, match="not a readable archive, or a damaged copy"):
        Place(path)
    path.write_bytes(content[:500] + b"\0" * 50 + content[550:])
    with pytest.raises(StudioError, match="damaged or cut off"):
        read(Place(path).files[0])
    path.write_bytes(b"")
    with pytest.raises(StudioError, match="not a readable archive"):
        Place(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_is_damaged_anywhere_is_a_sentence_however_it_is_packed(tmp_path: Path, method: int) -> None:
    rows = b"user,item\n" + b"".join(b"%d,%d\n" % (i * i, i) for i in range(300))
    path = archive(tmp_path / "ml-100k.zip", {f"ml-100k/{name}": rows for name in LAYOUTS["GroupLens"]}, method)
    content = path.read_bytes()
    for at in range(0, len(content) - 8, len(content) // 60):
        path.write_bytes(content[:at] + b"\xff" * 8 + content[at + 8 :])
        with contextlib.suppress(StudioError):
            guess_format(path)
        with contextlib.suppress(StudioError):
            for file in Place(path).files:
                read(file)
        with pytest.raises(StudioError):  # these rows are none of MovieLens' where all can be read
            read_movielens(path)


@pytest.mark.parametrize(
    ("offsets", "value", "said"),
    [
        ((6, 8), 1, "locked by a password or packed in a way that cannot be read"),
        ((8, 10), 98, "locked by a password or packed in a way that cannot be read"),
        ((4, 6), 99, "packed in a way that cannot be read"),
    ],
    ids=["password", "method", "version"],
)
def test_what_cannot_be_unpacked_here_is_to_be_unpacked_and_not_fetched_anew(
    tmp_path: Path, offsets: tuple[int, int], value: int, said: str
) -> None:
    """In both headers of the file in the archive."""
    path = archive(tmp_path / "set.zip", {"ratings.csv": os.urandom(1000)})
    content = bytearray(path.read_bytes())
    for mark, offset in zip((b"PK\x03\x04", b"PK\x01\x02"), offsets, strict=True):
        struct.pack_into("<H", content, content.index(mark) + offset, value)
    path.write_bytes(content)
    with pytest.raises(StudioError, match=said) as told:
        read(Place(path).files[0])
    assert told.value.remedy == "unpack the archive"


def test_places_look_two_folders_deep_and_prefer_what_is_near_and_plain(tmp_path: Path) -> None:
    for folder in ("", "a", "a/b", "a/b/c", ".hidden", "__MACOSX"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "ratings.csv").write_text(folder)
    (tmp_path / "ratings.csv.gz").write_bytes(b"")
    found = Place(tmp_path).find(r"ratings\.csv")
    assert [str(file.path.relative_to(tmp_path)) for file in found[:2]] == ["ratings.csv", "ratings.csv.gz"]
    assert {file.folder.removeprefix(str(tmp_path)) for file in found} == {"", "/a", "/__MACOSX"}


def test_pairs_come_from_one_folder(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    for name in ("one/ratings.csv", "two/ratings.csv", "two/movies.csv"):
        (tmp_path / name).touch()
    pair = Place(tmp_path).pair([r"ratings\.csv"], [r"movies\.csv"])
    assert pair is not None
    assert {file.folder for file in pair} == {str(tmp_path / "two")}


def test_a_folder_of_very_many_files_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "MOST_FILES", 10)
    for number in range(30):
        (tmp_path / f"{number:02}.txt").touch()
    assert len(Place(tmp_path).files) == 10
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        for number in range(11):
            packed.writestr(f"{number}.txt", "")
    with pytest.raises(StudioError, match="an archive of 11 files"):
        Place(tmp_path / "x.zip")


def test_latin_1_where_it_is_no_utf_8() -> None:
    assert text_of("Misérables".encode()) == text_of("Misérables".encode("latin-1")) == "Misérables"


def sheet(tmp_path: Path, content: str | bytes, separator: str = ",", names: tuple[str, ...] = ()) -> Sheet:
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Sheet(File(path), separator, Monitor(), names)


def test_tables_with_a_mark_crlf_empty_lines_and_quotes(tmp_path: Path) -> None:
    table = sheet(tmp_path, '\ufeffA:token,b\r\n1,"x, ""y"""\r\n\r\n2,"two\r\nlines"\r\n')
    assert table.names == ["a", "b"]
    assert list(table.rows((0, 1, None))) == [("1", 'x, "y"', ""), ("2", "two\r\nlines", "")]


@pytest.mark.parametrize(
    ("content", "separator", "told"),
    [
        ("", ",", "an empty file"),
        ('a,b\n1,"x\n', ",", "not valid CSV"),
        ('a,b\n1,"x"y\n', ",", "not valid CSV.*line 2"),
        ("a,b\n1,2\n3\n", ",", "1 cell instead of 2.*line 3"),
        ("a\tb\n1\n", "\t", "1 cell instead of 2.*line 2"),
        ("a,b\n1,2\0\n", ",", "not UTF-8 text"),
    ],
)
def test_tables_at_fault_name_the_line(tmp_path: Path, content: str | bytes, separator: str, told: str) -> None:
    with pytest.raises(StudioError, match=told):
        list(sheet(tmp_path, content, separator).rows((0, 1)))


def test_the_line_is_right_beyond_the_first_batch_and_block(tmp_path: Path) -> None:
    rows = 250_000
    for separator in (",", "\t"):
        buffer = io.StringIO()
        buffer.write(f"a{separator}b\n")
        buffer.write(f"1{separator}22222222\n" * rows)
        buffer.write("3\n")
        with pytest.raises(StudioError, match=f"line {rows + 2}"):
            list(sheet(tmp_path, buffer.getvalue(), separator).batches((0, 1)))
