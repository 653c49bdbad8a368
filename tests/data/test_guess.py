"""Formats are told apart by what files hold: however they are called, packed or mixed with others."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from samples import ITEMS, LOG, WRITE, amazon_2014, amazon_2018, lines, ml_latest, steam_v2
from test_readers import EXPECTED, load, sample_users

from engine import datasets
from engine.config import DataConfig
from engine.data.guess import FORMATS, guess_format
from engine.errors import StudioError
from engine.locations import data_fault

LOST = (
    "{guessed} takes {name} for its own: find of its reader looks into the interactions, as _is_log does, or its line"
    " in engine.datasets.READERS stands behind that of {name}"
)
GUESSED = {name: WRITE[name] for name in FORMATS} | {"steam 2": steam_v2}


def unpacked(folder: Path, name: str) -> dict[str, bytes]:
    """The plain files of a format."""
    folder.mkdir()
    GUESSED[name](folder, LOG)
    if archives := list(folder.glob("*.zip")):
        with zipfile.ZipFile(archives[0]) as archive:
            return {Path(member).name: archive.read(member) for member in archive.namelist() if "README" not in member}
    return {path.name.removesuffix(".gz"): plain(path) for path in folder.iterdir()}


def plain(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".TXT", ".csv", ".log", ""])
@pytest.mark.parametrize("name", [name for name in GUESSED if name != "recbole"])
def test_no_ending_makes_another_format_of_a_file(name: str, ending: str, tmp_path: Path) -> None:
    """Renamed, packed, packed without saying so, unpacked by a browser that kept the name, in an archive each."""
    files = {f"{Path(own).stem}{ending}": content for own, content in unpacked(tmp_path / "made", name).items()}
    places = [
        put(tmp_path / "renamed", files),
        put(tmp_path / "packed", {f"{own}.gz": gzip.compress(content) for own, content in files.items()}),
        put(tmp_path / "packed unsaid", {own: gzip.compress(content) for own, content in files.items()}),
        put(tmp_path / "unpacked", {f"{own}.gz": content for own, content in files.items()}),
    ]
    (tmp_path / "archives").mkdir()
    for own, content in files.items():
        with zipfile.ZipFile(tmp_path / "archives" / f"{own}.zip", "w") as archive:
            archive.writestr(own, content)
    for path in (*places, tmp_path / "archives"):
        guessed = guess_format(path)
        assert guessed == name.removesuffix(" 2"), LOST.format(name=name, guessed=guessed)
    assert sample_users(load(name.removesuffix(" 2"), places[-1])) == EXPECTED


@pytest.mark.parametrize("name", list(GUESSED))
def test_notes_that_are_called_like_a_data_set_are_none(name: str, tmp_path: Path) -> None:
    """Where a reader takes any ending, it looks into the file first."""
    names = [f"{Path(own).stem}.notes" for own in unpacked(tmp_path / "made", name)]
    folder = put(tmp_path / "notes", dict.fromkeys(names, b"Seen last winter, and liked.\n"))
    fault = data_fault(DataConfig(dataset=name.removesuffix(" 2"), path=str(folder)))
    assert fault is not None, "find of its reader takes these for interactions: it looks into them, as _is_log does"


@pytest.mark.parametrize("other", ["amazon-2014", "amazon-2018", "amazon-2023"])
@pytest.mark.parametrize("name", ["amazon-2014", "amazon-2018", "amazon-2023"])
def test_another_year_s_files_say_which_data_set_reads_them(name: str, other: str, tmp_path: Path) -> None:
    """Called as the year's own files are, so that only the records tell."""
    called = {"amazon-2014": "reviews_X_5.json", "amazon-2018": "X_5.json", "amazon-2023": "X.jsonl"}[name]
    GUESSED[other](tmp_path, [])
    meta = next(tmp_path.glob("meta_*"))
    meta = meta.rename(tmp_path / ("meta_X.jsonl.gz" if name == "amazon-2023" else "meta_X.json.gz"))
    for path in set(tmp_path.iterdir()) - {meta}:
        path.unlink()
    old = {"reviewerID": 0, "asin": 1, "unixReviewTime": 2}
    fields = old | {"helpful": "amazon-2014", "verified": "amazon-2018"}
    fields = {"user_id": 0, "parent_asin": 1, "timestamp": 2} if other == "amazon-2023" else fields
    kept = {field: at for field, at in fields.items() if at in (0, 1, 2, other)}
    rows = [{field: row[at] if isinstance(at, int) else True for field, at in kept.items()} for row in LOG]
    (tmp_path / called).write_text(lines(map(json.dumps, rows)))
    assert guess_format(tmp_path) == other
    if name == other:
        assert sample_users(load(name, tmp_path)) == EXPECTED
    else:
        with pytest.raises(StudioError, match=f"{re.escape(called)} holds reviews of A.* take data.dataset={other}"):
            load(name, tmp_path)


