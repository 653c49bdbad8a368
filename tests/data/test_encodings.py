"""Files in other encodings than UTF-8: marked, said, guessed; and what is said where none fits."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest
from own_tables import Said

from engine import encodings
from engine.config import DataConfig
from engine.data import importing
from engine.data.raw import RawIdFilter
from engine.data.readers import amazon_2014, csv
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.settings import make_config

TITLES = {
    "cp1252": ["Les Misérables", "Señorita – “so”", "Über den Dächern", "naïve"],
    "latin-1": ["Les Misérables", "Señorita", "Über den Dächern"],
    "cp1251": ["Иван Грозный", "Сталкер", "Война и мир"],
    "koi8-r": ["Иван Грозный", "Сталкер", "Война и мир"],
    "cp1253": ["Μέγας Αλέξανδρος", "Κυνόδοντας", "Θίασος"],
    "gb18030": ["卧虎藏龙", "英雄", "霸王别姬", "让子弹飞"],
    "big5": ["臥虎藏龍", "悲情城市", "重慶森林"],
    "shift_jis": ["千と千尋の神隠し", "もののけ姫", "となりのトトロ"],
    "euc-jp": ["千と千尋の神隠し", "もののけ姫", "となりのトトロ"],
    "cp949": ["올드보이", "기생충", "살인의 추억"],
    "utf-16-le": ["Amélie", "Сталкер", "英雄"],
    "utf-16-be": ["Amélie", "Сталкер", "英雄"],
    "utf-16": ["Amélie", "Сталкер", "英雄"],
    "utf-32": ["Amélie", "Сталкер", "英雄"],
    "utf-8-sig": ["Amélie", "Сталкер", "英雄"],
    "cp037": ["Heat", "Up", "Ran"],
}


def written(folder: Path, encoding: str, end: str = "\n", before: int = 2000) -> Path:
    """One table with titles of that encoding behind many that any encoding has."""
    plain = [f"u{n % 50},p{n},{n},Plain {n}" for n in range(before)]
    own = [f"u{n},i{n},{n},{title}" for n, title in enumerate(TITLES[encoding])]
    path = folder / "log.csv"
    path.write_bytes(end.join(["user,item,timestamp,title", *plain, *own, ""]).encode(encoding))
    return path


def titles(path: Path, encoding: str = encodings.UTF8) -> list[str]:
    raw = csv.READER.read(DataConfig(dataset="csv", path=str(path), encoding=encoding), 0, Monitor())
    assert len(raw.log.users) == len(list(raw.items(RawIdFilter(None), Monitor())))
    return [item.title for item in raw.items(RawIdFilter(None), Monitor()) if not item.title.startswith("Plain")]


@pytest.mark.parametrize("encoding", TITLES)
def test_tables_are_read_in_any_encoding_that_is_marked_or_said(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, encoding, "\r\n" if encoding == "utf-16" else "\n")
    marked = encoding in ("utf-16", "utf-32", "utf-8-sig")
    assert titles(path, "cp1252" if marked else encoding) == TITLES[encoding]


@pytest.mark.parametrize("encoding", [name for name in TITLES if name not in ("cp037", "latin-1")])
def test_what_is_not_utf8_is_guessed_when_files_are_brought_and_read_so(tmp_path: Path, encoding: str) -> None:
    found = importing.inspect_files([written(tmp_path, encoding)])
    marked = encoding in ("utf-16", "utf-32", "utf-8-sig")
    assert (found.encoding, found.fault) == (encodings.UTF8 if marked else encoding, None)
    if not marked:
        with pytest.raises(StudioError, match=rf"not UTF-8 text.*set data\.encoding={encoding}, which fits"):
            titles(tmp_path / "log.csv")


def test_the_middle_of_a_letter_may_be_the_end_of_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(encodings, "BLOCK", size)
        for encoding in ("gb18030", "utf-16", "euc-jp"):
            assert titles(written(tmp_path, encoding, before=2), encoding) == TITLES[encoding]


def test_packed_files_and_native_formats_are_read_alike(tmp_path: Path) -> None:
    text = written(tmp_path, "cp1251").read_bytes()
    with gzip.open(tmp_path / "packed.csv.gz", "wb") as packed:
        packed.write(text)
    (tmp_path / "log.csv").unlink()
    assert titles(tmp_path / "packed.csv.gz", "cp1251") == TITLES["cp1251"]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("log.csv", text)
    assert titles(tmp_path / "set.zip", "cp1251") == TITLES["cp1251"]
    review = (
        '{"reviewerID": "u", "asin": "B000000001", "overall": 5.0, "unixReviewTime": 1393545600, "helpful": [0, 0]}'
    )
    (tmp_path / "reviews_Toys_5.json").write_bytes(f"{review}\n".encode("utf-16"))
    (tmp_path / "meta_Toys.json").write_bytes("{'asin': 'B000000001', 'title': 'Ž', 'imUrl': ''}\n".encode("utf-16"))
    raw = amazon_2014.READER.read(DataConfig(dataset="amazon-2014", path=str(tmp_path)), 0, Monitor())
    assert [item.title for item in raw.items(RawIdFilter(None), Monitor())] == ["Ž"]


def test_a_wrong_encoding_names_the_line_and_the_one_that_fits(tmp_path: Path) -> None:
    path = written(tmp_path, "cp1251")
    with pytest.raises(StudioError, match=r"not gb18030 text \(.*line 200\d\) — set data\.encoding=cp1251, which fits"):
        titles(path, "gb18030")
    path.write_text("user,item,timestamp,title\nu,a,1,Ж\nu,b,2,ß\n", encoding="utf-8")
    with pytest.raises(StudioError, match=r"not ascii text \(.*line 2\).*data.encoding=utf-8, which fits"):
        titles(path, "ascii")


def test_noise_has_no_encoding(tmp_path: Path) -> None:
    path = tmp_path / "noise.csv"
    path.write_bytes(b"user,item,timestamp,title\n" + bytes(range(256)) * 40)
    found = importing.inspect_files([path])
    assert found.fault is not None
    assert "not UTF-8 text" in str(found.fault)


@pytest.mark.parametrize("name", ["hex", "rot13", "undefined", "no such", "", "../../etc", "zlib", "x" * 9999])
def test_what_is_no_encoding_of_tables_is_refused(name: str) -> None:
    with pytest.raises(StudioError, match=r"data\.encoding"):
        make_config({"data": {"encoding": name}})


def test_encodings_have_one_name_each() -> None:
    said = [
        ("UTF8", "utf-8"),
        ("windows-1252", "cp1252"),
        ("ISO-8859-1", "latin-1"),
        ("SJIS", "shift_jis"),
        ("ibm037", "cp037"),
    ]
    assert [make_config({"data": {"encoding": name}}).data.encoding for name, _ in said] == [name for _, name in said]
    assert [encodings.known(name) for name in encodings.USUAL] == list(encodings.USUAL)


def test_an_imported_set_says_in_which_encoding_it_was_read(tmp_path: Path) -> None:
    kept = importing.import_files([written(tmp_path, "cp949")], "mine", None, DataConfig(encoding="cp949"), Said())
    assert "text read as cp949" in kept.notes
