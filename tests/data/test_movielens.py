"""ML-100K's two formats hold the same facts, and its sources are tried in turn."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from engine import fetch
from engine.config import DataConfig
from engine.data import Dataset, load_dataset, sources
from engine.data.movielens import GENRES
from engine.errors import StudioError
from engine.monitor import Monitor

FILMS = [
    ("1", "Toy Story", "1995", ["Animation", "Children's", "Comedy"]),
    ("172", "Empire Strikes Back, The", "1980", ["Action", "Sci-Fi"]),
    ("543", "Misérables, Les", "1995", ["Drama", "Musical"]),
    ("1097", "Hate (Haine, La)", "1995", ["Drama"]),
    ("267", "unknown", "", ["unknown"]),
    ("1412", "Land Before Time III (1995)", "V", ["Animation"]),
]
LOG = [
    ("9", "172", 5),
    ("10", "1", 5),
    ("9", "1", 5),
    ("9", "543", 2),
    ("9", "267", 8),
    ("10", "1412", 1),
    ("10", "1097", 3),
]
CONFIG = DataConfig(min_interactions=3)


def grouplens_files() -> dict[str, bytes]:
    log = "".join(f"{user}\t{item}\t3\t{moment}\n" for user, item, moment in LOG)
    lines = []
    for raw, title, year, kinds in FILMS:
        published = f"{title} ({year})" if year else title
        flags = "|".join("1" if genre in kinds else "0" for genre in GENRES)
        lines.append(f"{raw}|{published}|01-Jan-1995||http://us.imdb.com/M/title-exact?{raw}|{flags}\n")
    return {"u.data": log.encode(), "u.item": "".join(lines).encode("latin-1")}


def recbole_files() -> dict[str, bytes]:
    log = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    log += "".join(f"{user}\t{item}\t3\t{moment}\n" for user, item, moment in LOG)
    items = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    for raw, title, year, kinds in FILMS:
        shown, when = ("unkonwn", "unkonwn") if title == "unknown" else (title, year)
        items += f"{raw}\t{shown}\t{when}\t{' '.join(kinds)}\n"
    return {"ml-100k.inter": log.encode(), "ml-100k.item": items.encode()}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def pack(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in grouplens_files().items():
            archive.writestr(f"ml-100k/{name}", content)
    return path


def from_path(path: Path) -> Dataset:
    return load_dataset(CONFIG.model_copy(update={"path": str(path)}), 0, Monitor())


def facts(dataset: Dataset) -> object:
    """Everything but the source."""
    return (
        dataset.catalogue,
        [s.tolist() for s in dataset.sequences],
        [t.tolist() for t in dataset.timestamps],
        dataset.user_ids,
    )


class Log(Monitor):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def test_both_formats_and_the_archive_give_equal_data(tmp_path: Path) -> None:
    expected = from_path(write(tmp_path / "grouplens", grouplens_files()))
    for path in (
        write(tmp_path / "recbole", recbole_files()),
        pack(tmp_path / "ml-100k.zip"),
        write(tmp_path / "above" / "ml-100k", grouplens_files()).parent,
        pack(write(tmp_path / "holder", {}) / "ml-100k.zip").parent,
    ):
        assert facts(from_path(path)) == facts(expected)


def test_titles_years_genres_and_ties(tmp_path: Path) -> None:
    dataset = from_path(write(tmp_path, grouplens_files()))
    assert [dataset.catalogue.display(item) for item in range(len(dataset.catalogue))] == [
        "Toy Story (1995)",
        "The Empire Strikes Back (1980)",
        "Unknown Title",
        "Les Misérables (1995)",
        "Hate (1995)",
        "Land Before Time III (1995)",
    ]
    assert dataset.catalogue.raw_ids == ("1", "172", "267", "543", "1097", "1412")
    assert dataset.catalogue.aliases[4] == ("La Haine",)
    assert dataset.catalogue.genres[0] == ("Animation", "Children's", "Comedy")
    assert dataset.catalogue.genres[2] == ()
    assert dataset.user_ids == ("9", "10")
    assert [items.tolist() for items in dataset.sequences] == [[3, 1, 0, 2], [5, 4, 0]]  # 1 before 0: file order


@pytest.mark.parametrize(
    ("name", "line", "number"),
    [
        ("u.data", b"9\t172\n", 8),
        ("u.data", b"9\t4444\t3\t5\n", 8),
        ("u.data", b"9\t1\t3\tx\n", 8),
        ("u.item", b"7|Heat\n", 7),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, name: str, line: bytes, number: int) -> None:
    files = grouplens_files()
    files[name] += line
    with pytest.raises(StudioError, match=f"{name}, line {number}"):
        from_path(write(tmp_path, files))


def test_a_path_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"no MovieLens-100K files.*u\.data and u\.item"):
        from_path(tmp_path)
    with pytest.raises(StudioError, match=r"there is no .*absent \(data\.path\)"):
        from_path(tmp_path / "absent")
    broken = pack(tmp_path / "ml-100k.zip")
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(StudioError, match="not the ML-100K archive"):
        from_path(broken)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GroupLens does not answer; the wheel comes from a folder. Returns the wheel."""
    files = recbole_files()
    folder = write(tmp_path / "index", {})
    path = folder / "recbole-1.2.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(sources.RECBOLE_FOLDER + name, content)
        archive.writestr("recbole-1.2.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n")
        archive.writestr("recbole-1.2.1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("recbole-1.2.1.dist-info/RECORD", "")
    monkeypatch.setattr(sources, "GROUPLENS_URL", "http://127.0.0.1:9/ml-100k.zip")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(sources, "RECBOLE_SHA256", digests)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return path


def cache(home: Path) -> Path:
    return home / "datasets" / "ml-100k"


def test_the_next_source_is_tried_and_the_result_cached(wheel: Path, delrec_home: Path, tmp_path: Path) -> None:
    log = Log()
    fetched = load_dataset(CONFIG, 0, log)
    assert fetched.source == "the copy in the recbole 1.2.1 wheel"
    assert any("GroupLens' archive failed: not reachable" in line for line in log.lines)
    assert facts(fetched) == facts(from_path(write(tmp_path / "plain", grouplens_files())))
    wheel.unlink()
    again = load_dataset(CONFIG, 0, Monitor())  # no source answers any more
    assert (facts(again), again.source) == (facts(fetched), fetched.source)
    kept = {path.name for path in cache(delrec_home).iterdir() if not path.name.startswith(".")}
    assert kept == {"items.csv", "interactions.csv", "manifest.json"}


def test_the_archive_is_taken_where_it_answers(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = pack(tmp_path / "published.zip").read_bytes()
    monkeypatch.setattr(sources, "GROUPLENS_MD5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(fetch, "_stream", lambda url, part, monitor, resume: part.write_bytes(content))
    dataset = load_dataset(CONFIG, 0, Monitor())
    assert dataset.source == "GroupLens' archive"
    assert facts(dataset) == facts(from_path(tmp_path / "published.zip"))


def test_a_truncated_archive_is_not_used(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = pack(tmp_path / "published.zip").read_bytes()
    monkeypatch.setattr(sources, "GROUPLENS_MD5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(fetch, "_stream", lambda url, part, monitor, resume: part.write_bytes(content[:-50]))
    log = Log()
    assert load_dataset(CONFIG, 0, log).source == "the copy in the recbole 1.2.1 wheel"
    assert any("corrupt or truncated" in line for line in log.lines)


def test_without_any_source_all_attempts_and_the_remedy_are_named(wheel: Path, delrec_home: Path) -> None:
    wheel.unlink()
    with pytest.raises(StudioError) as failure:
        load_dataset(CONFIG, 0, Monitor())
    message = str(failure.value)
    assert "GroupLens' archive: not reachable" in message
    assert "the copy in the recbole 1.2.1 wheel: pip could not fetch recbole==1.2.1" in message
    assert "set data.path" in message
    assert "\n" not in message
    assert [path.name for path in cache(delrec_home).iterdir() if not path.name.endswith(".lock")] == []


@pytest.mark.parametrize(
    ("name", "damage"), [("interactions.csv", "truncated"), ("items.csv", "absent"), ("manifest.json", "truncated")]
)
def test_a_damaged_cache_is_noticed_named_and_fetched_anew(
    wheel: Path, delrec_home: Path, name: str, damage: str
) -> None:
    whole = load_dataset(CONFIG, 0, Monitor())
    victim = cache(delrec_home) / name
    if damage == "absent":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-20])
    log = Log()
    assert facts(load_dataset(CONFIG, 0, log)) == facts(whole)
    assert any("read from" in line for line in log.lines)
    assert any("is damaged" in line and name in line for line in log.lines)


def test_a_data_folder_that_cannot_be_written_is_said_at_once(wheel: Path, delrec_home: Path) -> None:
    delrec_home.write_text("a file where the folder should be")
    with pytest.raises(StudioError, match=r"cannot write to the data folder.*DELREC_HOME"):
        load_dataset(CONFIG, 0, Monitor())