def test_items_of_another_year_are_told_from_those_that_are_lacking(tmp_path: Path) -> None:
    amazon_2014(tmp_path, LOG, "X")
    (tmp_path / "meta_X.json.gz").unlink()
    (tmp_path / "meta_X.json").write_text(lines(json.dumps({"parent_asin": raw, "title": "T"}) for raw in ITEMS))
    with pytest.raises(StudioError, match=r"no items of X: .*found meta_X\.json \(items of Amazon 2023\)"):
        load("amazon-2014", tmp_path)


def test_files_without_the_usual_names_belong_together_if_there_are_no_others(tmp_path: Path) -> None:
    amazon_2018(tmp_path, LOG, "Gift_Cards")
    (tmp_path / "Gift_Cards_5.json.gz").rename(tmp_path / "what people bought.txt.gz")
    (tmp_path / "meta_Gift_Cards.json.gz").rename(tmp_path / "things.gz")
    assert guess_format(tmp_path) == "amazon-2018"
    assert sample_users(load("amazon-2018", tmp_path)) == EXPECTED


@pytest.mark.parametrize("items", ["movies", "books"])
def test_own_tables_with_the_names_of_others_are_own_tables(items: str, tmp_path: Path) -> None:
    log = lines(f'"{user}";"{item}";"{moment}"' for user, item, moment in LOG)
    (tmp_path / "ratings.csv").write_text(f'"Reader";"ISBN";"When"\n{log}')
    (tmp_path / f"{items}.csv").write_text('"ISBN";"Book-Title"\n' + lines(f'"{raw}";"{raw}"' for raw in ITEMS))
    assert guess_format(tmp_path) == "csv"


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_tables_saved_anew_with_another_separator_are_read(mark: str, tmp_path: Path) -> None:
    ml_latest(tmp_path, [])
    archive = tmp_path / "ml-latest-small.zip"
    with zipfile.ZipFile(archive) as packed:
        listed = packed.read("ml-latest-small/movies.csv").decode().replace(',"', f'{mark}"').replace('",', f'"{mark}')
    archive.unlink()
    (tmp_path / "movies.csv").write_text(
        listed.replace("movieId,title,genres", mark.join(("movieId", "title", "genres")))
    )
    log = lines(mark.join((user, str(list(ITEMS).index(item) + 1), "4.0", str(moment))) for user, item, moment in LOG)
    (tmp_path / "ratings.csv").write_text(mark.join(("userId", "movieId", "rating", "timestamp")) + f"\n{log}")
    assert guess_format(tmp_path) == "ml-latest"
    assert sample_users(load("ml-latest", tmp_path)) == EXPECTED


def reviews_2014(folder: Path) -> None:
    amazon_2014(folder, LOG, "X")
    (folder / "meta_X.json.gz").rename(folder / "meta_Other.json.gz")


def listed_2014(folder: Path) -> None:
    amazon_2014(folder, LOG, "X")
    content = gzip.decompress((folder / "reviews_X_5.json.gz").read_bytes()).decode().strip().replace("\n", ",\n")
    (folder / "reviews_X_5.json.gz").write_bytes(gzip.compress(f"[{content}]\n".encode()))


def page(folder: Path) -> None:
    """What some servers answer where a file is gone."""
    ml_latest(folder, LOG)
    with zipfile.ZipFile(folder / "ml-latest-small.zip") as archive:
        (folder / "movies.csv").write_bytes(archive.read("ml-latest-small/movies.csv"))
    (folder / "ml-latest-small.zip").unlink()
    (folder / "ratings.csv").write_text("<!DOCTYPE html><html><body>not found</body></html>\n")


def tar(folder: Path) -> None:
    amazon_2014(folder, LOG, "X")
    for path in folder.iterdir():
        path.rename(path.with_name(path.name.replace(".json.gz", ".tar.gz")))


@pytest.mark.parametrize(
    ("make", "name", "told"),
    [
        (reviews_2014, "amazon-2014", r"no items of X: looked for meta_X\.json, found meta_Other\.json \(items of"),
        (
            listed_2014,
            "amazon-2014",
            r"neither a JSON object nor a Python dictionary \(.*reviews_X_5\.json\.gz, line 1",
        ),
        (page, "ml-latest", r"no column with the users: the first line is one cell, '<!DOCTYPE html>"),
        (tar, "amazon-2014", r"X(_5)?\.tar is packed in a way that is not read .*unpack it"),
    ],
)
def test_what_is_the_matter_with_files_is_said_whether_their_format_is_named_or_guessed(
    make: Callable[[Path], None], name: str, told: str, tmp_path: Path
) -> None:
    make(tmp_path)
    with pytest.raises(StudioError, match=told):
        load(name, tmp_path)
    with pytest.raises(StudioError, match=told):
        load(guess_format(tmp_path), tmp_path)


@pytest.mark.parametrize("name", ["ml-1m", "goodbooks-10k", "steam", "steam 2"])
def test_samples_below_a_data_set_are_no_other_one(name: str, tmp_path: Path) -> None:
    """As in the repository of goodbooks-10k; two beside each other are still asked about."""
    folder, name = tmp_path / "above" / "the set", name.removesuffix(" 2")
    for place, rows in ((folder, LOG), (folder / "samples", LOG[:3])):
        place.mkdir(parents=True)
        GUESSED[name](place, rows)
    shutil.make_archive(str(tmp_path / "packed"), "zip", folder.parent)
    for path in (folder, folder.parent, tmp_path / "packed.zip"):
        assert guess_format(path) == name
        assert load(name, path).n_interactions == len(LOG)
    (folder / "samples").rename(folder.parent / "other")
    with pytest.raises(StudioError, match="several data sets: "):
        load(name, folder.parent)


@pytest.mark.parametrize("copied", ["{} (1){}", "{}(2){}"])
@pytest.mark.parametrize("name", list(GUESSED))
def test_copies_that_a_browser_numbered_are_what_they_were(name: str, copied: str, tmp_path: Path) -> None:
    files = {copied.format(Path(own).stem, Path(own).suffix): content
             for own, content in unpacked(tmp_path / "made", name).items()}  # fmt: skip
    folder = put(tmp_path / "copied", files)
    (folder / "package.json").write_text('{\n "private": true\n}\n')
    assert guess_format(folder) == name.removesuffix(" 2")
    assert load(name.removesuffix(" 2"), folder).n_interactions == len(LOG)


@pytest.mark.parametrize("ending", ["csv", "tsv", "tab", "psv", "txt", "dat"])
def test_own_tables_are_known_by_every_ending_that_they_are_read_with(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"plays.{ending}").write_text("listener|track|playedat\nl|t|2020-01-01\n")
    (tmp_path / f"tracks.{ending}").write_text("track|songtitle\nt|Song\n")
    assert guess_format(tmp_path) == "csv"
    assert guess_format(tmp_path / f"plays.{ending}") == "csv"


@pytest.mark.parametrize(("part", "whole"), [("ml-25m", "ml-latest"), ("Gift_Cards", "amazon-2018 or amazon-2023")])
def test_a_part_of_a_data_set_says_whose_it_is(part: str, whole: str) -> None:
    with pytest.raises(
        StudioError, match=f"there is no data set .* set data.dataset to {whole}, and data.category={part}"
    ):
        datasets.reader(part)
